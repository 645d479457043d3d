"""Time a network's training step and inference: lax, jaxconv and PyTorch in turn."""

import contextlib
import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from _networks import Network
from _timing import alternate

import jaxconv

MAPS = ("training step", "inference")
Row = dict[str, Any]
Within = dict[str, Callable[[], Any]]  # the block that each contestant is compiled in
PATCHED: Within = {"lax": contextlib.nullcontext, "jaxconv": jaxconv.patch}


def time_network(
    facts: Row, network: Network, twin: Any, seconds: float, within: Within = PATCHED
) -> list[Row]:
    """Time both maps, each for `seconds`; a row for each, which begins with `facts`.

    `twin` is PyTorch's network, or None. Inference is compiled first, so that what only
    a process's first program costs is in neither one's compile time of the step.
    """
    steps = {by: _Stepping(network, block) for by, block in within.items()}
    facts = facts | {"parameters": _count(network.state[0])}
    if twin is not None:
        facts |= {"torch parameters": twin.parameters}
    rows: list[Row] = []
    for which in reversed(MAPS):
        row = facts | {"map": which}
        calls: dict[str, Any] = {}
        for by, step in steps.items():
            calls[by], found = step.compiled(which)
            row |= {f"{by} {key}": value for key, value in found.items()}
        inputs = dict.fromkeys(calls, _inputs(which, network.inputs))
        held = dict.fromkeys(calls, _megabytes(network.state))
        if twin is not None:
            calls["torch"] = twin.train if which == MAPS[0] else twin.infer
            inputs["torch"] = _inputs(which, twin.inputs)
            held["torch"] = twin.megabytes
        rows.insert(0, row | _timed(calls, inputs, held, seconds))
    return rows


def _timed(calls: Row, inputs: Row, held: Row, seconds: float) -> Row:
    """Time calls in turn; return their times, ratios, and peaks with what is `held`."""
    found: Row = {}
    timings = alternate(calls, inputs, seconds, jax.block_until_ready)
    for by, timing in timings.items():
        found |= {f"{by} ms": timing.median, f"{by} spread ms": timing.spread}
        if by != "jaxconv":
            found[f"ratio to {by}"] = timings["jaxconv"].times_faster_than(timing)
        fresh = _fresh(calls[by], inputs[by][0])
        if fresh is not None:
            found[f"{by} peak MB"] = held[by] + fresh
    return found


class _Stepping:
    """A copy of a network's state, and functions that are compiled for it."""

    def __init__(self, network: Network, within: Callable[..., Any]) -> None:
        self.network, self.within = network, within
        self.state = jax.tree.map(lambda array: array.copy(), network.state)

    def compiled(self, which: str) -> tuple[Callable[..., Any], Row]:
        """Compile; return the call, the seconds that took, and XLA's megabytes.

        The training step donates its state.
        """
        network, given = self.network, _inputs(which, self.network.inputs)[0]
        training = which == MAPS[0]
        jax.clear_caches()  # what one contestant traced is not the other's gain
        start = time.perf_counter()
        with self.within():
            if training:
                program = jax.jit(network.train, donate_argnums=0)
            else:
                program = jax.jit(network.infer)
            run = program.lower(self.state, *given).compile()
        seconds = time.perf_counter() - start

        def train(x: Any, y: Any) -> Any:
            self.state, loss = jax.block_until_ready(run(self.state, x, y))
            return loss

        def infer(x: Any) -> Any:
            return run(self.state, x)

        found = {"compile s": seconds, **_asked_for(run)}
        return train if training else infer, found


def _asked_for(program: Any) -> Row:
    """Return the megabytes of a program's temporaries, arguments and results."""
    sizes = program.memory_analysis()
    return {
        "temporary MB": sizes.temp_size_in_bytes / 2**20,
        "argument MB": sizes.argument_size_in_bytes / 2**20,
        "new result MB": (sizes.output_size_in_bytes - sizes.alias_size_in_bytes)
        / 2**20,
    }


def _fresh(call: Callable[..., Any], given: tuple[Any, ...]) -> float | None:
    """Return the megabytes by which a call makes the resident memory grow at most.

    It counts what each library asks for by itself as well. Linux alone tells it. The
    median of three calls: memory freed late, by another thread, falsifies some.
    """
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")

    def kilobytes(name: str) -> int:
        line = next(s for s in status.read_text().splitlines() if s.startswith(name))
        return int(line.split()[1])

    grown = []
    for _ in range(3):
        gc.collect()
        try:
            ctypes.CDLL(None).malloc_trim(0)  # else memory kept for reuse would hide it
            reset.write_text("5")  # the peak begins anew
        except (OSError, AttributeError):
            return None
        before = kilobytes("VmRSS:")
        jax.block_until_ready(call(*given))
        grown.append((kilobytes("VmHWM:") - before) / 2**10)
    return statistics.median(grown)


def losses(
    network: Network, steps: int = 10, within: Within = PATCHED
) -> dict[str, list[float]]:
    """Return the losses of the first steps, by lax and by jaxconv."""
    found = {}
    for by, block in within.items():
        call, _ = _Stepping(network, block).compiled(MAPS[0])
        inputs = network.inputs
        found[by] = [float(call(*inputs[i % len(inputs)])) for i in range(steps)]
    return found


def _inputs(which: str, inputs: list[tuple[Any, Any]]) -> list[tuple[Any, ...]]:
    return [given if which == MAPS[0] else given[:1] for given in inputs]


def _count(params: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def _megabytes(state: Any) -> float:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(state)) / 2**20
