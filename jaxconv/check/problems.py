"""Convolutions written in one line, as for oneDNN's benchmark, and random ones.

`g2mb3ic4oc6ih7iw5kh3kw2sh2ph1pw1` is: 2 groups, batch 3, 4 input and 6 output channels
of all groups together, images of 7 x 5 pixels, filters of 3 x 2 taps, stride 2 down,
padding 1 on every side. For each axis, named d, h and w or the last of these:

    i   pixels                           k   taps
    s   stride, 1 if not given           p   padding before, 0 if not given
    o   outputs                          q   padding after; if not given what o needs,
    d   holes between taps                   or else p
                                         z   zeros between pixels

`cl1` says that an image's channels lie last in memory; of the filters, `of1` that the
output channels come before the input's, `tf1` that the taps come before both. With h
alone the images are square. The fields cl, of and tf and the letters q and z are not in
oneDNN's form.
Source: oneDNN, "Convolution problem descriptor" of its driver benchdnn.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxconv.conv.geometry import Geometry

_AXES = "dhw"
STORED = {"cl": "channels_last", "of": "outputs_first", "tf": "taps_first"}
_FIELD = re.compile(rf"(mb|ic|oc|{'|'.join(STORED)}|g|[ikospqdz][dhw])(-?\d+)_?")

# Strides, unequal padding, cropping, dilations, groups, 0 to 3 axes, channels-last.
GRID = (
    "mb2ic3oc4ih6iw5kh3kw2ph1pw0qw1",
    "mb2ic3oc4ih7iw9kh2kw3sh2sw3",
    "mb3ic1oc2ih4iw7kh1kw3ph2qh1pw0qw4",
    "mb2ic4oc3ih6iw5kh2kw2ph2qh0pw2qw0",
    "mb2ic4oc3ih8iw9kh2kw3ph-2qh1pw3qw-4",
    "g3mb2ic6oc9ih6iw5kh3kw2sw2ph1",
    "g4mb3ic4oc8ih5iw6kh3kw1ph1",
    "g4mb3ic4oc4ih5iw6kh3kw2sh2sw2ph1",
    "mb2ic3oc4ih9iw8kh3kw2dh1dw2",
    "mb2ic3oc4ih4iw5kh3kw2sw2zh1zw2ph2qh1pw0qw3",
    "mb2ic3oc4iw11kw4sw2pw3qw1",
    "mb2ic2oc3id4ih3iw5kd2kh1kw3sh2sw2pd1pw1",
    "mb3ic2oc4",
    "mb4ic5oc6ih1iw1kh1kw1",
    "g4mb4ic4oc4ih6iw5kh3kw2sh2ph1cl1",
    "g2mb4ic4oc6ih5iw6kh2kw3dh1ph1cl1",
)


def parse_problem(text: str) -> Geometry:
    """Read the line into a geometry.

    Raises:
      ValueError: the line cannot be read, or no such convolution exists.

    >>> parse_problem("g8mb32ic64ih32oc64kh3sh1ph1").out_shape
    (32, 64, 32, 32)
    """
    fields = {name: int(number) for name, number in _FIELD.findall(text)}
    if not fields or "".join(m.group() for m in _FIELD.finditer(text)) != text:
        rest = _FIELD.sub(" ", text).split()
        raise ValueError(
            f"problem: cannot read {' and '.join(map(repr, rest)) or 'nothing'} in "
            f"{text!r}. Write one such as g2mb3ic4oc6ih7iw5kh3kw2sh2ph1pw1."
        )
    missing = [name for name in ("ic", "oc") if name not in fields]
    axes = [axis for axis in _AXES if f"i{axis}" in fields]
    missing += [f"k{axis}" for axis in axes if f"k{axis}" not in fields]
    used = {
        "mb",
        "ic",
        "oc",
        "g",
        *STORED,
        *(f"{field}{axis}" for field in "ikospqdz" for axis in axes),
    }
    if missing or set(fields) - used:
        wrong = ", ".join(missing) or ", ".join(sorted(set(fields) - used))
        what = "lacks" if missing else "has no axis for"
        raise ValueError(f"problem: {text!r} {what} {wrong}.")
    if axes == ["h"]:
        axes = ["h", "h"]
    elif axes == ["d"]:
        axes = ["d", "d", "d"]
    groups = fields.get("g", 1)
    if groups < 1 or fields["ic"] % groups:
        raise ValueError(
            f"problem: {text!r}: {fields['ic']} input channels cannot be split into "
            f"{groups} groups."
        )
    settings = [_axis_settings(fields, axis) for axis in axes]
    channels, n = (fields["ic"], fields["oc"]), fields.get("mb", 2)
    geometry = of_axes(n, *channels, groups, settings, f"problem {text!r}")
    stored: dict[str, Any] = {
        what: bool(fields.get(name)) for name, what in STORED.items()
    }
    return dataclasses.replace(geometry, **stored)


def _axis_settings(fields: dict[str, int], axis: str) -> tuple[Any, ...]:
    """Return what `of_axes` takes of an axis."""

    def get(name: str, default: int) -> int:
        return fields.get(name + axis, default)

    size, taps, stride = get("i", 0), get("k", 0), get("s", 1)
    holes, zeros, low = get("d", 0), get("z", 0), get("p", 0)
    high = low
    if f"o{axis}" in fields:
        wide = (size - 1) * (zeros + 1) + 1
        high = (get("o", 1) - 1) * stride + (taps - 1) * (holes + 1) + 1 - wide - low
    return size, taps, stride, (low, get("q", high)), zeros + 1, holes + 1


def of_axes(
    n: int,
    channels_in: int,
    channels_out: int,
    groups: int,
    axes: Sequence[tuple[Any, ...]],
    caller: str = "of_axes",
) -> Geometry:
    """Return the geometry of axes given one by one.

    Of each: size, taps, stride, padding, input's and filter's dilation.
    """
    columns = [tuple(column) for column in zip(*axes, strict=True)] or [()] * 6
    space, kernel, strides, padding, gaps, spreads = columns
    return Geometry.of(
        (n, channels_in, *space),
        (channels_in // groups, channels_out, *kernel),
        strides=strides,
        padding=padding,
        input_dilation=gaps,
        kernel_dilation=spreads,
        groups=groups,
        caller=caller,
    )


def problem(geometry: Geometry) -> str:
    """Write a geometry of up to three spatial axes as one line.

    Raises:
      ValueError: it has more axes.

    >>> problem(Geometry.of((3, 4, 7, 5), (2, 6, 3, 2), strides=(2, 1), groups=2))
    'g2mb3ic4oc6ih7iw5kh3kw2sh2ph1qw1'
    """
    axes = len(geometry.space)
    if axes > len(_AXES):
        raise ValueError(f"problem: there are names for 3 spatial axes, got {axes}.")
    g, names = geometry, _AXES[len(_AXES) - axes :]
    lows, highs = [low for low, _ in g.padding], [high for _, high in g.padding]
    ones, zeros = (1,) * axes, (0,) * axes
    columns: list[tuple[str, Sequence[int], Sequence[int]]] = [
        ("i", g.space, (-1,) * axes),  # always written
        ("k", g.kernel, (-1,) * axes),
        ("s", g.strides, ones),
        ("d", [d - 1 for d in g.kernel_dilation], zeros),
        ("z", [r - 1 for r in g.input_dilation], zeros),
        ("p", lows, zeros),
        ("q", highs, lows),
    ]
    head = f"g{g.groups}" if g.groups > 1 else ""
    head += f"mb{g.n}ic{g.groups * g.ci}oc{g.groups * g.co}"
    settings = "".join(
        f"{field}{name}{value}"
        for field, values, usual in columns
        for name, value, other in zip(names, values, usual, strict=True)
        if value != other
    )
    stored = (f"{name}1" for name, what in STORED.items() if getattr(g, what))
    return head + settings + "".join(stored)


def random_geometry(rng: np.random.Generator) -> Geometry:
    """Draw a small convolution of any kind: 0 to 3 axes, every setting at random."""
    axes = rng.choice(4, p=(0.02, 0.38, 0.5, 0.1))
    longest, most_taps = ((0, 0), (14, 4), (8, 3), (5, 2))[axes]
    groups, ci, co = (int(rng.choice((1, 1, 2, 3))) for _ in range(3))
    plain = rng.random() < 0.15  # three taps, stride 1: what `winograd` serves
    settings: list[tuple] = []
    while len(settings) < axes:
        k, size = int(rng.integers(1, most_taps + 1)), int(rng.integers(1, longest))
        stride, gap, spread = (int(rng.choice((1, 1, 2, 3))) for _ in range(3))
        if plain:
            k, stride, gap, spread = 3, 1, 1, 1
        low, high = (int(side) for side in rng.integers(-2, 5, 2))
        wide = (size - 1) * gap + 1
        # Cropping must leave at least one pixel, and the filter must fit.
        left, padded = wide + min(low, 0) + min(high, 0), wide + low + high
        if left > 0 and padded >= (k - 1) * spread + 1:
            settings.append((size, k, stride, (low, high), gap, spread))
    n = int(rng.integers(1, 6))
    geometry = of_axes(n, groups * ci, groups * co, groups, settings)
    last = bool(rng.random() < 0.3)  # in memory
    return dataclasses.replace(geometry, channels_last=last)
