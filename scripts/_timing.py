"""Time calls in turn: warmed up, with changing inputs; ratios are medians."""

import dataclasses
import datetime
import itertools
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

PAUSE = 0.02  # seconds


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

    Each round has an order of its own, see `orders`, and a pause comes before each
    contestant: PyTorch's threads spin for a while after a call and would take the next
    one's cores. To let them sleep at once would make PyTorch twice as slow. Short calls
    are repeated until they last about 2 ms together. There are at least 5 rounds, or 3
    where a round lasts more than 2 s, and at most 101.
    """
    repeats = {}
    whole = 0.0
    for name, call in calls.items():
        wait(call(*inputs[name][0]))  # compiles
        start = time.perf_counter()
        wait(call(*inputs[name][0]))
        took = time.perf_counter() - start
        repeats[name] = max(1, int(2e-3 / max(took, 1e-6)))
        whole += took
    times: dict[str, list[float]] = {name: [] for name in calls}
    order = orders(list(calls))
    end = time.perf_counter() + seconds
    rounds, least = 0, 5 if whole < 2 else 3
    while rounds < least or (time.perf_counter() < end and rounds < 101):
        for name in next(order):
            call = calls[name]
            given = inputs[name][rounds % len(inputs[name])]
            time.sleep(PAUSE)
            start = time.perf_counter()
            for _ in range(repeats[name]):
                wait(call(*given))
            times[name].append((time.perf_counter() - start) / repeats[name])
        rounds += 1
    return {name: Timing(np.array(spent)) for name, spent in times.items()}


def orders(names: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield the names in changing orders, so that none always follows the same other.

    All orders come once, shuffled, before any comes again; of more than 4 names, random
    orders.
    """
    rng = np.random.default_rng(0)
    while True:
        if len(names) > 4:
            yield tuple(names[i] for i in rng.permutation(len(names)))
            continue
        every = list(itertools.permutations(names))
        for i in rng.permutation(len(every)):
            yield every[i]


def shares(seconds: float, count: int) -> Iterator[float]:
    """Yield how long to time each of `count` things, so that all take `seconds`.

    The time between timings, such as for compiling, counts as well: its average so far
    is reserved for each thing that is left.
    """
    begin = time.perf_counter()
    given = 0.0
    for done in range(count):
        elapsed = time.perf_counter() - begin
        overhead = (elapsed - given) / done if done else 0.0
        share = max(0.0, (seconds - elapsed) / (count - done) - overhead)
        given += share
        yield share


def circumstances(torch: bool) -> dict[str, Any]:
    """Return date, machine, versions and flags."""
    import jax
    import jaxlib

    found = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": processor(),
        "cores": _cores(),
        "load before": _load(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
        "platform": jax.default_backend(),
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
        "GLIBC_TUNABLES": os.environ.get("GLIBC_TUNABLES", ""),
    }
    if torch:
        import torch as torch_module

        found |= {
            "torch": torch_module.__version__,
            "torch threads": torch_module.get_num_threads(),
        }
    return found


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _load() -> float:
    """Return how many processes ran in the last minute: about 0 on a quiet machine."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else float("nan")


def processor(file: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name and family, which tells its generation."""
    try:
        first = file.read_text().split("\n\n")[0]
    except OSError:
        first = ""
    facts = {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in first.splitlines())
    }
    name = facts.get("model name")
    if not name:
        return platform.processor() or platform.machine()
    details = [
        f"{key} {facts[key]}" for key in ("cpu family", "model") if facts.get(key)
    ]
    flags = facts.get("flags", "").split()
    wide = [s for s in ("avx512f", "avx2") if s in flags][:1]
    details += [{"avx512f": "AVX-512", "avx2": "AVX2"}[s] for s in wide]
    name = name.replace("(R)", "").replace("(TM)", "")
    return f"{name} ({', '.join(details)})" if details else name
