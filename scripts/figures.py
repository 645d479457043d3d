"""Draw the pictures of the documentation.

    python scripts/figures.py

rows_columns_diagonals.png: one band, read in three directions. Which input pixel meets
which weight in which output is one band of a matrix. Its rows are the output, its
columns the input gradient, its diagonals the filter gradient: the three formulas of
`jaxconv/chapter.py`.

kernels.png: the Laplacian and its relatives on a photograph-like image.

It needs: pip install -e '.[bench]'
"""

from pathlib import Path
from typing import Any

from _entry import run

HERE = Path(__file__).parent
BAND, KERNELS = HERE / "rows_columns_diagonals.png", HERE / "kernels.png"
PIXELS, TAPS = 5, 3
PAD = TAPS // 2
COLORS = "#2f5fa7", "#c8641e", "#2e8b57"  # of w0, w1, w2
INK, PALE, EDGE = "#1c2430", "#eceff4", "#c3c9d4"
PANELS = {
    "Output: a row": (
        lambda pixel, tap, out: out == 2,
        r"$o_2 = x_1 w_0 + x_2 w_1 + x_3 w_2$",
    ),
    "Input gradient: a column": (
        lambda pixel, tap, out: pixel == 1,
        r"at $x_1$:  $g_0 w_2 + g_1 w_1 + g_2 w_0$",
    ),
    "Filter gradient: a diagonal": (
        lambda pixel, tap, out: tap == 1,
        r"at $w_1$:  $x_0 g_0 + x_1 g_1 + x_2 g_2 + x_3 g_3 + x_4 g_4$",
    ),
}


def main() -> int:
    """Draw the figures and return the exit code."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from _chart import save

    matplotlib.rcParams["mathtext.fontset"] = "dejavusans"
    figure, panels = plt.subplots(1, len(PANELS), figsize=(12, 4))
    figure.set_layout_engine("constrained", wspace=0.06)
    for axes, (title, (chosen, formula)) in zip(panels, PANELS.items(), strict=True):
        _panel(axes, chosen)
        letter = "o" if title.startswith("Output") else "g"
        _labels(axes, chosen, letter)
        axes.set_title(title, fontsize=15, fontweight="bold", color=INK, pad=12)
        axes.set_xlabel(formula, fontsize=13.5, color=INK, labelpad=10)
    save(figure, BAND, 130)
    plt.close(figure)
    from jaxconv.nn import kernels, visualize

    save(visualize.classic(kernels.photograph()), KERNELS, 100)
    for file in (BAND, KERNELS):
        print(f"{file.name}: {file.stat().st_size:,} bytes")
    return 0


def _cells() -> list[tuple[int, int, int]]:
    """Return (pixel, tap, output) of every product; pixels of the padding are outside.

    Output o reads pixel o + tap - PAD through the tap.
    """
    return [(o + p - PAD, p, o) for o in range(PIXELS) for p in range(TAPS)]


def _panel(axes: Any, chosen: Any) -> None:
    """Draw a square for each product, the chosen ones in their tap's colour."""
    from matplotlib.patches import FancyBboxPatch

    for pixel, tap, out in _cells():
        on = chosen(pixel, tap, out)
        square = FancyBboxPatch(
            (pixel - 0.4, out - 0.4),
            0.8,
            0.8,
            boxstyle="round,pad=0.02,rounding_size=0.12",
            facecolor=COLORS[tap] if on else PALE,
            edgecolor=COLORS[tap] if on else EDGE,
            linewidth=1,
        )
        axes.add_patch(square)
        color = "white" if on else COLORS[tap]
        axes.text(pixel, out, f"$w_{tap}$", color=color, fontsize=14, **MIDDLE)
    axes.set_xlim(-PAD - 1.2, PIXELS + PAD - 0.4)
    axes.set_ylim(PIXELS - 0.4, -1.5)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


MIDDLE: dict[str, Any] = {"ha": "center", "va": "center"}


def _labels(axes: Any, chosen: Any, letter: str) -> None:
    """Name columns by pixel and rows by output, or by the gradient that comes there."""
    used = [cell for cell in _cells() if chosen(*cell)]
    for pixel in range(-PAD, PIXELS + PAD):
        inside = 0 <= pixel < PIXELS
        words = f"$x_{pixel}$" if inside else "0"
        weight = pixel in {x for x, *_ in used}
        color = INK if weight else "#8a93a3"
        axes.text(pixel, -1, words, color=color, fontsize=14, **MIDDLE)
    for out in range(PIXELS):
        color = INK if out in {o for *_, o in used} else "#8a93a3"
        words = f"${letter}_{out}$"
        axes.text(-PAD - 0.9, out, words, color=color, fontsize=14, **MIDDLE)


if __name__ == "__main__":
    run(main, "bench")
