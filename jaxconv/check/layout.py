"""Which axis of an array is the batch, which the channels, which the pixels or taps.

A layout is written as "NHWC/HWIO": the axes of x and g, then those of w. N is the batch
and C the channels, I the channels in and O the channels out; D, H and W are depth,
height and width, of pixels and of taps.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxconv.conv.operands import Operand

_SPACE = "DHW"
_MEANINGS = {
    "N": "batch",
    "C": "channels",
    "I": "channels in",
    "O": "channels out",
    "D": "depth",
    "H": "height",
    "W": "width",
}
_ALLOWED = {"x": f"NC{_SPACE}", "w": f"IO{_SPACE}", "g": f"NC{_SPACE}"}
_MEANT = {  # by other libraries' letters: in x and g, and in w
    "x": {"B": "N", "F": "C", "I": "C", "O": "C", "L": "W", "T": "D", "Z": "D"},
    "w": {"N": "O", "C": "I", "K": "O", "R": "H", "S": "W", "L": "W", "T": "D"},
}
_FORM = 'the axes of x and g, a slash, and those of w, as in "NHWC/HWIO"'


class Axes(NamedTuple):
    """Which axes of an array are which; None, or none, where it has no such axis."""

    batch: int | None
    channels: int | None  # of w: the channels in, which are those of x
    space: tuple[int, ...]  # pixels of x and g, taps of w: depth, height, width
    outputs: int | None = None  # of w alone: the channels out, which are those of g


@dataclasses.dataclass(frozen=True)
class Layout:
    """The letters of the axes of each operand."""

    x: str
    w: str
    g: str

    @classmethod
    def parse(cls, text: Any, caller: str = "check_bilinear") -> "Layout":
        """Read a layout; "HW/OHW/CHW" gives g axes of its own.

        Raises:
          ValueError: it is not of that form, or its letters do not fit together.

        >>> Layout.parse("NHWC/HWIO").axes("x")
        Axes(batch=0, channels=3, space=(1, 2), outputs=None)
        """
        if not isinstance(text, str):
            raise ValueError(
                f"{caller}: layout must be text, {_FORM}, got {text!r}."
                f"{_rewritten(text)}"
            )
        parts = text.strip().upper().split("/")
        if len(parts) not in (2, 3) or not all(
            re.fullmatch("[A-Z]+", p) for p in parts
        ):
            raise ValueError(
                f"{caller}: layout must be {_FORM}, got {text!r}.{_rewritten(text)}"
            )
        layout = cls(parts[0], parts[1], parts[-1] if len(parts) == 3 else parts[0])
        layout._check_letters(caller, text)
        return layout

    def axes(self, operand: Operand) -> Axes:
        """Return which axes of x, w or g are which."""
        letters = getattr(self, operand)
        space = tuple(letters.index(axis) for axis in _SPACE if axis in letters)
        if operand == "w":
            return Axes(None, _place("I", letters), space, _place("O", letters))
        return Axes(_place("N", letters), _place("C", letters), space)

    def check_shapes(
        self, x: Sequence[int], w: Sequence[int], caller: str = "check_bilinear"
    ) -> None:
        """Raise unless x and w have as many axes as the layout names.

        Raises:
          ValueError: one has more or fewer.
        """
        for name, shape in (("x", x), ("w", w)):
            letters = getattr(self, name)
            if len(shape) == len(letters):
                continue
            hint = f"Name each axis of {name} by one letter."
            if name == "x" and "N" in letters and len(shape) == len(letters) - 1:
                alone = dataclasses.replace(
                    self, x=letters.replace("N", ""), g=self.g.replace("N", "")
                )
                hint = f'For an image without a batch write layout="{alone}".'
            raise ValueError(
                f"{caller}: {name} must have the {len(letters)} axes {letters} of the "
                f"layout {self}, got {len(shape)} (its shape is {tuple(shape)}). {hint}"
            )

    def __str__(self) -> str:
        """Return it as `parse` reads it."""
        parts = (self.x, self.w) if self.x == self.g else (self.x, self.w, self.g)
        return "/".join(parts)

    def _check_letters(self, caller: str, text: str) -> None:
        """Raise unless each letter stands once, where it may, and pixels match taps."""
        if set(self.x) & set("IO") and set(self.w) & set("NC"):
            raise ValueError(
                f"{caller}: layout must name the axes of x before those of w, got "
                f'{text!r}. Write "{self.w}/{self.x}".'
            )
        for name, allowed in _ALLOWED.items():
            letters = getattr(self, name)
            for letter in letters:
                if letter not in allowed:
                    raise ValueError(_refuse(caller, text, name, letter))
                if letters.count(letter) > 1:
                    raise ValueError(
                        f"{caller}: layout must name each axis of {name} once, got "
                        f"{letter} ({_MEANINGS[letter]}) {letters.count(letter)} times "
                        f"in {text!r}. Give the others their own letters."
                    )
        for name in ("w", "g"):
            own, others = (
                set(part) & set(_SPACE) for part in (self.x, getattr(self, name))
            )
            if own != others:
                what = "taps of w" if name == "w" else "pixels of g"
                raise ValueError(
                    f"{caller}: layout must name the pixels of x and the {what} by the "
                    f"same letters, got {_shown(own)} for x, {_shown(others)} for "
                    f"{name} in {text!r}. Use D, H and W for the same axis of both."
                )


def axes_of(layout: Layout | None, operand: Operand, ndim: int) -> Axes:
    """Return which axes of an operand are which, without a layout by its dimensions.

    More than two: (batch, channels, *space), for w (in, out, *kernel). One or two: all
    are pixels or taps.
    """
    if layout is not None:
        return layout.axes(operand)
    if ndim <= 2:
        return Axes(None, None, tuple(range(ndim)))
    space = tuple(range(2, ndim))
    return Axes(None, 0, space, 1) if operand == "w" else Axes(0, 1, space)


def _place(letter: str, letters: str) -> int | None:
    return letters.index(letter) if letter in letters else None


def _shown(letters: set[str]) -> str:
    return " and ".join(sorted(letters)) or "none"


def _refuse(caller: str, text: str, name: str, letter: str) -> str:
    """Say which letter does not belong, and which was probably meant."""
    kind = "w" if name == "w" else "x"
    known = ", ".join(f"{one} ({_MEANINGS[one]})" for one in _ALLOWED[name])
    meant = _MEANT[kind].get(letter)
    hint = (
        f"Write {meant} ({_MEANINGS[meant]}) in its place."
        if meant
        else "Leave it out."
    )
    of = "w" if kind == "w" else "x and g"
    return (
        f"{caller}: layout must name axes of {of} by {known}, got {letter} in "
        f"{text!r}. {hint}"
    )


def _rewritten(given: Any) -> str:
    """Propose the right form of a layout with other separators, or as a tuple."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, Sequence) or not all(isinstance(t, str) for t in texts):
        return ""
    parts = [part for t in texts for part in re.findall("[A-Z]+", t.upper())]
    if len(parts) == 3 and parts[0] == parts[2]:
        del parts[2]
    if len(parts) == 1 and set(parts[0]) <= set(_ALLOWED["x"]):
        space = "".join(axis for axis in parts[0] if axis in _SPACE)
        last = parts[0].endswith("C")
        parts.append(f"{space}IO" if last else f"OI{space}")
        return f' Is it "{"/".join(parts)}"?'
    written = "/".join(parts)
    if written == given:  # it has that form, and is wrong for another reason
        return ""
    try:
        return f' Write "{Layout.parse(written)}".'
    except ValueError:
        return ""
