"""Max pooling, and its derivatives, where windows of few taps lie side by side.

The strides are the window's sizes: each pixel belongs to one window, at one tap. With
`first[o, j]` whether tap j is the first, in row-major order, that holds the maximum of
window o:

    tangent     dy[o] = sum over j of first[o, j] * dx[o*s + j]          `take`
    cotangent   dx[o*s + j] = first[o, j] * g[o]                         `put`

`first` is computed anew from x and y in the loop that uses it, which is faster than
storing it and takes no memory.
"""

import functools
from collections.abc import Iterator

import jax.numpy as jnp
from jax import Array, lax

from jaxconv.conv.pooling.windows import Windows, primitive, taps_of

_MOST_TAPS = 16  # each of which is compared with all before it


def are_adjacent(windows: Windows) -> bool:
    """Return whether windows of few taps lie side by side, all within the image."""
    rows = zip(windows.out, windows.window, windows.space, strict=True)
    return (
        windows.window == windows.strides
        and windows.taps <= _MOST_TAPS
        and not any(map(any, windows.padding))
        and all(out * k <= size for out, k, size in rows)
    )


def _views(x: Array, windows: Windows) -> Iterator[Array]:
    """Yield for each tap, in row-major order, the pixel of each window at it."""
    shape: list[int] = []
    for axis, out, k in zip(windows.axes, windows.out, windows.window, strict=True):
        x = lax.slice_in_dim(x, 0, out * k, 1, axis)
        shape += out, k
    blocks = x.reshape(windows.with_space(x.shape, tuple(shape)))
    for taps in taps_of(windows):
        view = blocks
        for at, tap in enumerate(taps):
            view = lax.index_in_dim(view, tap, windows.first + at + 1, keepdims=False)
        yield view


def largest(x: Array, windows: Windows) -> Array:
    """Return the largest pixel of each window."""
    return functools.reduce(lax.max, _views(x, windows))


def _first(x: Array, y: Array, windows: Windows) -> Iterator[Array]:
    """Yield, for each tap, in which windows it is the first to hold the maximum."""
    found = jnp.zeros(y.shape, bool)
    for view in _views(x, windows):
        holds = (view == y) | (view != view)  # a NaN is the maximum of its window
        yield holds & ~found
        found |= holds


def _take(t: Array, x: Array, y: Array, *, windows: Windows) -> Array:
    taken = jnp.zeros(y.shape, t.dtype)
    for first, view in zip(_first(x, y, windows), _views(t, windows), strict=True):
        taken = jnp.where(first, view, taken)
    return taken


def _put(g: Array, x: Array, y: Array, *, windows: Windows) -> Array:
    zero = jnp.zeros((), g.dtype)
    taps = [jnp.where(first, g, zero) for first in _first(x, y, windows)]
    for at in reversed(range(len(windows.space))):
        axis, k = windows.first + at, windows.window[at]
        taps = [jnp.stack(taps[i : i + k], axis + 1) for i in range(0, len(taps), k)]
    sizes = [out * k for out, k in zip(windows.out, windows.window, strict=True)]
    whole = taps[0].reshape(windows.with_space(g.shape, tuple(sizes)))
    pads = [(0, 0, 0)] * g.ndim
    for axis, size, own in zip(windows.axes, windows.space, sizes, strict=True):
        pads[axis] = (0, size - own, 0)
    return lax.pad(whole, zero, pads)


take_p, take = primitive("max_pool_take_adjacent", _take, lambda w: w.out)
put_p, put = primitive("max_pool_put_adjacent", _put, lambda w: w.space)
