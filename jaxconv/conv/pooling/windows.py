"""Where the windows of a pooling lie, and the moves that max and average share.

Output `o` of an axis reads through tap `j` of its window the pixel `i` with

    i + low = o*s + j,    0 <= j < k

`space` are consecutive axes of an array, from the axis `first` on. The axes before and
after (batch, channels, what `vmap` maps) are not looked at: channels may be first or
last.

A gradient needs the outputs that read a pixel: the pixel p = i + low, of phase
r = p mod s, is read through the taps j = r + m*s by the outputs o = (p - r)/s - m, for
m = 0 ... ceil(k/s) - 1.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir

from jaxconv.conv.arguments.shapes import Pads, Shape
from jaxconv.conv.primitives.eager import compile_and_run
from jaxconv.conv.primitives.meshes import (
    kept,
    like,
    mesh_of,
    placed,
    placed_by_compiler,
    vary_alike,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Windows:
    """The settings of one pooling; hashable, so that `jit` can cache on them."""

    first: int
    space: Shape
    window: Shape
    strides: Shape
    padding: Pads
    out: Shape
    count_include_pad: bool = True
    mean: bool = True  # whether sums are divided by the number of their pixels

    @property
    def axes(self) -> range:
        """The pooled axes."""
        return range(self.first, self.first + len(self.space))

    @property
    def readers(self) -> Shape:
        """How many outputs read one pixel along each axis, at most: ceil(k/s)."""
        pairs = zip(self.window, self.strides, strict=True)
        return tuple(-(-k // s) for k, s in pairs)

    @property
    def disjoint(self) -> bool:
        """Whether no two windows share a pixel."""
        return all(count == 1 for count in self.readers)

    @property
    def whole(self) -> bool:
        """Whether the only window is the whole image."""
        plain = not any(map(any, self.padding))
        return plain and self.window == self.space

    @property
    def taps(self) -> int:
        """The number of taps of a window."""
        return math.prod(self.window)

    def along(self, at: int) -> "Windows":
        """Return the same along one of the pooled axes, the others not looked at."""
        own = {
            name: getattr(self, name)[at : at + 1]
            for name in ("space", "window", "strides", "padding", "out")
        }
        return dataclasses.replace(self, first=self.first + at, **own)

    @property
    def overhang(self) -> Pads:
        """Pixels of windows beyond the image's ends; negative: they stop short."""
        rows = (self.space, self.window, self.strides, self.out, self.padding)
        return tuple(
            (low, (out - 1) * s + k - size - low)
            for size, k, s, out, (low, _) in zip(*rows, strict=True)
        )

    def with_space(self, shape: tuple[Any, ...], sizes: tuple[Any, ...]) -> Any:
        """Return `shape` with other sizes along the pooled axes."""
        return (*shape[: self.first], *sizes, *shape[self.axes.stop :])

    def counts(self) -> Any:
        """Return how many pixels the mean of each output is taken over.

        By PyTorch's rules: padding counts if `count_include_pad` says so, but never
        what `ceil_mode` adds beyond it.
        """
        found = np.ones((), np.int64)
        rows = (self.space, self.window, self.strides, self.padding, self.out)
        for size, k, s, (low, high), out in zip(*rows, strict=True):
            start = np.arange(out) * s - low
            end = np.minimum(start + k, size + (high if self.count_include_pad else 0))
            own = end - (start if self.count_include_pad else np.maximum(start, 0))
            found = np.multiply.outer(found, own)
        return found


def padded(x: Array, windows: Windows, value: Any) -> Array:
    """Return the padded image that the windows slide over, up to the last one's end."""
    pads = [(0, 0, 0)] * x.ndim
    for axis, (low, high) in zip(windows.axes, windows.overhang, strict=True):
        pads[axis] = (low, high, 0)
    return lax.pad(x, jnp.asarray(value, x.dtype), pads) if any(map(any, pads)) else x


def seen(x: Array, windows: Windows, at: int, tap: int) -> Array:
    """Return the pixels of a padded array that a tap of one axis reads."""
    out, s = windows.out[at], windows.strides[at]
    end = tap + (out - 1) * s + 1
    return lax.slice_in_dim(x, tap, end, s, windows.first + at)


def reduced(x: Array, windows: Windows, by: Primitive) -> Array:
    """Reduce windows by one of lax's primitives, `reduce_window_max_p` or `_sum_p`.

    `patch` may stand in `lax.reduce_window`, and calls this.
    """
    ones = (1,) * x.ndim
    pads = tuple((low, max(high, 0)) for low, high in windows.overhang)
    return by.bind(
        x,
        window_dimensions=windows.with_space(ones, windows.window),
        window_strides=windows.with_space(ones, windows.strides),
        padding=windows.with_space(((0, 0),) * x.ndim, pads),
        base_dilation=ones,
        window_dilation=ones,
    )


def taps_of(windows: Windows) -> Iterator[Shape]:
    """Yield the taps of a window, in row-major order."""
    return itertools.product(*map(range, windows.window))


def through(x: Array, windows: Windows, taps: Shape) -> Array:
    """Return the pixel of each window at a tap."""
    for at, tap in enumerate(taps):
        x = seen(x, windows, at, tap)
    return x


def shifted(g: Array, windows: Windows, at: int, m: int) -> Array:
    """Return for each block of s pixels the output whose window begins m blocks before.

    `g` is what `spread_out` returned.
    """
    own = g.shape[windows.first + at]
    blocks = own - windows.readers[at] + 1
    start = windows.readers[at] - 1 - m
    return lax.slice_in_dim(g, start, start + blocks, 1, windows.first + at)


def spread_out(g: Array, windows: Windows) -> Array:
    """Put zeros around outputs, so that each block of s pixels has as many readers."""
    pads = [(0, 0, 0)] * g.ndim
    for at, axis in enumerate(windows.axes):
        reach = windows.padding[at][0] + windows.space[at]
        blocks = -(-reach // windows.strides[at])
        pads[axis] = (windows.readers[at] - 1, blocks - windows.out[at], 0)
    return lax.pad(g, jnp.zeros((), g.dtype), pads)


def cropped(x: Array, windows: Windows) -> Array:
    """Return the image without its padding."""
    for axis, size, (low, _) in zip(
        windows.axes, windows.space, windows.padding, strict=True
    ):
        x = lax.slice_in_dim(x, low, low + size, 1, axis)
    return x


def in_blocks(g: Array, windows: Windows) -> tuple[Array, list[Array]]:
    """Repeat each output over its block of s pixels along each axis: (..., q, s, ...).

    Returned with it is, for each axis, every entry's place in its block.
    """
    shape, kept_axes, places = list(g.shape[: windows.first]), [], []
    for axis, s in zip(windows.axes, windows.strides, strict=True):
        kept_axes.append(len(shape))
        places.append(len(shape) + 1)
        shape += [g.shape[axis], s]
    rest = range(len(shape), len(shape) + g.ndim - windows.axes.stop)
    shape += g.shape[windows.axes.stop :]
    dims = (*range(windows.first), *kept_axes, *rest)
    taps = [lax.broadcasted_iota(jnp.int32, shape, axis) for axis in places]
    return lax.broadcast_in_dim(g, shape, dims), taps


def from_blocks(blocks: Array, windows: Windows) -> Array:
    """Undo the blocks of `in_blocks`, and crop the padding."""
    sizes = blocks.shape[windows.first : windows.first + 2 * len(windows.space)]
    rest = blocks.shape[windows.first + len(sizes) :]
    merged = [a * b for a, b in zip(sizes[::2], sizes[1::2], strict=True)]
    whole = blocks.reshape(*blocks.shape[: windows.first], *merged, *rest)
    return cropped(whole, windows)


def interleaved(phases: Sequence[Array], axis: int) -> Array:
    """Return the array whose entries along `axis` are the phases' in turn."""
    if len(phases) == 1:
        return phases[0]
    both = jnp.stack(phases, axis + 1)
    size = both.shape[axis] * len(phases)
    return both.reshape(*both.shape[:axis], size, *both.shape[axis + 2 :])


def primitive(
    name: str,
    run: Callable[..., Array],
    sizes: Callable[[Windows], Shape],
    dtype: Callable[[Windows, Any], Any] = lambda windows, own: own,
) -> tuple[Primitive, Callable[..., Array]]:
    """Make the primitive that computes `run(*arrays, windows=...)`, and what binds it.

    Args:
      name: of the primitive.
      run: the computation; it is lowered as it is traced.
      sizes: the result's sizes along the pooled axes.
      dtype: the result's type, given that of the first array.
    """
    made = Primitive(name)

    def shape_of(shape: Shape, windows: Windows) -> Shape:
        return windows.with_space(shape, sizes(windows))

    def bind(*arrays: Array, windows: Windows) -> Array:
        """Apply it; on an explicit mesh only the pooled axes lose their sharding."""
        arrays = tuple(vary_alike(*arrays))
        shape, own = shape_of(arrays[0].shape, windows), placed(arrays[0])
        spec = windows.with_space(own, (None,) * len(windows.space))
        there = kept(spec, shape, mesh_of(*arrays))
        return placed_by_compiler(
            lambda *arrays: made.bind(*arrays, windows=windows), *arrays, spec=there
        )

    def abstract(a: Any, *_: Any, windows: Windows) -> Any:
        return like(a, shape_of(a.shape, windows), dtype(windows, a.dtype))

    def batch(arrays: Any, mapped: Any, *, windows: Windows) -> tuple[Array, int]:
        """Put the mapped axis in front, where it is one more that is not pooled."""
        pairs = list(zip(arrays, mapped, strict=True))
        extra = next(a.shape[at] for a, at in pairs if at is not None)
        moved = [
            jnp.broadcast_to(a, (extra, *a.shape))
            if at is None
            else jnp.moveaxis(a, at, 0)
            for a, at in pairs
        ]
        wide = dataclasses.replace(windows, first=windows.first + 1)
        return bind(*moved, windows=wide), 0

    made.def_impl(compile_and_run(made, "windows"))
    made.def_abstract_eval(abstract)
    batching.primitive_batchers[made] = batch
    mlir.register_lowering(made, mlir.lower_fun(run, multiple_results=False))
    return made, bind
