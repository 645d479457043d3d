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


def _as_many(outputs: int) -> int:
    return outputs


@dataclasses.dataclass(frozen=True, eq=False)
class Reach:
    """How many pixels of the model's input outputs depend on, along one axis.

    n neighbouring outputs read `inputs(n)` neighbouring outputs of each of the
    `sources`; without sources these are pixels of the model's input. `stride` is the
    distance of two neighbouring outputs, in pixels of the input. `depth` is larger than
    that of each source.
    """

    sources: tuple["Reach", ...] = ()
    inputs: Callable[[int], int] = _as_many
    stride: Fraction = Fraction(1)
    depth: int = 0

    def pixels(self) -> int:
        """Return how many neighbouring input pixels one output is computed from.

        Of two that read the same source, the one that reads more decides: more outputs
        never depend on fewer pixels. So each source is asked once, after its readers.
        """
        counts = {self: 1}
        while True:
            last = max(counts, key=lambda reach: reach.depth)
            if not last.sources:
                return max(counts.values())
            needed = last.inputs(counts.pop(last))
            for source in last.sources:
                counts[source] = max(needed, counts.get(source, 0))

    def slide(self, size: int, stride: int, dilation: int) -> "Reach":
        """Return the reach of a window's outputs."""
        if size == stride == 1:
            return self

        def inputs(outputs: int) -> int:
            return (outputs - 1) * stride + (size - 1) * dilation + 1

        return Reach((self,), inputs, self.stride * stride, self.depth + 1)

    def spread(self, size: int, stride: int, dilation: int) -> "Reach":
        """Return the reach of a transposed window's outputs."""

        def inputs(outputs: int) -> int:
            return (outputs - 1 + (size - 1) * dilation) // stride + 1

        return Reach((self,), inputs, self.stride / stride, self.depth + 1)


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
    return Reach(
        sources=(one, other),
        stride=max(one.stride, other.stride),
        depth=max(one.depth, other.depth) + 1,
    )


def _per_axis(sizes: Sizes, axes: int) -> tuple[int, ...] | None:
    if isinstance(sizes, int):
        return (sizes,) * axes
    return tuple(sizes) if len(sizes) == axes else None
