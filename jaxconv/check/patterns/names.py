"""What the axes of the operands stand for, as far as shapes or a layout tell."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from jaxconv.check.layout import Axes, Layout, axes_of
from jaxconv.check.trial import Trial
from jaxconv.conv.operands import Operand

_USUAL = (  # tried in this order where no layout is given; S: all axes of pixels
    "NCS/IOS",
    "NCS/OIS",
    "NSC/SIO",
    "NSC/OSI",
    "CS/IOS",
    "CS/OIS",
    "SC/SIO",
    "SC/OSI",
)

_OPERANDS: tuple[Operand, ...] = ("x", "w", "g")


@dataclasses.dataclass(frozen=True)
class Axis:
    """One axis of an operand."""

    number: int  # in the array
    size: int
    kind: str | None  # what one index is; None of pixels, taps, and where unknown
    space: bool = False
    suffix: str = ""  # " of g" where it is not an axis of the result

    @property
    def all(self) -> str:
        """Name all along the axis."""
        if self.kind is None:
            return f"axis {self.number}{self.suffix}"
        return "the batch" if self.kind == "example" else f"the {_many(self.kind)}"

    def some(self, indices: Sequence[int]) -> str:
        """Name some indices along the axis."""
        first, last = indices[0], indices[-1]
        if len(indices) == 1:
            shown = f"{first}"
        elif list(indices) == list(range(first, last + 1)):
            shown = f"{first} {'and' if len(indices) == 2 else 'to'} {last}"
        else:
            shown = ", ".join(map(str, indices[:4])) + ", …" * (len(indices) > 4)
        plural = len(indices) > 1
        if self.kind is not None:
            return f"{_many(self.kind) if plural else self.kind} {shown}"
        which = "indices" if plural else "index"
        return f"{which} {shown} of axis {self.number}{self.suffix}"


def _many(kind: str) -> str:
    one, of, whole = kind.partition(" of ")
    return f"{one}s{of}{whole}"


def find_axes(trial: Trial, operand: Operand) -> Axes:
    """Return which axes of an operand are which: as told, or as the shapes suggest."""
    return axes_of(_layout(trial), operand, trial.operands[operand].ndim)


def _layout(trial: Trial) -> Layout | None:
    """Return the layout given, or else the first usual one that fits the shapes."""
    if trial.layout is not None:
        return trial.layout
    x, w = trial.operands["x"], trial.operands["w"]
    if x.ndim < 3 and x.ndim == w.ndim:
        return None
    for form in _USUAL:
        parts = form.split("/")
        count = x.ndim - len(parts[0]) + 1
        if not 0 <= count <= 3:
            continue
        space = "DHW"[3 - count :]
        layout = Layout.parse("/".join(part.replace("S", space) for part in parts))
        if _fits(trial, layout):
            return layout
    return None


def _fits(trial: Trial, layout: Layout | None) -> bool:
    """Return whether batch and channels of the three operands agree."""
    axes: dict[Operand, Axes] = {}
    for key in _OPERANDS:
        ndim = trial.operands[key].ndim
        if layout is not None and ndim != len(getattr(layout, key)):
            return False
        axes[key] = axes_of(layout, key, ndim)
    channels = axes["x"].channels, axes["w"].channels, axes["g"].channels
    if None in channels or axes["w"].outputs is None:
        return False
    into, per, out = (
        _size(trial, key, axis) for key, axis in zip("xwg", channels, strict=True)
    )
    return (
        into % per == 0
        and out % (into // per) == 0
        and out == _size(trial, "w", axes["w"].outputs)
        and _size(trial, "x", axes["x"].batch) == _size(trial, "g", axes["g"].batch)
    )


def count_groups(trial: Trial) -> int:
    """Return the number of groups of channels; 1 where the shapes tell of none."""
    if not _fits(trial, _layout(trial)):
        return 1
    into = _size(trial, "x", find_axes(trial, "x").channels)
    return into // _size(trial, "w", find_axes(trial, "w").channels)


def _size(trial: Trial, operand: str, axis: int | None) -> int:
    return 1 if axis is None else trial.operands[operand].shape[axis]


def name_axes(
    trial: Trial, operand: Operand, groups: int = 1, suffix: str = ""
) -> tuple[Axis, ...]:
    """Return the axes of an operand, its channels split into groups."""
    shape, axes = trial.operands[operand].shape, find_axes(trial, operand)
    known = _fits(trial, _layout(trial))
    kinds = {
        axes.batch: "example",
        axes.channels: "output channel" if operand == "g" else "input channel",
        axes.outputs: "output channel",
    }
    split = axes.outputs if operand == "w" else axes.channels
    named = []
    for number, size in enumerate(shape):
        kind, space = kinds.get(number) if known else None, number in axes.space
        if number == split and groups > 1:
            named.append(Axis(number, groups, "group", False, suffix))
            kind, size = f"{kind} of each group", size // groups
        named.append(Axis(number, size, kind, space, suffix))
    return tuple(named)


def names_of(axes: Iterable[Axis], what: str) -> list[str]:
    """Name several axes, those of pixels or taps together."""
    names = (f"the {what}" if axis.space else axis.all for axis in axes)
    return list(dict.fromkeys(names))


def listed(names: list[str]) -> str:
    """Return names as "a", "a and b" or "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def count_sizes(trial: Trial) -> dict[str, int]:
    """Return the numbers by which a mistake may scale."""
    sizes = {}
    if _fits(trial, _layout(trial)):
        x, w, g = (find_axes(trial, key) for key in _OPERANDS)
        if x.batch is not None:
            sizes["the batch size"] = _size(trial, "x", x.batch)
        pixels, taps = _pixels(trial, "g", g.space), _pixels(trial, "w", w.space)
        sizes |= {
            "the number of output pixels": pixels,
            "the number of taps": taps,
            "the number of input channels": _size(trial, "x", x.channels),
            "the number of output channels": _size(trial, "g", g.channels),
            "the number of input pixels": _pixels(trial, "x", x.space),
        }
        if x.batch is not None:
            both = _size(trial, "x", x.batch) * pixels
            sizes["the batch size times the number of output pixels"] = both
    sizes |= {f"the size of {key}": trial.operands[key].size for key in "gxw"}
    return sizes


def _pixels(trial: Trial, operand: str, axes: tuple[int, ...]) -> int:
    return int(np.prod([trial.operands[operand].shape[axis] for axis in axes]))
