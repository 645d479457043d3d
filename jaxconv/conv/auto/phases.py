"""Convolve a dilated input without its zeros: one small convolution for each phase.

With r - 1 zeros between the pixels of the input, only every r-th tap of the filter
meets a pixel, and which ones depends on the output's place, its phase o mod r. For
stride 1 and a filter whose taps lie together, equation (1) of `geometry.py` reads

    i*r + low = o + p

For the outputs o = a + r*t of phase a it needs the taps p = b + r*q with
b = (low - a) mod r, and then

    i = t + q - (low - a - b) / r

which is (1) for a convolution of the plain input with every r-th tap, and padding
`(low - a - b) / r` before: the sum of the work is that of the taps which meet pixels.
As `a` rises by 1, `b` falls by 1. So along each axis the phases form a few ranges of
neighbours with the same padding, taps and outputs, however many phases there are, and
one range along each axis makes a block: one convolution with more output channels.
The input gradient of a strided convolution is the output of such a dilated one.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from jaxconv.conv.geometry import Geometry, Shape
from jaxconv.conv.padding import zero_pad

Run = Callable[[Array, Array, Geometry], Array]


class Block(NamedTuple):
    """Phases that one convolution computes; `starts` and `counts` are for each axis."""

    geometry: Geometry  # with the phases side by side as output channels
    counts: Shape  # of phases
    outputs: Shape  # the first phase, which is its first output
    taps: Shape  # the last phase's first tap, the lowest


def has_phases(geometry: Geometry) -> bool:
    """Return whether the input is dilated, and the filter and the outputs are not."""
    together = {*geometry.strides, *geometry.kernel_dilation} <= {1}
    return together and max(geometry.input_dilation, default=1) > 1


def blocks(geometry: Geometry) -> list[Block]:
    """Return the blocks of phases; phases that no tap reaches are left out."""
    axes = zip(
        geometry.input_dilation,
        geometry.space,
        geometry.kernel,
        geometry.out,
        geometry.padding,
        strict=True,
    )
    found = []
    for ranges in itertools.product(*(_ranges(*facts) for facts in axes)):
        counts, outputs, taps, kernel, padding = zip(*ranges, strict=True)
        own = dataclasses.replace(
            geometry,
            kernel=kernel,
            padding=padding,
            input_dilation=(1,) * len(kernel),
        )
        found.append(Block(own.widen("co", math.prod(counts)), counts, outputs, taps))
    return found


def _ranges(r: int, size: int, k: int, out: int, pads: tuple[int, int]) -> list[tuple]:
    """Return count, first output, lowest tap, taps and padding of each range."""
    low, ranges = pads[0], []
    # Padding changes where b jumps from 0 to r - 1, taps where b passes k mod r.
    changes = {0, (low + 1) % r, (low + 1 - k) % r, out % r, min(r, out)}
    limits = sorted(a for a in changes if a <= out)
    for a, end in itertools.pairwise(limits):
        b = (low - a) % r
        taps, outputs = len(range(b, k, r)), len(range(a, out, r))
        if taps and outputs:
            before = (low - a - b) // r
            pad = (before, outputs + taps - 1 - size - before)
            ranges.append((end - a, a, b - (end - a) + 1, taps, pad))
    return ranges


def output(run: Run, x: Array, w: Array, geometry: Geometry) -> Array:
    """Convolve each block and put its outputs in their places."""
    ways = tuple(map(min, geometry.input_dilation, geometry.out))
    cut, results = _cutter(w, geometry), []
    for block in blocks(geometry):
        taps = cut(block.taps, block.counts, block.geometry.kernel)
        taps = jnp.flip(taps, _phase_axes(geometry))  # as a rises, b falls
        result = run(x, _as_channels(taps, block), block.geometry)
        results.append((block.outputs, _as_phases(result, block, geometry)))
    return _interleaved(results, ways, geometry.out_shape, geometry, x)


def param_grad(run: Run, x: Array, g: Array, geometry: Geometry) -> Array:
    """Put the gradient of each block's taps in their places."""
    ways = tuple(map(min, geometry.input_dilation, geometry.kernel))
    cut, results = _cutter(g, geometry), []
    for block in blocks(geometry):
        grads = cut(block.outputs, block.counts, block.geometry.out)
        result = run(x, _as_channels(grads, block), block.geometry)
        taps = jnp.flip(_as_phases(result, block, geometry), _phase_axes(geometry))
        results.append((block.taps, taps))
    return _interleaved(results, ways, geometry.w_shape, geometry, x)


# Between channels-first arrays and phases, arrays are (first, groups, *phases, co,
# *places): first is n or ci, the places are the outputs or taps of a phase.


def _phase_axes(geometry: Geometry) -> tuple[int, ...]:
    return tuple(range(2, 2 + len(geometry.kernel)))


def _split(array: Array, geometry: Geometry, ways: Shape) -> Array:
    """Split every spatial axis of `w` or `g` into places and phases."""
    first, _, *sizes = array.shape
    missing = tuple((0, -size % r) for size, r in zip(sizes, ways, strict=True))
    pairs = [(-(-size // r), r) for size, r in zip(sizes, ways, strict=True)]
    array = zero_pad(array, missing).reshape(
        first, geometry.groups, geometry.co, *itertools.chain(*pairs)
    )
    axes = len(sizes)
    return array.transpose(
        0, 1, *range(4, 4 + 2 * axes, 2), 2, *range(3, 3 + 2 * axes, 2)
    )


def _cutter(array: Array, geometry: Geometry) -> Callable[..., Array]:
    """Return what cuts `w` or `g` into phases: `counts` of them from `starts` on.

    It takes the first `places` of each. A single phase is cut without splitting all.
    """
    first, _, *sizes = array.shape
    ways = tuple(map(min, geometry.input_dilation, sizes))
    split = functools.cache(lambda: _split(array, geometry, ways))

    def cut(starts: Shape, counts: Shape, places: Shape) -> Array:
        if max(counts) == 1:
            each = zip(starts, places, ways, strict=True)
            phase = (slice(a, a + (n - 1) * r + 1, r) for a, n, r in each)
            whole = array.reshape(first, geometry.groups, geometry.co, *sizes)
            return jnp.expand_dims(whole[..., *phase], _phase_axes(geometry))
        phases = (slice(a, a + n) for a, n in zip(starts, counts, strict=True))
        return split()[:, :, *phases, :, *map(slice, places)]

    return cut


def _as_channels(array: Array, block: Block) -> Array:
    """Lay the phases side by side as output channels, group by group."""
    places = array.shape[3 + len(block.counts) :]
    return array.reshape(array.shape[0], -1, *places)


def _as_phases(array: Array, block: Block, geometry: Geometry) -> Array:
    """Undo `_as_channels`."""
    first, _, *places = array.shape
    return array.reshape(first, geometry.groups, *block.counts, geometry.co, *places)


def _interleaved(
    results: list[tuple[Shape, Array]],
    ways: Shape,
    shape: Shape,
    geometry: Geometry,
    like: Array,
) -> Array:
    """Put each result at its phases, and the phases beside each other: undo `_split`.

    What no tap reaches is 0.
    """
    first, _, *sizes = shape
    axes = len(ways)
    places = [-(-size // r) for size, r in zip(sizes, ways, strict=True)]
    whole_shape = (first, geometry.groups, *ways, geometry.co, *places)
    whole = jnp.zeros_like(like, shape=whole_shape)
    for starts, part in results:
        if part.shape == whole_shape:
            whole = part
            break
        at = (0, 0, *starts, *(0,) * (1 + axes))
        whole = lax.dynamic_update_slice(whole, part, at)
    order = [0, 1, 2 + axes]
    for axis in range(axes):
        order += [3 + axes + axis, 2 + axis]
    whole = whole.transpose(order).reshape(
        first, shape[1], *map(math.prod, zip(places, ways, strict=True))
    )
    return whole[..., *map(slice, sizes)]
