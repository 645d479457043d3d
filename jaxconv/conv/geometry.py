"""Every static fact of a convolution, checked once and derived once.

Axes: `n` batch, `ci` and `co` input and output channels of one group, `space` the
input's spatial axes in pixels, `kernel` the filter's, `out` the output's. The arrays:

    x  (n, groups * ci, *space)      the input
    w  (ci, groups * co, *kernel)    the filters
    g  (n, groups * co, *out)        the output, and the loss's gradient there

Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning",
arXiv:1603.07285, chapters 2 and 4.
"""

import dataclasses
import math
import numbers
from collections.abc import Sequence
from typing import Any

from jax import lax

Shape = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

_LARGEST = 2**31 - 1  # XLA counts positions along an axis in 32 bits


@dataclasses.dataclass(frozen=True)
class Geometry:
    """The static facts of one convolution; hashable, so that `jit` can cache on it.

    Make one with `Geometry.of`, which checks; the bare constructor does not.
    """

    n: int
    groups: int
    ci: int
    co: int
    space: Shape
    kernel: Shape
    strides: Shape
    padding: Pads  # (low, high) zeros for each spatial axis; negative crops

    @classmethod
    def of(
        cls,
        x_shape: Sequence[int],
        w_shape: Sequence[int],
        *,
        strides: int | Sequence[int] = 1,
        padding: Any = "SAME",
        groups: int = 1,
        caller: str = "conv",
    ) -> "Geometry":
        """Check the shapes and settings of a convolution and collect them.

        Raises:
          ValueError: something does not fit; the message begins with `caller`.

        >>> Geometry.of((60, 1, 28, 28), (1, 32, 5, 5)).out_shape
        (60, 32, 28, 28)
        """
        x_shape = _shape("x", x_shape, caller)
        w_shape = _shape("w", w_shape, caller)
        _check_ranks(x_shape, w_shape, caller)
        _check_channels(x_shape, w_shape, groups, caller)
        space, kernel = x_shape[2:], w_shape[2:]
        strides = _per_axis("strides", strides, len(space), caller)
        pads = _pads(padding, space, kernel, strides, caller)
        _check_padded_size(x_shape, w_shape, pads, caller)
        return cls(
            n=x_shape[0],
            groups=groups,
            ci=w_shape[0],
            co=w_shape[1] // groups,
            space=space,
            kernel=kernel,
            strides=strides,
            padding=pads,
        )

    def widen(self, axis: str, factor: int) -> "Geometry":
        """Return the geometry with n, groups, ci or co `factor` times as long."""
        return dataclasses.replace(self, **{axis: factor * getattr(self, axis)})

    @property
    def x_shape(self) -> Shape:
        """The shape of the input."""
        return (self.n, self.groups * self.ci, *self.space)

    @property
    def w_shape(self) -> Shape:
        """The shape of the filters."""
        return (self.ci, self.groups * self.co, *self.kernel)

    @property
    def out_shape(self) -> Shape:
        """The shape of the output."""
        return (self.n, self.groups * self.co, *self.out)

    @property
    def padded(self) -> Shape:
        """The spatial shape of the padded input: `size + low + high`."""
        pairs = zip(self.space, self.padding, strict=True)
        return tuple(size + low + high for size, (low, high) in pairs)

    @property
    def out(self) -> Shape:
        """The spatial shape of the output: `(padded - kernel) // stride + 1`."""
        axes = zip(self.padded, self.kernel, self.strides, strict=True)
        return tuple((size - k) // s + 1 for size, k, s in axes)

    @property
    def taps(self) -> int:
        """The number of spatial positions of one filter."""
        return math.prod(self.kernel)

    @property
    def input_grad_padding(self) -> Pads:
        """The padding of `g`, dilated by the strides, that `input_grad` slides over.

        Along one axis, before the forward padding is cropped away: `k - 1` on both
        sides makes every input meet every weight; the inputs that the last stride
        skipped ask for `padded - k` modulo the stride more. The forward padding is
        then cropped; where it exceeds `k - 1`, the result is negative.
        Source: arXiv:1603.07285, relationship 14.
        """
        axes = zip(self.padded, self.kernel, self.strides, self.padding, strict=True)
        return tuple(
            (k - 1 - low, k - 1 + (size - k) % s - high)
            for size, k, s, (low, high) in axes
        )


def _shape(name: str, shape: Any, caller: str) -> Shape:
    """Return `shape` as a tuple of sizes."""
    if not isinstance(shape, Sequence) or not all(_is_int(n) and n >= 0 for n in shape):
        raise ValueError(
            f"{caller}: the shape of {name} must be a sequence of sizes, got {shape!r}."
        )
    return tuple(int(n) for n in shape)


def _per_axis(name: str, value: Any, axes: int, caller: str) -> Shape:
    """Return `value` as one positive int for each spatial axis."""
    values = (value,) * axes if _is_int(value) else value
    if (
        not isinstance(values, Sequence)
        or len(values) != axes
        or not all(_is_int(v) and 1 <= v <= _LARGEST for v in values)
    ):
        raise ValueError(
            f"{caller}: {name} must be an int of at least 1, or one for each of the "
            f"{axes} spatial axes, got {value!r}."
        )
    return tuple(int(v) for v in values)


def _pads(
    padding: Any, space: Shape, kernel: Shape, strides: Shape, caller: str
) -> Pads:
    """Return `padding` as a (low, high) pair for each spatial axis."""
    if isinstance(padding, str) and padding.upper() in ("SAME", "SAME_LOWER", "VALID"):
        pairs = lax.padtype_to_pads(space, kernel, strides, padding.upper())
        return tuple((int(low), int(high)) for low, high in pairs)
    values = (padding,) * len(space) if _is_int(padding) else padding
    if (
        isinstance(values, Sequence)
        and not isinstance(values, str)
        and len(values) == len(space)
    ):
        pairs = [(v, v) if _is_int(v) else v for v in values]
        if all(
            isinstance(pair, Sequence) and len(pair) == 2 and all(map(_is_int, pair))
            for pair in pairs
        ):
            return tuple((int(low), int(high)) for low, high in pairs)
    raise ValueError(
        f'{caller}: padding must be "SAME", "SAME_LOWER", "VALID", an int, or an int '
        f"or (low, high) pair for each of the {len(space)} spatial axes, got "
        f"{padding!r}."
    )


def _is_int(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _check_ranks(x_shape: Shape, w_shape: Shape, caller: str) -> None:
    if len(x_shape) < 2:
        raise ValueError(
            f"{caller}: x must be (batch, channels, *space), got shape {x_shape}. "
            "Add the missing axes, for instance with x[None]."
        )
    if len(w_shape) != len(x_shape):
        raise ValueError(
            f"{caller}: w must have as many axes as x, (in, out, *kernel) to "
            f"(batch, channels, *space), got {len(w_shape)} axes {w_shape} to "
            f"{len(x_shape)} axes {x_shape}. Is the batch or a channel axis missing?"
        )
    if 0 in w_shape[2:]:
        raise ValueError(
            f"{caller}: w must have at least one tap on each spatial axis, got "
            f"{w_shape[2:]} (axes 2 and on of {w_shape})."
        )


def _check_channels(x_shape: Shape, w_shape: Shape, groups: Any, caller: str) -> None:
    if not _is_int(groups) or groups < 1:
        raise ValueError(
            f"{caller}: groups must be an int of at least 1, got {groups!r}."
        )
    if x_shape[1] != groups * w_shape[0]:
        where = f"{groups} groups of {w_shape[0]}" if groups > 1 else w_shape[0]
        hint = "Filters are (in // groups, out, *kernel)."
        if groups > 1 and w_shape[0] == x_shape[1]:
            hint = f"With groups, w has in // groups = {x_shape[1] // groups} there."
        elif x_shape[-1] == groups * w_shape[0]:
            hint = (
                "Is x channels-last? Move its last axis to 1: jnp.moveaxis(x, -1, 1)."
            )
        elif w_shape[1] * groups == x_shape[1]:
            hint = "Is w (out, in, *kernel)? Swap its first two: jnp.swapaxes(w, 0, 1)."
        raise ValueError(
            f"{caller}: x has {x_shape[1]} channels (axis 1 of {x_shape}) but w takes "
            f"{where} (axis 0 of {w_shape}). {hint}"
        )
    if w_shape[1] % groups:
        raise ValueError(
            f"{caller}: groups must divide the output channels, got {groups} groups "
            f"and {w_shape[1]} channels (axis 1 of w, {w_shape})."
        )


def _check_padded_size(x_shape: Shape, w_shape: Shape, pads: Pads, caller: str) -> None:
    axes = zip(x_shape[2:], w_shape[2:], pads, strict=True)
    for axis, (size, k, (low, high)) in enumerate(axes, start=2):
        if max(abs(low), abs(high), size + low + high) > _LARGEST:
            raise ValueError(
                f"{caller}: padding must keep axis {axis} below 2**31 pixels, got "
                f"{size} + {low} + {high}."
            )
        if size + low + high < k:
            raise ValueError(
                f"{caller}: w is larger than the padded x along axis {axis}: {k} taps "
                f"of {w_shape} over {size} + {low} + {high} pixels of {x_shape}. Use a "
                "smaller filter or more padding."
            )
