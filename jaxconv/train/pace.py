"""How fast a run goes, and how long it still takes."""

import time
from collections.abc import Callable


class Pace:
    """How long a run still takes, by the mean over the batches that this one has done.

    The mean includes validations and checkpoints. The first batch, which waits for
    compilation, is left out.
    """

    def __init__(
        self, total: int, done: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with what an earlier run has done."""
        self.total, self.done = total, done
        self._clock = clock
        self._first: tuple[int, float] | None = None  # batches, and when
        self._last = (done, 0.0)

    def start(self) -> None:
        """Take note that the first batch is done."""
        self.done += 1
        self._first = self._last = self.done, self._clock()

    def move(self, done: int) -> None:
        """Take note that so many batches are done."""
        self.done = done
        self._last = done, self._clock()

    def left(self) -> float | None:
        """Return the seconds left; None: not known yet."""
        if self._first is None or self._last[0] <= self._first[0]:
            return None
        batches = self._last[0] - self._first[0]
        each = (self._last[1] - self._first[1]) / batches
        since = self._clock() - self._last[1]
        return max(each * (self.total - self._last[0]) - since, 0.0)


def duration(seconds: float) -> str:
    """Return a length of time, in at most ten characters up to four months.

    >>> duration(7.4), duration(3700.0), duration(200_000.0)
    ('0:07', '1:01:40', '2d 07:33')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{hours // 24}d {hours % 24:02}:{minutes:02}"
