"""The metrics of steps, fetched once they are computed: earlier would stall steps."""

import math
import time
from typing import Any

import jax

from jaxconv._words import counted
from jaxconv.train.step import Metrics


class DivergedError(RuntimeError):
    """The loss or an output of the model is not a finite number any more."""

    @classmethod
    def of(cls, what: str, done: int, last_good: str = "") -> "DivergedError":
        """Say what is not finite, after how many batches, and what to try."""
        return cls(
            f"{what} is not a finite number after {counted(done, 'batch', 'batches')}: "
            "training diverged. Try a lower learning_rate, a warm_up, or clip_norm 1. "
            f"{last_good}".rstrip()
        )


class Measured:
    """The metrics of the last steps, and the images a second since the last `take`."""

    def __init__(self) -> None:
        """Begin now."""
        self._waiting: list[tuple[int, Metrics]] = []
        self._means: tuple[float, float] | None = None
        self.restart()

    def restart(self) -> None:
        """Leave the time since the last `take` out of the speed."""
        self._images, self._since = 0, time.perf_counter()

    def add(self, done: int, metrics: Metrics, images: int) -> None:
        """Add a step's metrics, which may not be computed yet."""
        self._waiting.append((done, metrics))
        self._images += images

    def take(self, unfetched: int, last_good: str = "") -> tuple[Any, ...] | None:
        """Fetch all metrics but the newest; None if there are none.

        Returns:
          The mean loss, the mean accuracy, and images a second since the last `take`.

        Raises:
          DivergedError: a loss is not finite.
        """
        count = len(self._waiting) - unfetched
        if count < 1:
            return None
        fetched = self.check(last_good, count)
        self._waiting = self._waiting[count:]
        images, since = self._images, self._since
        self.restart()
        return (
            sum(float(metrics.loss) for metrics in fetched) / count,
            sum(float(metrics.accuracy) for metrics in fetched) / count,
            images / (self._since - since),
        )

    def check(self, last_good: str = "", count: int | None = None) -> list[Metrics]:
        """Fetch the first metrics that wait, or all; leave them waiting.

        Raises:
          DivergedError: a loss is not finite.
        """
        waiting = self._waiting[:count]
        fetched = jax.device_get([metrics for _, metrics in waiting])
        for (done, _), metrics in zip(waiting, fetched, strict=True):
            if not math.isfinite(metrics.loss):
                raise DivergedError.of("the loss", done, last_good)
        return fetched
