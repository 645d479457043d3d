"""The layout of the figures of `jaxconv.nn.visualize`; only here is matplotlib."""

import math
from typing import Any

import numpy as np

Figure = Any  # matplotlib.figure.Figure: matplotlib is imported when a figure is drawn
SIGNED = "RdBu_r"
UNSIGNED = "magma"
_MOST = 64  # panels; more would be too small to see


def grid(
    panels: list[np.ndarray],
    title: str,
    colours: str = "gray",
    scale: tuple[float, float] | None = None,
    first: tuple[str, np.ndarray] | None = None,
) -> Figure:
    """Draw the first panels in a nearly square grid, numbered."""
    shown = [(str(number), panel) for number, panel in enumerate(panels[:_MOST])]
    columns = math.ceil(math.sqrt(1.5 * (len(shown) + bool(first))))
    rows = math.ceil((len(shown) + bool(first)) / columns)
    size = max(1.0, 10 / columns)
    height = size * rows + 0.8
    figure, axes = new_figure(
        rows, columns, width=max(size * columns, 4), height=height
    )
    if first:
        draw(axes[0], first[1], "gray", None, first[0])
    drawn_on = axes[bool(first) :]
    for axis, (name, panel) in zip(drawn_on, shown, strict=False):
        drawn = draw(axis, panel, colours, scale, name)
    if scale:
        figure.colorbar(drawn, ax=axes, shrink=0.8, aspect=40, pad=0.02)
    more = f"; the first {len(shown)}" if len(panels) > len(shown) else ""
    figure.suptitle(title + more)
    return figure


def pair(panels: dict[str, Any], title: str) -> Figure:
    """Draw an image, and beside it a map of magnitudes."""
    figure, axes = new_figure(1, 2, width=8, height=4.2)
    colours = ("gray", UNSIGNED)
    for axis, (name, panel), map_name in zip(
        axes, panels.items(), colours, strict=True
    ):
        drawn = draw(axis, np.asarray(panel), map_name, None, name)
    figure.colorbar(drawn, ax=axes[-1], shrink=0.8)
    if title:
        figure.suptitle(title)
    return figure


def new_figure(
    rows: int, columns: int, *, width: float | int, height: float | int
) -> tuple[Figure, list[Any]]:
    """Return a figure, and its panels row by row without frames."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Figures need matplotlib. Run pip install matplotlib, or "
            'pip install -e ".[plots]".'
        ) from error
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.set_axis_off()
    return figure, axes


def draw(
    axis: Any,
    panel: np.ndarray,
    colours: str,
    scale: tuple[float, float] | None,
    title: str,
) -> Any:
    """Draw one panel, pixel by pixel."""
    low, high = scale or (None, None)
    axis.set_title(title, fontsize=9)
    return axis.imshow(
        panel, cmap=colours, vmin=low, vmax=high, interpolation="nearest"
    )
