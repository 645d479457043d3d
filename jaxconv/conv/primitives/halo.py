"""Images cut along a spatial axis: each device asks its neighbours for what it reads.

Of O outputs s apart a device has O / parts, and of the input's O * s pixels as many
times s. By (1) in `geometry.py` its outputs read from `low` pixels before its own to

    (O/parts - 1)*s + (k-1)*d - low        that is (k-1)*d + 1 - s - low after,

where k taps lie d apart; a negative number says that so many of its own are not read.
Beyond the image stand zeros, which is what a device without neighbour receives.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh

from jaxconv.conv.geometry import Geometry


class Cut(NamedTuple):
    """How a spatial axis is cut."""

    axis: int  # counted from 0
    names: tuple[str, ...]  # of the mesh axes
    order: tuple[int, ...]  # where among the devices along them each part lies


def cut_over(axis: int, names: tuple[str, ...], mesh: Mesh) -> Cut:
    """Cut an axis over mesh axes, of which the first changes slowest.

    JAX counts devices in the mesh's own order, whatever that of the names.
    """
    known = [name for name in mesh.axis_names if name in names]
    grid = np.arange(math.prod(mesh.shape[name] for name in known))
    grid = grid.reshape([mesh.shape[name] for name in known])
    order = grid.transpose([known.index(name) for name in names]).ravel()
    return Cut(axis, names, tuple(order.tolist()))


def can_be_cut(geometry: Geometry, axis: int) -> bool:
    """Return whether every device would have the pixels that its outputs are over."""
    whole = geometry.out[axis] * geometry.strides[axis] == geometry.space[axis]
    return whole and geometry.input_dilation[axis] == 1 and geometry.out[axis] > 1


def reach(geometry: Geometry, axis: int) -> tuple[int, int]:
    """Return how many pixels are read before and after a device's own."""
    low, _ = geometry.padding[axis]
    span = (geometry.kernel[axis] - 1) * geometry.kernel_dilation[axis] + 1
    return low, span - geometry.strides[axis] - low


def neighbours_suffice(geometry: Geometry, axis: int, parts: int) -> bool:
    """Return whether a device reads from those beside it at the most."""
    own = geometry.space[axis] // parts
    return geometry.out[axis] % parts == 0 and all(
        -own < side <= own for side in reach(geometry, axis)
    )


def share(geometry: Geometry, axis: int, parts: int) -> Geometry:
    """Return the convolution of one device, over its pixels and those it is sent."""
    space, padding = list(geometry.space), list(geometry.padding)
    space[axis] = space[axis] // parts + sum(reach(geometry, axis))
    padding[axis] = (0, 0)
    return dataclasses.replace(geometry, space=tuple(space), padding=tuple(padding))


def receive(x: Array, geometry: Geometry, cuts: Iterable[Cut]) -> Array:
    """Put the neighbours' pixels around a device's own."""
    for axis, names, order in cuts:
        at = axis + 2
        before, after = reach(geometry, axis)
        own = x.shape[at]
        pieces = [_sliced(x, at, max(-before, 0), own + min(after, 0))]
        if before > 0:
            end = _sliced(x, at, own - before, own)
            pieces.insert(0, lax.ppermute(end, names, _to_next(order)))
        if after > 0:
            start = _sliced(x, at, 0, after)
            pieces.append(lax.ppermute(start, names, _to_previous(order)))
        x = jnp.concatenate(pieces, axis=at)
    return x


def give_back(grad: Array, geometry: Geometry, cuts: Iterable[Cut]) -> Array:
    """Apply the transpose of `receive`: send back and add what others' pixels got."""
    for axis, names, order in reversed(list(cuts)):
        at = axis + 2
        before, after = reach(geometry, axis)
        total = grad.shape[at]
        own = _sliced(grad, at, max(before, 0), total - max(after, 0))
        own = _padded(own, at, max(-before, 0), max(-after, 0))
        size = own.shape[at]
        if before > 0:
            start = _sliced(grad, at, 0, before)
            sent = lax.ppermute(start, names, _to_previous(order))
            own += _padded(sent, at, size - before, 0)
        if after > 0:
            end = _sliced(grad, at, total - after, total)
            sent = lax.ppermute(end, names, _to_next(order))
            own += _padded(sent, at, 0, size - after)
        grad = own
    return grad


def _sliced(array: Array, axis: int, start: int, stop: int) -> Array:
    return lax.slice_in_dim(array, start, stop, axis=axis)


def _padded(array: Array, axis: int, low: int, high: int) -> Array:
    config: list[Any] = [(0, 0, 0)] * array.ndim
    config[axis] = (low, high, 0)
    return lax.pad(array, array.dtype.type(0), config)


def _to_next(order: Sequence[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(order))


def _to_previous(order: Sequence[int]) -> list[tuple[int, int]]:
    return [(later, earlier) for earlier, later in itertools.pairwise(order)]
