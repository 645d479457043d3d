"""What `bench.py ops` measured, as a chart and as a table in Markdown."""

from pathlib import Path
from typing import Any


def draw(rows: list[dict[str, Any]], where: dict[str, Any], file: Path) -> None:
    """Draw output and both gradients together, a bar for each layer, into a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = [row for row in rows if row["map"] == "all three"]
    layouts = sorted({row["layer"].rsplit(", ", 1)[1] for row in shown})
    size = (5.5 * len(layouts) + 1, 1.8 + 0.3 * len(shown) / max(1, len(layouts)))
    figure, panels = plt.subplots(1, len(layouts), figsize=size, squeeze=False)
    for axes, layout in zip(panels[0], layouts, strict=True):
        _panel(axes, [row for row in shown if row["layer"].endswith(layout)])
        axes.set_title(layout, fontsize=10)
    machine = f"{where['machine']}, {where['cores']} cores, jax {where['jax']}"
    figure.suptitle(
        f"Output and both gradients in one jitted step, float32\n{machine}", fontsize=11
    )
    figure.supxlabel("times faster than JAX's own convolution (lax with jax.vjp)")
    panels[0, -1].legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _panel(axes: Any, rows: list[dict[str, Any]]) -> None:
    places = range(len(rows), 0, -1)
    ours = [row["ratio to lax"] for row in rows]
    axes.barh(places, ours, 0.7, color="#3b6fb6", label="jaxconv")
    ends = ours
    if rows and "ratio to torch" in rows[0]:
        torch = [row["ratio to lax"] / row["ratio to torch"] for row in rows]
        axes.plot(torch, places, "D", color="#d1742f", ms=4, label="PyTorch (oneDNN)")
        ends = [max(pair) for pair in zip(ours, torch, strict=True)]
    for place, ratio, end in zip(places, ours, ends, strict=True):
        words = f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}"
        axes.text(end * 1.15, place, words, va="center", fontsize=8, color="#3b6fb6")
    axes.axvline(1, color="black", lw=0.8)
    axes.set_xscale("log")
    axes.set_xlim(0.5, 2 * max([1, *ends]))
    axes.set_ylim(0.3, len(rows) + 0.7)
    names = [row["layer"].rsplit(", ", 1)[0] for row in rows]
    axes.set_yticks(list(places), names, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return a table: for each layer how many times faster each map is."""
    maps = ("output", "input_grad", "param_grad", "all three")
    lines = [
        "| layer | output | input gradient | filter gradient | all three | PyTorch |",
        "|---|---|---|---|---|---|",
    ]
    layers: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        layers.setdefault(row["layer"], {})[row["map"]] = row
    for layer, found in layers.items():
        ratios = [found.get(name, {}).get("ratio to lax") for name in maps]
        torch = found.get("all three", {}).get("ratio to torch")
        cells = ["" if n is None else f"{n:.2f}" for n in (*ratios, torch)]
        lines.append(f"| {layer} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
