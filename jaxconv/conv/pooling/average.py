"""Average and sum pooling, linear maps, and their transposes.

    average   y[o] = sum over j of x[o*s + j - low] / count[o]
    spread    x[i] = sum over o, j with o*s + j - low = i of g[o] / count[o]

Each is the other's transpose and its own derivative. The sum over a window is a sum
over its rows of sums over its columns, so means are taken axis by axis. Where `mean` is
false nothing is divided, and lax adds up the windows, in an order that XLA chooses.
"""

import functools
import operator
from typing import Any

import jax.numpy as jnp
from jax import Array, lax
from jax.interpreters import ad

from jaxconv.conv.arguments.shapes import Shape
from jaxconv.conv.operands import accumulator
from jaxconv.conv.pooling.regions import by_regions
from jaxconv.conv.pooling.windows import (
    Windows,
    cropped,
    from_blocks,
    in_blocks,
    interleaved,
    padded,
    primitive,
    reduced,
    seen,
    shifted,
    spread_out,
)

MOST_UNROLLED = 64  # taps along an axis; XLA compiles a slice for each


def _average(x: Array, *, windows: Windows) -> Array:
    if not windows.mean:
        return reduced(x, windows, lax.reduce_window_sum_p)
    dtype = x.dtype
    x = x.astype(accumulator(dtype))
    if windows.whole:
        x = jnp.sum(x, axis=tuple(windows.axes), keepdims=True)
        return _divided(x, windows).astype(dtype)
    for at in reversed(range(len(windows.space))):
        one = windows.along(at)
        if one.taps > MOST_UNROLLED:
            x = reduced(x, one, lax.reduce_window_sum_p)
        else:
            x = by_regions(one, _added, x)
    return _divided(x, windows).astype(dtype)


def _added(x: Array, *, windows: Windows, taps: Shape) -> Array:
    """Add up windows along one axis."""
    x = padded(x, windows, 0)
    views = [seen(x, windows, 0, j) for j in range(windows.window[0])]
    return functools.reduce(operator.add, views)


def _divided(y: Array, windows: Windows) -> Array:
    """Divide by the number of pixels that each output is the mean of, if it is one."""
    if not windows.mean:
        return y
    counts = windows.counts()
    if counts.size and (counts == counts.flat[0]).all():
        return y / jnp.asarray(counts.flat[0], y.dtype)
    rest = (1,) * (y.ndim - windows.axes.stop)
    by = jnp.asarray(counts, y.dtype).reshape(
        *(1,) * windows.first, *counts.shape, *rest
    )
    return y / by


def _spread(g: Array, *, windows: Windows) -> Array:
    dtype = g.dtype
    g = _divided(g.astype(accumulator(dtype)), windows)
    if windows.whole:
        shape = windows.with_space(g.shape, windows.space)
        return jnp.broadcast_to(g, shape).astype(dtype)
    if windows.disjoint:
        return _spread_disjoint(g, windows).astype(dtype)
    g = spread_out(g, windows)
    for at in range(len(windows.space)):
        g = _spread_along(g, windows, at)
    return cropped(g, windows).astype(dtype)


def _spread_disjoint(g: Array, windows: Windows) -> Array:
    """Return the gradient where no windows overlap: that of each pixel's only one."""
    wide, places = in_blocks(spread_out(g, windows), windows)
    for place, k, s in zip(places, windows.window, windows.strides, strict=True):
        if k < s:
            wide = jnp.where(place < k, wide, jnp.zeros((), g.dtype))
    return from_blocks(wide, windows)


def _spread_along(g: Array, windows: Windows, at: int) -> Array:
    """Give each pixel along one axis the outputs that read it, phase by phase."""
    k, s, axis = windows.window[at], windows.strides[at], windows.first + at
    phases = []
    for r in range(s):
        blocks = range(-(-(k - r) // s)) if r < k else ()
        terms = [shifted(g, windows, at, m) for m in blocks]
        zeros = jnp.zeros_like(shifted(g, windows, at, 0))
        phases.append(functools.reduce(operator.add, terms) if terms else zeros)
    return interleaved(phases, axis)


average_p, average = primitive("avg_pool", _average, lambda w: w.out)
spread_p, spread = primitive("avg_pool_spread", _spread, lambda w: w.space)


def _spread_of(ct: Any, x: Any, *, windows: Windows) -> Any:
    if type(ct) is ad.Zero:
        return (ad.Zero(x.aval),)
    return (spread(ct, windows=windows),)


def _average_of(ct: Any, g: Any, *, windows: Windows) -> Any:
    if type(ct) is ad.Zero:
        return (ad.Zero(g.aval),)
    return (average(ct, windows=windows),)


ad.deflinear2(average_p, _spread_of)
ad.deflinear2(spread_p, _average_of)
