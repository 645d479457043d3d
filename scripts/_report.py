"""What `bench.py report` writes: BENCHMARKS.md."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _suite import LAYERS, MAPS
from _terminal import geometric_mean, ratios_to

ROOT = Path(__file__).parents[1]
CHART = "benchmarks.png"
TITLES = {
    "output": "output",
    "input_grad": "input gradient",
    "param_grad": "filter gradient",
    "all three": "all three",
}
FACTS = {
    "processor": "processor",
    "cores": "cores",
    "load before": "load average before (quiet: about 0)",
    "date": "date",
    "python": "Python",
    "jax": "jax",
    "jaxlib": "jaxlib",
    "torch": "PyTorch",
    "torch threads": "threads of PyTorch",
    "platform": "platform of JAX",
    "XLA_FLAGS": "`XLA_FLAGS`",
    "GLIBC_TUNABLES": "`GLIBC_TUNABLES`",
}
Row = dict[str, Any]

HOW = (
    "All contestants run in one process, in turn, each round in another order and on "
    "other arrays, for 5 to 101 rounds (3 where a round lasts more than 2 s); short "
    "calls are repeated until they last 2 ms. Times are medians over the rounds, "
    "ratios are medians of each round's ratio; compiling is not counted. lax is "
    "`jax.lax.conv_general_dilated`, jitted, with `jax.vjp` for gradients; PyTorch "
    "runs `aten::convolution` and `aten::convolution_backward`, on channels-last "
    "tensors where the layout is NHWC. All is float32. Where a ratio to lax is about "
    "1, both run the same program and differ by noise."
)
LAYERS_HOW = (
    "As oneDNN's benchmark writes them: `g` groups, `mb` batch, `ic` and `oc` "
    "channels, `id ih iw` the input, `kd kh kw` the filter, `s` stride, `p` padding on "
    "the low side, `d` zeros between taps, `z` zeros between pixels; what is not given "
    "for an axis is as for the axis before it."
)


def benchmarks(results: dict[str, Any]) -> str:
    """Return all of BENCHMARKS.md but the sections of other commands."""
    where, rows = results["where"], results["ops"]
    facts = [(FACTS[key], where[key]) for key in FACTS if where.get(key, "") != ""]
    parts = [
        "# Benchmarks",
        _wrapped(
            "`python scripts/bench.py report` writes this file and its chart, from the "
            "same figures; `nets` and `devices` their sections. Do not edit it."
        ),
        _table(("", ""), facts),
        _wrapped(HOW),
    ]
    if results["train"]:
        parts += ["## Training steps", _models(results["train"])]
    if rows:
        parts += [
            "## Layers",
            *_summary(rows),
            f"![Times as fast as lax, by layer]({CHART})",
        ]
    for layout in ("NCHW", "NHWC"):
        found = {
            name: maps for (name, at), maps in _by_layer(rows).items() if at == layout
        }
        if found:
            parts += [f"### {layout}: times as fast as", _ratios(found)]
        if any("jaxconv ms" in row for maps in found.values() for row in maps.values()):
            parts += [f"### {layout}: milliseconds", _times(found)]
    lines = [(name, f"`{line}`") for name, (line, _) in LAYERS.items()]
    parts += [
        "## The layers",
        _wrapped(LAYERS_HOW),
        _table(("layer", "convolution"), lines),
    ]
    return "\n\n".join(parts) + "\n"


def _models(rows: list[Row]) -> str:
    """Return the table of training steps."""
    table = []
    for model, steps in _by_model(rows).items():
        faster = [
            figure(steps.get(by, {}).get("jaxconv is times faster"))
            for by in ("flax", "torch")
        ]
        numpy = figure(steps.get("numpy", {}).get("step ms"))
        table.append((_title(model), *_three(steps, "step ms"), numpy, *faster))
    header = (
        "milliseconds a step",
        "jaxconv",
        "Flax on lax",
        "PyTorch",
        "NumPy, im2col",
        "times as fast as lax",
        "as PyTorch",
    )
    sizes = {row["batch size"] for row in rows}
    text = (
        f"Whole steps of {', '.join(map(str, sizes))} images: forward, gradients, SGD "
        "with momentum. The chapter's model is jaxconv's own; the others are Flax's, "
        "on lax and, under `jaxconv.patch()`, on jaxconv."
    )
    return f"{_wrapped(text)}\n\n{_table(header, table)}"


def _summary(rows: list[Row]) -> list[str]:
    """Return a sentence on all cells for each peer."""
    sentences = []
    for name, words in (("lax", "lax"), ("torch", "PyTorch")):
        cells = [row for row in rows if f"ratio to {name}" in row]
        if not cells:
            continue
        ratios = ratios_to(name, rows)
        behind = [row for row in cells if row[f"ratio to {name}"] < 0.9]
        text = (
            f"Over {len(cells)} cells jaxconv is on geometric average "
            f"{geometric_mean(ratios):.2f} times as fast as {words}, at least "
            f"{min(ratios):.2f} times; it is behind by more than a tenth in "
            f"{len(behind)}"
        )
        if 0 < len(behind) <= 12:
            named = (f"{row['layer']}, {TITLES[row['map']]}" for row in behind)
            text += f" ({'; '.join(named)})"
        sentences.append(_wrapped(text + "."))
    return sentences


def _ratios(found: dict[str, dict[str, Row]]) -> str:
    """Return for each layer the ratios to lax and to PyTorch, for each map."""
    peers = [
        (peer, words)
        for peer, words in (("lax", "lax"), ("torch", "PyTorch"))
        if any(
            f"ratio to {peer}" in row
            for maps in found.values()
            for row in maps.values()
        )
    ]
    columns = [
        (which, peer, f"{words}: {TITLES[which]}")
        for peer, words in peers
        for which in MAPS
        if any(f"ratio to {peer}" in maps.get(which, {}) for maps in found.values())
    ]
    rows = [
        (
            name,
            *(
                figure(maps.get(w, {}).get(f"ratio to {peer}"))
                for w, peer, _ in columns
            ),
        )
        for name, maps in found.items()
    ]
    return _table(("layer", *(title for *_, title in columns)), rows)


def _times(found: dict[str, dict[str, Row]]) -> str:
    """Return for each layer jaxconv's, lax's and PyTorch's milliseconds, slashed."""
    rows = [
        (
            name,
            *(
                " / ".join(
                    figure(maps[which].get(f"{by} ms"))
                    for by in ("jaxconv", "lax", "torch")
                    if f"{by} ms" in maps[which]
                )
                if which in maps
                else ""
                for which in MAPS
            ),
        )
        for name, maps in found.items()
    ]
    words = "jaxconv / lax / PyTorch:"
    return f"{words}\n\n" + _table(("layer", *(TITLES[which] for which in MAPS)), rows)


def _by_layer(rows: list[Row]) -> dict[tuple[str, str], dict[str, Row]]:
    """Return the rows by (name, layout), and then by map."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        name, layout = row["layer"].rsplit(", ", 1)
        found.setdefault((name, layout), {})[row["map"]] = row
    return found


def _by_model(rows: list[Row]) -> dict[str, dict[str, Row]]:
    """Return the rows by model, and then by who ran it."""
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row["model"], {})[row["by"]] = row
    return found


def _title(model: str) -> str:
    return "the chapter's model" if model == "chapter" else f"a {model}"


def _three(steps: dict[str, Row], what: str) -> list[str]:
    names = ("jaxconv", "flax", "torch")
    return [figure(steps.get(by, {}).get(what)) for by in names]


def figure(value: float | None) -> str:
    """Return about three digits."""
    if value is None:
        return ""
    places = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{places}f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    first, *others = (f"| {' | '.join(map(str, line))} |" for line in (header, *rows))
    return "\n".join([first, "|" + "---|" * len(header), *others])


def _wrapped(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 88, break_long_words=False, break_on_hyphens=False)
