"""Timing side by side: alternating, warmed up, with fresh inputs, medians of ratios."""

import dataclasses
import os
import platform
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Timing:
    """The seconds of each call of one contestant, in the order of the rounds."""

    seconds: np.ndarray

    @property
    def median(self) -> float:
        """The median, in milliseconds."""
        return float(np.median(self.seconds)) * 1e3

    @property
    def spread(self) -> float:
        """The middle half of the times, in milliseconds."""
        low, high = np.percentile(self.seconds, (25, 75))
        return float(high - low) * 1e3

    def times_faster_than(self, other: "Timing") -> float:
        """Return the median over the rounds of the other's time over this one's."""
        return float(np.median(other.seconds / self.seconds))


def alternate(
    calls: dict[str, Callable[..., Any]],
    inputs: dict[str, Sequence[tuple[Any, ...]]],
    seconds: float,
    wait: Callable[[Any], Any],
) -> dict[str, Timing]:
    """Time the calls in turn, round after round, each round on the next inputs.

    The order of each round is random. Short calls are repeated until they last
    about 2 ms together.
    """
    repeats = {}
    for name, call in calls.items():
        wait(call(*inputs[name][0]))  # compiles
        start = time.perf_counter()
        wait(call(*inputs[name][0]))
        took = time.perf_counter() - start
        repeats[name] = max(1, int(2e-3 / max(took, 1e-6)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    rng = np.random.default_rng(0)
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < 5 or (time.perf_counter() < end and rounds < 101):
        for name in rng.permutation(list(calls)):  # nobody always after another
            call = calls[name]
            given = inputs[name][rounds % len(inputs[name])]
            start = time.perf_counter()
            for _ in range(repeats[name]):
                wait(call(*given))
            times[name].append((time.perf_counter() - start) / repeats[name])
        rounds += 1
    return {name: Timing(np.array(spent)) for name, spent in times.items()}


def circumstances(torch: bool) -> dict[str, Any]:
    """Return machine, versions and flags."""
    import jax
    import jaxlib

    found = {
        "machine": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
        "platform": jax.default_backend(),
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
    }
    if torch:
        import torch as torch_module

        found |= {
            "torch": torch_module.__version__,
            "torch threads": torch_module.get_num_threads(),
        }
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line for line in file if line.startswith("model name")]
        return names[0].split(":")[1].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()
