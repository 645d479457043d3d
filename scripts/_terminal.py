"""What `bench.py ops` and `train` print: a table of times and ratios, and means."""

import sys
from typing import Any

from _measure import EPOCH

Rows = list[dict[str, Any]]


def print_layers(rows: Rows) -> None:
    """Print a table of times and ratios, and the ratios' geometric means."""
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
        found = ratios_to(name, rows)
        print(
            f"times faster than {name}: geometric mean {geometric_mean(found):.2f}, "
            f"least {min(found):.2f}, over {len(found)} cells"
        )


def ratios_to(name: str, rows: Rows) -> list[float]:
    """Return how many times faster than `name` jaxconv is, in every cell."""
    return [row[f"ratio to {name}"] for row in rows if f"ratio to {name}" in row]


def geometric_mean(ratios: list[float]) -> float:
    """Return the geometric mean, in which ratios of 2 and 1/2 cancel out."""
    import numpy as np

    return float(np.exp(np.mean(np.log(ratios))))


def print_steps(rows: Rows) -> None:
    """Print a line for each contestant's training step."""
    for row in rows:
        print(
            f"{row['model']}, {row['by']}: {row['step ms']:.1f} ± "
            f"{row['spread ms'] / 2:.1f} ms a step, {row['epoch s']:.1f} s an epoch of "
            f"{EPOCH:,}, jaxconv {row['jaxconv is times faster']:.2f} times as fast"
        )
