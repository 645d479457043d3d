"""Every static fact of a convolution, checked once and derived once.

Axes: `n` batch, `ci` and `co` input and output channels of one group, `space` the
input's spatial axes in pixels, `kernel` the filter's, `out` the output's. The arrays:

    x  (n, groups * ci, *space)      the input
    w  (ci, groups * co, *kernel)    the filters
    g  (n, groups * co, *out)        the output, and the loss's gradient there

With s the stride, r the input's dilation, d the filter's, `low` the padding before:
output `o` reads through tap `p` the pixel `i` with

    i*r + low = o*s + p*d                                                      (1)

Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning",
arXiv:1603.07285, chapters 2, 4 and 5.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from jaxconv.conv.arguments import settings, shapes
from jaxconv.conv.arguments.settings import Sizes
from jaxconv.conv.arguments.shapes import Pads, Shape, dilate

__all__ = ["Geometry", "Pads", "Shape"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Geometry:
    """The static facts of one convolution; hashable, so that `jit` can cache on it.

    Make one with `Geometry.of`, which checks; the bare constructor does not.
    """

    n: int  # symbolic in a program that is exported for any number of images
    groups: int
    ci: int
    co: int
    space: Shape
    kernel: Shape
    strides: Shape
    padding: Pads  # (low, high) zeros around the dilated input; negative crops
    input_dilation: Shape  # r puts r - 1 zeros between neighbours
    kernel_dilation: Shape
    # How arrays are stored, for speed alone: whether x and g as (n, *space, channels);
    # whether w has co before ci, and whether it has the kernel's axes before both.
    channels_last: bool = False
    outputs_first: bool = False
    taps_first: bool = False
    memory_limit: int | None = None  # most bytes of patches at a time

    @classmethod
    def of(
        cls,
        x_shape: Sequence[int],
        w_shape: Sequence[int],
        *,
        strides: Sizes = 1,
        padding: Any = "SAME",
        input_dilation: Sizes = 1,
        kernel_dilation: Sizes = 1,
        groups: int = 1,
        memory_limit: int | None = None,
        channels_last: bool = False,
        empty_ok: bool = False,
        runs_now: bool = False,
        caller: str = "conv",
    ) -> "Geometry":
        """Check the shapes and settings of a convolution and collect them.

        With `empty_ok` a filter may have no taps or be larger than the padded input:
        the output is then zero, or has no pixels. `runs_now` also refuses axes of more
        pixels than XLA can count.

        Raises:
          ValueError: something does not fit; the message begins with `caller`.

        >>> Geometry.of((60, 1, 28, 28), (1, 32, 5, 5)).out_shape
        (60, 32, 28, 28)
        """
        x_shape = settings.as_shape("x", x_shape, caller)
        w_shape = settings.as_shape("w", w_shape, caller)
        shapes.check_ranks(x_shape, w_shape, caller)
        settings.check_groups(groups, caller)
        shapes.check_channels(x_shape, w_shape, groups, caller)
        space, kernel = x_shape[2:], w_shape[2:]
        axes = len(space)
        strides = settings.per_axis("strides", strides, axes, caller)
        in_dil = settings.per_axis("input_dilation", input_dilation, axes, caller)
        ker_dil = settings.per_axis("kernel_dilation", kernel_dilation, axes, caller)
        wide_space, wide_kernel = dilate(space, in_dil), dilate(kernel, ker_dil)
        geometry = cls(
            n=x_shape[0],
            groups=groups,
            ci=w_shape[0],
            co=w_shape[1] // groups,
            space=space,
            kernel=kernel,
            strides=strides,
            padding=settings.as_pads(padding, wide_space, wide_kernel, strides, caller),
            input_dilation=in_dil,
            kernel_dilation=ker_dil,
            channels_last=channels_last,
            memory_limit=settings.as_limit(memory_limit, caller),
        )
        padded = geometry.padded
        shapes.check_crops(x_shape, geometry.padding, padded, caller)
        if runs_now:
            geometry.check_countable(caller)
        if not empty_ok:
            shapes.check_sizes(x_shape, w_shape, padded, wide_kernel, caller)
        return geometry

    def check_countable(self, caller: str) -> None:
        """Check, before anything is computed, that XLA can count the pixels.

        Where shapes alone are asked for, any number of pixels will do.

        Raises:
          ValueError: an axis is too long.
        """
        reach = dilate(self.kernel, self.kernel_dilation)
        shapes.check_countable(self.x_shape, self.padding, self.padded, reach, caller)

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
        """The spatial shape of the dilated and padded input."""
        pairs = zip(dilate(self.space, self.input_dilation), self.padding, strict=True)
        return tuple(size + low + high for size, (low, high) in pairs)

    @property
    def out(self) -> Shape:
        """The spatial shape of the output: `(padded - dilated kernel) // stride + 1`.

        Where the filter does not fit, there are no outputs.
        """
        reach = dilate(self.kernel, self.kernel_dilation)
        axes = zip(self.padded, reach, self.strides, strict=True)
        return tuple(max(0, (size - k) // s + 1) for size, k, s in axes)

    @property
    def taps(self) -> int:
        """The number of spatial positions of one filter."""
        return math.prod(self.kernel)

    @property
    def flops(self) -> int:
        """Multiplications and additions in any of the three maps, by its definition.

        Products with the padding's zeros count too.

        >>> Geometry.of((60, 1, 28, 28), (1, 32, 5, 5)).flops
        75264000
        """
        pairs = self.n * self.groups * self.ci * self.co
        return 2 * pairs * self.taps * math.prod(self.out)

    @property
    def is_empty(self) -> bool:
        """Whether an operand or the output has no elements, so that all sums are 0."""
        return 0 in (*self.x_shape, *self.w_shape, *self.out_shape)

    @property
    def once_padded(self) -> "Geometry":
        """The same convolution over an input that is dilated and padded already."""
        axes = len(self.space)
        return dataclasses.replace(
            self,
            space=self.padded,
            padding=((0, 0),) * axes,
            input_dilation=(1,) * axes,
        )

    def with_axis(self, at: int, size: int) -> "Geometry":
        """Return the same with one more spatial axis, along which the filter is 1 long.

        It is the axis `at` of `space`, and has `size` pixels.
        """

        def wider(facts: tuple[Any, ...], fact: Any) -> tuple[Any, ...]:
            return (*facts[:at], fact, *facts[at:])

        return dataclasses.replace(
            self,
            space=wider(self.space, size),
            kernel=wider(self.kernel, 1),
            strides=wider(self.strides, 1),
            padding=wider(self.padding, (0, 0)),
            input_dilation=wider(self.input_dilation, 1),
            kernel_dilation=wider(self.kernel_dilation, 1),
        )

    def of_rows(self, count: int) -> "Geometry":
        """Return the convolution that makes `count` outputs along the first axis.

        Its input is a part of one that is dilated and padded along that axis already.
        """
        (reach,) = dilate(self.kernel[:1], self.kernel_dilation[:1])
        return dataclasses.replace(
            self,
            space=((count - 1) * self.strides[0] + reach, *self.space[1:]),
            padding=((0, 0), *self.padding[1:]),
            input_dilation=(1, *self.input_dilation[1:]),
        )

    @property
    def _reaches(self) -> list[tuple[int, int, int, int]]:
        """For each axis the dilated sizes of filter, input and `g`; low padding."""
        reach = dilate(self.kernel, self.kernel_dilation)
        wide = dilate(self.space, self.input_dilation)
        wide_g = dilate(self.out, self.strides)
        axes = zip(reach, wide, wide_g, self.padding, strict=True)
        return [(k, size, size_g, low) for k, size, size_g, (low, _) in axes]

    @property
    def of_input_grad(self) -> "Geometry":
        """The convolution over `g` whose output is the gradient at the input.

        Solve (1) for o and turn the filter of k taps, p = k-1-q; o then rises with q:

            o*s + ((k-1)*d - low) = i*r + q*d

        which is (1) again: `g` is dilated by s, the outputs `i` are r apart, the filter
        keeps its dilation, and the padding before is `(k-1)*d - low`, negative where
        the forward padding exceeds the filter's reach. The padding after is as much as
        output i = size-1 reads. Input and output channels change places.
        Source: arXiv:1603.07285, relationship 14.
        """
        return dataclasses.replace(
            self,
            ci=self.co,
            co=self.ci,
            outputs_first=self.groups == 1 and not self.outputs_first,
            space=self.out,
            strides=self.input_dilation,
            padding=tuple(
                (reach - 1 - low, size - size_g + low)
                for reach, size, size_g, low in self._reaches
            ),
            input_dilation=self.strides,
        )

    @property
    def of_param_grad(self) -> "Geometry":
        """The convolution of `x` with `g` whose output is the gradient at the filters.

        In (1) tap p and output o enter alike: let `g` be the filter, with taps `o` that
        are s apart, and let it step by d from one output `p` to the next. The batch is
        summed, so it is the input channel here, and the input channel is the batch.
        The padding after is as much as the last tap reads, and negative where the
        strides leave pixels unread.
        """
        return dataclasses.replace(
            self,
            n=self.ci,
            ci=self.n,
            kernel=self.out,
            strides=self.kernel_dilation,
            padding=tuple(
                (low, reach - 1 + size_g - size - low)
                for reach, size, size_g, low in self._reaches
            ),
            kernel_dilation=self.strides,
        )
