"""The chart of `bench.py report`: how many times as fast as lax, by layer."""

import io
from pathlib import Path
from typing import Any

OURS, THEIRS, PALE = "#2f5fa7", "#c8641e", "#d8dde6"
TICKS = 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000


def draw(rows: list[dict[str, Any]], where: dict[str, Any], file: Path) -> None:
    """Draw output and both gradients together, a bar for each layer, into a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = [row for row in rows if row["map"] == "all three"]
    layouts = sorted({row["layer"].rsplit(", ", 1)[1] for row in shown}) or [""]
    tallest = max([1, *(_count(shown, layout) for layout in layouts)])
    figure, panels = plt.subplots(
        1,
        len(layouts),
        figsize=(4.9 * len(layouts), 1.35 + 0.25 * tallest),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    torch = any("ratio to torch" in row for row in shown)
    for axes, layout in zip(panels[0], layouts, strict=True):
        mine = [row for row in shown if row["layer"].endswith(layout)]
        _panel(axes, mine, torch, _ends(shown))
        axes.set_title(layout, fontsize=10, loc="left", fontweight="bold")
    versions = f"jax {where['jax']}"
    versions += f", PyTorch {where['torch']}" if "torch" in where else ""
    figure.suptitle(
        "Times as fast as JAX's own convolution: output and both gradients, float32\n"
        f"{where['processor']}, {where['cores']} cores, {versions}",
        fontsize=10,
    )
    save(figure, file, 110)
    plt.close(figure)


def save(figure: Any, file: Path, dpi: int) -> None:
    """Write a small PNG, of few colours; the same figure gives the same bytes."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.1)
    picture = Image.open(drawn).convert("RGB")
    picture.quantize(64, Image.Quantize.MEDIANCUT).save(file, optimize=True)


def _count(rows: list[dict[str, Any]], layout: str) -> int:
    return sum(row["layer"].endswith(layout) for row in rows)


def _ends(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """Return the ends of the axis, the same in all panels so that bars compare."""
    ratios = [1.0, *(row["ratio to lax"] for row in rows)]
    ratios += [
        row["ratio to lax"] / row["ratio to torch"]
        for row in rows
        if "ratio to torch" in row
    ]
    return min(0.4, 0.8 * min(ratios)), 2 * max(ratios)


def _panel(
    axes: Any, rows: list[dict[str, Any]], torch: bool, ends: tuple[float, float]
) -> None:
    """Draw a bar and a mark for each layer, and their numbers in columns at right."""
    places = range(len(rows), 0, -1)
    ours = [row["ratio to lax"] for row in rows]
    theirs = [row["ratio to lax"] / row.get("ratio to torch", 1) for row in rows]
    lowest, highest = ends
    axes.hlines(places, lowest, highest, color=PALE, lw=0.6, zorder=0)
    # From 1, where both are equally fast: to the right faster, to the left slower.
    widths = [ratio - 1 for ratio in ours]
    axes.barh(places, widths, 0.62, left=1, color=OURS)
    if torch:
        axes.plot(theirs, places, "D", color=THEIRS, ms=4)
    columns = [(1.05, "jaxconv", OURS, ours)]
    if torch:
        columns.append((1.19, "PyTorch", THEIRS, theirs))
    at = axes.get_yaxis_transform()
    for left, title, color, values in columns:
        style: dict[str, Any] = {"ha": "center", "va": "center", "color": color}
        top = len(rows) + 1
        axes.text(left, top, title, transform=at, fontsize=7.5, **style)
        for place, value in zip(places, values, strict=True):
            words = f"{value:.0f}" if value >= 10 else f"{value:.1f}"
            axes.text(left, place, words, transform=at, fontsize=7.5, **style)
    axes.axvline(1, color="black", lw=0.8)
    axes.set_xscale("log")
    axes.set_xlim(lowest, highest)
    ticks = [n for n in TICKS if lowest < n < highest]
    axes.set_xticks(ticks, [f"{n:g}" for n in ticks], fontsize=7.5)
    axes.minorticks_off()
    axes.set_ylim(0.3, len(rows) + 0.7)
    names = [row["layer"].rsplit(", ", 1)[0] for row in rows]
    axes.set_yticks(list(places), names, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
