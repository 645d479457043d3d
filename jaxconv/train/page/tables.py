"""What the layers cost, where the time went, and what the run was made with."""

import dataclasses
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxconv._words import counted
from jaxconv.nn.describe import Description, Row
from jaxconv.nn.walk import arrays
from jaxconv.train.config import Config
from jaxconv.train.pace import duration
from jaxconv.train.page.markup import (
    DASH,
    TIMES,
    Html,
    Section,
    element,
    scrolled,
    section,
    table,
)
from jaxconv.train.page.record import Times

_VERSIONS = ("jaxconv", "jax", "jaxlib", "optax", "python")


def layers_section(description: Description) -> Section:
    """Show what each layer computes, learns and costs."""
    header = (
        "layer",
        "kind",
        "output",
        "parameters",
        "multiply-adds",
        "receptive field",
        "stride",
        "memory",
    )
    rows = [_layer(row.path, row) for row in description.rows]
    total = _layer("total", description.total)
    total[1:3], total[5:7] = ["", ""], ["", ""]
    notes = [element("p", reason, class_="faint") for reason in description.unknown]
    kept = " (+ the statistics that it keeps)" if description.total.statistics else ""
    return section(
        "Layers",
        scrolled(table(header, [*rows, total], left=2, class_="layers"), "Layers"),
        *notes,
        name="layers",
        intro=f"Parameters are what a layer learns{kept}. The rest is for one image: "
        "the multiply-adds of inference; the receptive field, how many pixels an "
        "output is computed from; the stride, the distance of neighbouring outputs in "
        "pixels; the memory of the output.",
    )


def times_section(times: Times) -> Section:
    """Show where the seconds went."""
    total = times.compilation + times.training + times.validation
    parts = {
        "until the first batch was done": times.compilation,
        "training": times.training,
        "validation": times.validation,
        "total": total,
    }
    rows = [
        (name, seconds_in_words(seconds), f"{seconds / total:.0%}" if total else DASH)
        for name, seconds in parts.items()
    ]
    facts = []
    if times.batch is not None:
        facts.append(f"A batch took {1000 * times.batch:.3g} ms")
    if times.images_per_second is not None:
        facts.append(f"{times.images_per_second:,.0f} images were trained on a second")
    words = f"{', '.join(facts)}: medians." if facts else None
    return section(
        "Times",
        table(("what", "time", "share"), rows, left=1, class_="times"),
        name="times",
        intro=words,
    )


def settings_section(settings: dict[str, Any]) -> Section:
    """Show the settings, those that are not the defaults first."""
    defaults = {field.name: field.default for field in dataclasses.fields(Config)}
    changed = {k: v for k, v in settings.items() if v != defaults.get(k, object())}
    same = {k: v for k, v in settings.items() if k not in changed}
    shown = _pairs(changed, defaults) if changed else element("p", "All are defaults.")
    return section(
        "Settings",
        shown,
        element(
            "details",
            element("summary", f"{counted(len(same), 'setting')} at the default"),
            _pairs(same, {}),
        ),
        name="settings",
    )


def versions_section(versions: dict[str, Any]) -> Section:
    """Show what the run was made with."""
    ordered = {name: versions[name] for name in _VERSIONS if name in versions}
    if "processor" not in versions:
        ordered["processor"] = processor()
    return section("Versions", _pairs({**ordered, **versions}, {}), name="versions")


def processor() -> str:
    """Return the processor's name, or the nearest to it that the system says."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _pairs(values: dict[str, Any], defaults: dict[str, Any]) -> Html:
    """Return names and values, with the default beside each value that differs."""
    items = []
    for name, value in values.items():
        was = None
        if name in defaults:
            was = element("span", f"default {_plain(defaults[name])}", class_="faint")
        items.append(
            element(
                "div",
                element("dt", name.replace("_", " ")),
                element("dd", element("span", _plain(value)), was),
            )
        )
    return element("dl", *items, class_="pairs")


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _layer(name: str, row: Row) -> list[str]:
    shapes = " + ".join(_times(shape) for shape in arrays(row.output_shape))
    unknown = row.multiply_adds is None
    return [
        name,
        row.kind,
        shapes,
        f"{row.weights + row.biases:,}"
        + (f" + {row.statistics:,}" if row.statistics else ""),
        "?" if unknown else f"{row.multiply_adds:,}",
        _times(["all" if size is None else size for size in row.receptive_field]),
        _times([DASH if size is None else size for size in row.stride]),
        _bytes(row.activation_bytes),
    ]


def _times(sizes: Sequence[Any]) -> str:
    """Return sizes along axes, once if all are the same word."""
    if len(set(map(str, sizes))) == 1 and isinstance(sizes[0], str):
        return str(sizes[0])
    return TIMES.join(map(str, sizes))


def _bytes(count: int) -> str:
    return f"{count / 1024:,.1f} KiB" if count >= 1024 else f"{count} B"


def seconds_in_words(seconds: float) -> str:
    """Return a length of time: tenths of seconds, or minutes and hours."""
    return f"{seconds:.1f} s" if seconds < 100 else duration(seconds)
