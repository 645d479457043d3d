"""Time jaxconv beside lax and PyTorch, in one process, in turn: `bench.py ops --help`.

`ops` times the three maps of many layers and the three together, in both layouts.
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


def main() -> int:
    """Run a benchmark, and return the exit code."""
    if sys.argv[1:2] != ["ops"]:
        print("usage: bench.py ops [--help]", file=sys.stderr)
        return 2
    flags = [word for word in sys.argv if word.startswith("--flags=")]
    if flags:  # before JAX starts
        os.environ["XLA_FLAGS"] = flags[0].removeprefix("--flags=")
    # PyTorch's threads would spin after each call and take the others' cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    from jaxconv.train.cli import parse

    settings = parse(Ops, sys.argv[2:])
    return ops(settings)


def ops(settings: Ops) -> int:
    """Time every layer; print a table, and write what is asked for."""
    from _suite import layers
    from _timing import circumstances
    from rich.progress import track

    from jaxconv.train.cli import fail

    torch = importlib.util.find_spec("torch") is not None
    where = circumstances(torch)
    print(", ".join(f"{name} {value}" for name, value in where.items() if value != ""))
    if not torch:
        print("PyTorch is not installed and not timed.")
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
