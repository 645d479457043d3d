"""Time one layer's maps or one model's training step, by every contestant."""

import importlib.util
import time
from collections.abc import Iterator
from typing import Any

EPOCH = 60_000  # images
Row = dict[str, Any]


def announce() -> tuple[Row, bool]:
    """Print and return machine, versions and flags; whether PyTorch is there."""
    from _timing import circumstances

    torch = importlib.util.find_spec("torch") is not None
    where = circumstances(torch)
    print(", ".join(f"{name} {value}" for name, value in where.items() if value != ""))
    if not torch:
        print("PyTorch is not installed and not timed: pip install -e '.[bench]'")
    return where, torch


def time_layer(
    layer: Any, seconds: Iterator[float], methods: bool, torch: bool
) -> list[Row]:
    """Time each map of a layer for the next of `seconds`; return a row for each."""
    import jax
    import numpy as np
    from _suite import contestants, maps_of, of_torch
    from _timing import alternate

    rng = np.random.default_rng(0)
    drawn = [layer.operands(rng) for _ in range(3)]
    arrays = [tuple(jax.numpy.asarray(d[key]) for key in "xwg") for d in drawn]
    maps = contestants(layer, methods)
    inputs: dict[str, Any] = dict.fromkeys(maps, arrays)
    if torch:
        maps["torch"], tensor = of_torch(layer)
        inputs["torch"] = [tuple(tensor(d[key], key) for key in "xwg") for d in drawn]
    rows = []
    for which in maps_of(layer):
        share = next(seconds)
        calls = {name: own[which] for name, own in maps.items() if which in own}
        row: Row = {"layer": layer.key, "map": which}
        for name in ("jaxconv", "lax"):
            row[f"{name} compile s"], row[f"{name} temp MB"] = _compiled(
                calls[name], arrays[0]
            )
        timings = alternate(calls, inputs, share, jax.block_until_ready)
        ours = timings["jaxconv"]
        row |= {f"{name} ms": timing.median for name, timing in timings.items()}
        row |= {f"{name} spread ms": timing.spread for name, timing in timings.items()}
        row |= {
            f"ratio to {name}": ours.times_faster_than(timing)
            for name, timing in timings.items()
            if name != "jaxconv"
        }
        rows.append(row)
    jax.clear_caches()
    return rows


def _compiled(call: Any, arrays: tuple[Any, ...]) -> tuple[float, float]:
    """Return how long compilation takes, and the megabytes of temporaries."""
    start = time.perf_counter()
    compiled = call.lower(*arrays).compile()
    seconds = time.perf_counter() - start
    return seconds, compiled.memory_analysis().temp_size_in_bytes / 2**20


def time_model(model: str, seconds: float, batch_size: int, torch: bool) -> list[Row]:
    """Time the training step of a model; a row for each contestant, ours first."""
    import _training
    from _timing import alternate

    steps = _training.contestants(model, batch_size, torch)
    given = _training.batches(model, batch_size)
    # NumPy's hundreds of megabytes a step would slow down the next contestant.
    alone = {"numpy": steps.pop("numpy")} if "numpy" in steps else {}
    timings = alternate(steps, dict.fromkeys(steps, given), seconds, float)
    timings |= alternate(alone, dict.fromkeys(alone, given), 0, float)
    ours = timings["jaxconv"]
    return [
        {
            "model": model,
            "by": name,
            "batch size": batch_size,
            "step ms": timing.median,
            "spread ms": timing.spread,
            "epoch s": timing.median / 1e3 * EPOCH / batch_size,
            "jaxconv is times faster": timing.median / ours.median
            if name in alone
            else ours.times_faster_than(timing),
        }
        for name, timing in timings.items()
    ]
