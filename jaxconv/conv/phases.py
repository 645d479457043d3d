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
Phases with one geometry are one convolution with more output channels. The input
gradient of a strided convolution is the output of such a dilated one.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

from jaxconv.conv.geometry import Geometry, Shape
from jaxconv.conv.padding import zero_pad

Run = Callable[[Array, Array, Geometry], Array]


def has_phases(geometry: Geometry) -> bool:
    """Return whether the input is dilated, and the filter and the outputs are not."""
    together = {*geometry.strides, *geometry.kernel_dilation} <= {1}
    return together and max(geometry.input_dilation, default=1) > 1


def phases(geometry: Geometry) -> dict[Geometry, list[tuple[Shape, Shape]]]:
    """Return the first output and first tap of each phase, by its own convolution.

    Phases that no tap reaches are left out.
    """
    axes = [
        [_axis(*facts, a) for a in range(min(facts[0], facts[3]))]
        for facts in zip(
            geometry.input_dilation,
            geometry.space,
            geometry.kernel,
            geometry.out,
            geometry.padding,
            strict=True,
        )
    ]
    found: dict[Geometry, list[tuple[Shape, Shape]]] = {}
    for choice in itertools.product(*axes):
        kernel, padding, first_output, first_tap = zip(*choice, strict=True)
        if 0 not in kernel:
            ones = (1,) * len(kernel)
            own = dataclasses.replace(
                geometry, kernel=kernel, padding=padding, input_dilation=ones
            )
            found.setdefault(own, []).append((first_output, first_tap))
    return found


def _axis(r: int, size: int, k: int, out: int, pads: tuple[int, int], a: int) -> tuple:
    """Return taps, padding, first output and first tap of phase `a` along one axis."""
    b = (pads[0] - a) % r
    taps, outputs = len(range(b, k, r)), len(range(a, out, r))
    low = (pads[0] - a - b) // r
    high = outputs + taps - 1 - size - low
    return taps, (low, high), a, b


def output(run: Run, x: Array, w: Array, geometry: Geometry) -> Array:
    """Convolve each phase and put its outputs in their places."""
    if all_alike(geometry):
        own, starts = next(iter(phases(geometry).items()))
        result = run(x, _every_tap(w, geometry), own.widen("co", len(starts)))
        return _interleave_all(result, geometry)
    return _each(run, x, w, geometry, geometry.out_shape, read=1, written=0)


def param_grad(run: Run, x: Array, g: Array, geometry: Geometry) -> Array:
    """Put the gradient of each phase's taps in their places."""
    return _each(run, x, g, geometry, geometry.w_shape, read=0, written=1)


def _each(
    run: Run,
    x: Array,
    other: Array,
    geometry: Geometry,
    shape: Shape,
    read: int,
    written: int,
) -> Array:
    """Run every phase on its places of `other` and write to its places of the result.

    `read` and `written` say which places: 0 for outputs, 1 for taps.
    """
    steps = geometry.input_dilation
    found: dict[Shape, Array] = {}
    for own, starts in phases(geometry).items():
        cut = _joined([_every(other, start[read], steps) for start in starts], geometry)
        result = run(x, cut, own.widen("co", len(starts)))
        parts = _parted(result, len(starts), geometry)
        found |= {s[written]: part for s, part in zip(starts, parts, strict=True)}
    return _interleave(found, shape, steps, x)


def all_alike(geometry: Geometry) -> bool:
    """Return whether one convolution computes the outputs of all phases."""
    axes = zip(
        geometry.kernel,
        geometry.input_dilation,
        geometry.out,
        geometry.padding,
        strict=True,
    )
    return all(
        k % r == 0 and out % r == 0 and (low + 1) % r == 0
        for k, r, out, (low, _) in axes
    )


def _every_tap(w: Array, geometry: Geometry) -> Array:
    """Lay the taps of all phases side by side as output channels, group by group.

    What `_joined` makes of as many slices, but by one change of axes. Where all phases
    are alike, low + 1 is a multiple of r, and phase a begins at tap r - 1 - a.
    """
    ci, _, *kernel = w.shape
    split: list[int] = []
    for k, r in zip(kernel, geometry.input_dilation, strict=True):
        split += [k // r, r]
    taps = w.reshape(ci, geometry.groups, geometry.co, *split)
    axes = len(kernel)
    first, rest = range(4, 3 + 2 * axes, 2), range(3, 3 + 2 * axes, 2)
    taps = jnp.flip(taps, first).transpose(0, 1, *first, 2, *rest)
    return taps.reshape(ci, -1, *taps.shape[-axes:])


def _interleave_all(array: Array, geometry: Geometry) -> Array:
    """Put the outputs of all phases, side by side as channels, in their places."""
    n, _, *sizes = array.shape
    steps, axes = geometry.input_dilation, len(sizes)
    split = array.reshape(n, geometry.groups, *steps, geometry.co, *sizes)
    order = [0, 1, 2 + axes]
    for axis in range(axes):
        order += [3 + axes + axis, 2 + axis]
    return split.transpose(order).reshape(geometry.out_shape)


def _every(array: Array, starts: Shape, steps: Shape) -> Array:
    return array[..., *map(slice, starts, array.shape[2:], steps)]


def _joined(arrays: list[Array], geometry: Geometry) -> Array:
    """Lay the output channels of several arrays side by side, group by group."""
    first, _, *space = arrays[0].shape
    split = [a.reshape(first, geometry.groups, 1, geometry.co, *space) for a in arrays]
    return jnp.concatenate(split, axis=2).reshape(first, -1, *space)


def _parted(array: Array, parts: int, geometry: Geometry) -> list[Array]:
    """Undo `_joined`."""
    first, _, *space = array.shape
    split = array.reshape(first, geometry.groups, parts, geometry.co, *space)
    return [split[:, :, i].reshape(first, -1, *space) for i in range(parts)]


def _interleave(
    parts: dict[Shape, Array], shape: Shape, steps: Shape, like: Array
) -> Array:
    """Put each part where it starts and every few places on; zeros elsewhere.

    By a stack and a reshape: writing to the places would be a scatter, which is slow.
    """
    sizes = [-(-size // r) for size, r in zip(shape[2:], steps, strict=True)]
    nothing = jnp.zeros_like(like, shape=(*shape[:2], *sizes))
    stacked = []
    for start in itertools.product(*map(range, steps)):
        part = parts.get(start, nothing)
        missing = [n - have for n, have in zip(sizes, part.shape[2:], strict=True)]
        stacked.append(zero_pad(part, tuple((0, more) for more in missing)))
    axes = len(steps)
    order = [axes, axes + 1]  # n, channels, then places and phases of each axis
    for axis in range(axes):
        order += [axes + 2 + axis, axis]
    whole = jnp.stack(stacked).reshape(*steps, *nothing.shape).transpose(order)
    whole = whole.reshape(*shape[:2], *map(math.prod, zip(sizes, steps, strict=True)))
    return whole[..., *map(slice, shape[2:])]
