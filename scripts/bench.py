"""Time jaxconv beside its peers, in one process, in turn: `bench.py ops --help`.

`ops` times the three maps of many layers and the three together, in both layouts;
`train` times the training steps of three models.
"""

import dataclasses
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

from _entry import run


@dataclasses.dataclass(frozen=True)
class Ops:
    """Time output, input gradient, filter gradient and all three in one step."""

    quick: bool = False
    """A third of the layers, shortly: under two minutes."""
    only: str = ""
    """Only the layers with this in their name."""
    methods: bool = False
    """Each method beside "auto"."""
    seconds: float = 1.0
    """For each map of each layer."""
    flags: str = ""
    """XLA_FLAGS for jaxconv and lax alike, such as
    --xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT."""
    json: Path | None = None
    """Write every figure to this file."""
    png: Path | None = None
    """Draw the ratios to lax into this file."""
    markdown: Path | None = None
    """Write the ratios as a table in Markdown."""


@dataclasses.dataclass(frozen=True)
class Train:
    """Time training steps of the chapter's model, a small ResNet and a MobileNet."""

    quick: bool = False
    """Under two minutes."""
    only: str = ""
    """Only the models with this in their name."""
    seconds: float = 30.0
    """For each model."""
    batch_size: int = 60
    """Images in each step."""
    flags: str = ""
    """XLA_FLAGS for jaxconv and lax alike."""
    json: Path | None = None
    """Write every figure to this file."""


def main() -> int:
    """Run a benchmark, and return the exit code."""
    kinds: dict[str, tuple[type, Any]] = {"ops": (Ops, ops), "train": (Train, train)}
    if not sys.argv[1:] or sys.argv[1] not in kinds:
        print("usage: bench.py {ops,train} [--help]", file=sys.stderr)
        return 2
    flags = [word for word in sys.argv if word.startswith("--flags=")]
    if flags:  # before JAX starts
        os.environ["XLA_FLAGS"] = flags[0].removeprefix("--flags=")
    # PyTorch's threads would spin after each call and take the others' cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    from jaxconv.train.cli import parse

    kind, run_it = kinds[sys.argv[1]]
    return run_it(parse(kind, sys.argv[2:]))


def ops(settings: Ops) -> int:
    """Time every layer; print a table, and write what is asked for."""
    from _suite import layers
    from rich.progress import track

    from jaxconv.train.cli import fail

    where, torch = announce()
    chosen = [one for one in layers(settings.quick) if settings.only in one.key]
    if not chosen:
        return fail(f"--only: no layer has {settings.only!r} in its name", 2)
    rows = []
    for layer in track(chosen, "Timing", disable=not sys.stdout.isatty()):
        rows += time_layer(layer, settings, torch)
    report(rows)
    results = {"where": where, "rows": rows}
    if settings.json is not None:
        settings.json.write_text(json.dumps(results, indent=1) + "\n")
    if settings.markdown is not None:
        from _chart import markdown

        settings.markdown.write_text(markdown(rows))
    if settings.png is not None:
        from _chart import draw

        draw(rows, where, settings.png)
    return 0


def train(settings: Train) -> int:
    """Time every model's step; print the epochs that would be, and the ratios."""
    import _training
    from _timing import alternate

    from jaxconv.train.cli import fail

    where, torch = announce()
    chosen = [name for name in _training.INPUTS if settings.only in name]
    if not chosen:
        return fail(f"--only: no model has {settings.only!r} in its name", 2)
    rows: list[dict[str, Any]] = []
    for model in chosen:
        steps = _training.contestants(model, settings.batch_size, torch)
        given = _training.batches(model, settings.batch_size)
        seconds = settings.seconds / 3 if settings.quick else settings.seconds
        # NumPy's hundreds of megabytes a step would slow down whoever comes next.
        alone = {"numpy": steps.pop("numpy")} if "numpy" in steps else {}
        timings = alternate(steps, dict.fromkeys(steps, given), seconds, float)
        timings |= alternate(alone, dict.fromkeys(alone, given), 0, float)
        ours = timings["jaxconv"]
        rows += [
            {
                "model": model,
                "by": name,
                "step ms": timing.median,
                "spread ms": timing.spread,
                "epoch s": timing.median / 1e3 * EPOCH / settings.batch_size,
                "jaxconv is times faster": timing.median / ours.median
                if name in alone
                else ours.times_faster_than(timing),
            }
            for name, timing in timings.items()
        ]
        for row in rows[-len(timings) :]:
            print(
                f"{model}, {row['by']}: {row['step ms']:.1f} ± "
                f"{row['spread ms'] / 2:.1f} ms a step, {row['epoch s']:.1f} s an epoch"
                f" of {EPOCH:,}, jaxconv {row['jaxconv is times faster']:.2f} times"
                " as fast"
            )
    if settings.json is not None:
        text = json.dumps({"where": where, "rows": rows}, indent=1)
        settings.json.write_text(text + "\n")
    return 0


EPOCH = 60_000  # images


def announce() -> tuple[dict[str, Any], bool]:
    """Print and return machine, versions and flags; whether PyTorch is there."""
    from _timing import circumstances

    torch = importlib.util.find_spec("torch") is not None
    where = circumstances(torch)
    print(", ".join(f"{name} {value}" for name, value in where.items() if value != ""))
    if not torch:
        print("PyTorch is not installed and not timed.")
    return where, torch


def time_layer(layer: Any, settings: Ops, torch: bool) -> list[dict[str, Any]]:
    """Time the maps of a layer by every contestant; one row for each map."""
    import jax
    import numpy as np
    from _suite import MAPS, contestants, of_torch
    from _timing import alternate

    rng = np.random.default_rng(0)
    drawn = [layer.operands(rng) for _ in range(3)]
    arrays = [tuple(jax.numpy.asarray(d[key]) for key in "xwg") for d in drawn]
    maps = contestants(layer, settings.methods)
    inputs: dict[str, Any] = dict.fromkeys(maps, arrays)
    if torch:
        maps["torch"], tensor = of_torch(layer)
        inputs["torch"] = [tuple(tensor(d[key], key) for key in "xwg") for d in drawn]
    rows = []
    for which in MAPS:
        calls = {name: own[which] for name, own in maps.items() if which in own}
        if not calls:
            continue
        seconds = settings.seconds / 2 if settings.quick else settings.seconds
        row: dict[str, Any] = {"layer": layer.key, "map": which}
        for name in ("jaxconv", "lax"):
            row[f"{name} compile s"], row[f"{name} temp MB"] = _compiled(
                calls[name], arrays[0]
            )
        timings = alternate(calls, inputs, seconds, jax.block_until_ready)
        row |= {f"{name} ms": timing.median for name, timing in timings.items()}
        row |= {f"{name} spread ms": timing.spread for name, timing in timings.items()}
        for name in timings:
            if name != "jaxconv":
                row[f"ratio to {name}"] = timings["jaxconv"].times_faster_than(
                    timings[name]
                )
        rows.append(row)
    jax.clear_caches()
    return rows


def _compiled(call: Any, arrays: tuple[Any, ...]) -> tuple[float, float]:
    """Return how long compilation takes, and the megabytes of temporaries."""
    import time

    start = time.perf_counter()
    compiled = call.lower(*arrays).compile()
    seconds = time.perf_counter() - start
    return seconds, compiled.memory_analysis().temp_size_in_bytes / 2**20


def report(rows: list[dict[str, Any]]) -> None:
    """Print a table of times and ratios, and the ratios' geometric means."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    who = [key.removesuffix(" ms") for key in rows[0] if key.endswith(" ms")]
    who = [name for name in who if not name.endswith("spread")]
    others = [name for name in who if name != "jaxconv"]
    table = Table(
        "layer",
        "map",
        *(f"{name} ms" for name in who),
        *(f"times faster than {name}" for name in others),
        "compile s",
        "temporary MB",
    )
    for row in rows:
        times = (
            f"{row[f'{name} ms']:.2f} ± {row[f'{name} spread ms'] / 2:.2f}"
            if f"{name} ms" in row
            else ""
            for name in who
        )
        ratios = [row.get(f"ratio to {name}") for name in others]
        table.add_row(
            row["layer"],
            row["map"],
            *times,
            *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
            f"{row['jaxconv compile s']:.2f}",
            f"{row['jaxconv temp MB']:.1f}",
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    for name in others:
        found = [row[f"ratio to {name}"] for row in rows if f"ratio to {name}" in row]
        mean = float(np.exp(np.mean(np.log(found))))
        print(
            f"times faster than {name}: geometric mean {mean:.2f}, least "
            f"{min(found):.2f}, over {len(found)} cells"
        )


if __name__ == "__main__":
    run(main, "bench")
