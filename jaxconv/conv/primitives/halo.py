"""Halo exchange: the pixels that devices swap where an image's axis is cut (sharded).

Each of D devices computes O/D of the O outputs of the axis, and holds the O/D * s
pixels that these lie over, where s is the stride. Its outputs also read pixels of its
neighbours, its halo. By (1) in `geometry.py`, with k taps d pixels apart, these are

    low                      pixels before its own, and
    (k-1)*d + 1 - s - low    pixels after them;

a negative number says how many of its own pixels none of its outputs reads. A device
without neighbour on one side, at the image's edge, receives zeros: the padding.
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
    """A spatial axis that is cut over devices."""

    axis: int  # counted from 0
    names: tuple[str, ...]  # of the mesh axes that it is cut over
    order: tuple[int, ...]  # for each shard, the number of its device along these


def cut_over(axis: int, names: tuple[str, ...], mesh: Mesh) -> Cut:
    """Cut an axis over mesh axes, of which the first changes slowest.

    `ppermute` numbers the devices in the order of the mesh, not of the names.
    """
    known = [name for name in mesh.axis_names if name in names]
    grid = np.arange(math.prod(mesh.shape[name] for name in known))
    grid = grid.reshape([mesh.shape[name] for name in known])
    order = grid.transpose([known.index(name) for name in names]).ravel()
    return Cut(axis, names, tuple(order.tolist()))


def can_be_cut(geometry: Geometry, axis: int) -> bool:
    """Return whether outputs and pixels can be cut alike: s pixels for each output."""
    whole = geometry.out[axis] * geometry.strides[axis] == geometry.space[axis]
    return whole and geometry.input_dilation[axis] == 1 and geometry.out[axis] > 1


def widths(geometry: Geometry, axis: int) -> tuple[int, int]:
    """Return how many pixels are read before a device's own, and how many after."""
    low, _ = geometry.padding[axis]
    span = (geometry.kernel[axis] - 1) * geometry.kernel_dilation[axis] + 1
    return low, span - geometry.strides[axis] - low


def neighbours_suffice(geometry: Geometry, axis: int, shards: int) -> bool:
    """Return whether shards are equal and none is read beyond the next device."""
    own = geometry.space[axis] // shards
    return geometry.out[axis] % shards == 0 and all(
        -own < side <= own for side in widths(geometry, axis)
    )


def shard(geometry: Geometry, axis: int, shards: int) -> Geometry:
    """Return the convolution of one device, over its pixels and its halo."""
    space, padding = list(geometry.space), list(geometry.padding)
    space[axis] = space[axis] // shards + sum(widths(geometry, axis))
    padding[axis] = (0, 0)
    return dataclasses.replace(geometry, space=tuple(space), padding=tuple(padding))


def receive(x: Array, geometry: Geometry, cuts: Iterable[Cut]) -> Array:
    """Put the halo, received from the neighbours, around a device's own pixels."""
    for axis, names, order in cuts:
        at = axis + 2
        before, after = widths(geometry, axis)
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


def send_back(grad: Array, geometry: Geometry, cuts: Iterable[Cut]) -> Array:
    """Apply the transpose of `receive`: return the gradients at a device's own pixels.

    Those at its halo go to the neighbours, which add them to their own.
    """
    for axis, names, order in reversed(list(cuts)):
        at = axis + 2
        before, after = widths(geometry, axis)
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
