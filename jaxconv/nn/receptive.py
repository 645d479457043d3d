"""Receptive fields: how many pixels of a model's input an output is computed from.

Let a window have k taps, d apart, and step by s. Then n neighbouring outputs read

    (n - 1) s + (k - 1) d + 1

neighbouring inputs. In a transposed convolution inputs are s outputs apart, and n
neighbouring outputs lie in the windows of at most

    floor((n - 1 + (k - 1) d) / s) + 1

neighbouring inputs. From the last layer to the first, each layer's inputs are the
outputs of the one before. Source: V. Dumoulin and F. Visin, arXiv:1603.07285; A. Araujo
et al. (2019), "Computing receptive fields of convolutional neural networks", Distill.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from fractions import Fraction

from jaxconv.nn.window import Sizes, Window


@dataclasses.dataclass(frozen=True, eq=False)
class Reach:
    """How many pixels of the model's input outputs depend on, along one axis.

    n neighbouring outputs are computed from m = `slope * n + offset` neighbouring
    pixels of the input. With `before` the m pixels are of an earlier layer, and it is
    `before(m)` pixels of the input. `stride` is the distance of two neighbouring
    outputs, in pixels of the input.
    """

    slope: int = 1
    offset: int = 0
    stride: Fraction = Fraction(1)
    before: Callable[[int], int] | None = None

    def pixels(self, outputs: int = 1) -> int:
        """Return how many input pixels neighbouring outputs are computed from."""
        count = self.slope * outputs + self.offset
        return self.before(count) if self.before else count

    def slide(self, size: int, stride: int, dilation: int) -> "Reach":
        """Return the reach of a window's outputs."""
        extra = (size - 1) * dilation + 1 - stride
        return Reach(
            self.slope * stride,
            self.offset + self.slope * extra,
            self.stride * stride,
            self.before,
        )

    def spread(self, size: int, stride: int, dilation: int) -> "Reach":
        """Return the reach of a transposed window's outputs."""

        @functools.cache
        def before(outputs: int) -> int:
            return self.pixels((outputs - 1 + (size - 1) * dilation) // stride + 1)

        return Reach(stride=self.stride / stride, before=before)


Field = tuple[Reach | None, ...]  # for each axis of the input; None: all of it


def seen_through(window: Window, field: Field) -> Field:
    """Return the field of a window's outputs, whose inputs have `field`."""
    if window.size is None:
        return (None,) * len(field)
    axes = len(field)
    sizes = _per_axis(window.size, axes)
    strides, dilation = (
        _per_axis(one, axes) for one in (window.strides, window.dilation)
    )
    if not (sizes and strides and dilation):  # a window over other axes, or no image
        return (None,) * axes
    seen: list[Reach | None] = []
    for reach, size, stride, apart in zip(field, sizes, strides, dilation, strict=True):
        if reach is not None and window.upsampling:
            reach = reach.spread(size, stride, apart)
        elif reach is not None:
            reach = reach.slide(size, stride, apart)
        seen.append(reach)
    return tuple(seen)


def joined(fields: Sequence[Field]) -> Field:
    """Return the field of a sum or concatenation: along each axis the largest.

    Outputs that fit together are equally far apart, unless the branches crop or pad
    differently; the stride is then the larger one.
    """
    axes = max(map(len, fields))
    fitting = [field for field in fields if len(field) == axes]
    return tuple(
        functools.reduce(_larger, reaches) for reaches in zip(*fitting, strict=True)
    )


def _larger(one: Reach | None, other: Reach | None) -> Reach | None:
    if one is None or other is None or one is other:
        return one and other
    stride = max(one.stride, other.stride)
    if one.before is other.before and one.slope == other.slope:
        return Reach(one.slope, max(one.offset, other.offset), stride, one.before)

    @functools.cache
    def before(outputs: int) -> int:
        return max(one.pixels(outputs), other.pixels(outputs))

    return Reach(stride=stride, before=before)


def _per_axis(sizes: Sizes, axes: int) -> tuple[int, ...] | None:
    if isinstance(sizes, int):
        return (sizes,) * axes
    return tuple(sizes) if len(sizes) == axes else None
