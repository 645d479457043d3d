"""Max pooling and its derivatives, of any order.

    y[o] = max over j of x[o*s + j - low]

is piecewise linear. Let `winner[o]` be the first tap, in row-major order, that holds
the maximum, or a NaN. Unless maxima are equal, it is the same for all images near x:
y selects pixels.

    tangent     dy[o] = dx[o*s + winner[o] - low]                 `take`
    cotangent   dx[i] = sum over o with o*s + winner[o] - low = i of g[o]      `put`

Both are linear in their first argument, transposes of one another, and have no
derivative in the winner: the set is closed.
"""

import functools
import math
import operator
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad

from jaxconv.conv.arguments.shapes import Shape
from jaxconv.conv.pooling import adjacent
from jaxconv.conv.pooling.put import (
    number,
    numbering,
    put_disjoint,
    put_overlapping,
)
from jaxconv.conv.pooling.regions import by_regions
from jaxconv.conv.pooling.windows import (
    Windows,
    padded,
    primitive,
    reduced,
    seen,
    taps_of,
    through,
)

MOST_UNROLLED = 64  # taps; XLA compiles a slice for each


def _lowest(dtype: Any) -> Any:
    if jnp.issubdtype(dtype, jnp.floating):
        return -np.inf
    return False if dtype == jnp.bool_ else jnp.iinfo(dtype).min


def _max(x: Array, *, windows: Windows) -> Array:
    if adjacent.are_adjacent(windows):
        return adjacent.largest(x, windows)
    if windows.taps > MOST_UNROLLED:
        return _reduced(x, windows)
    return by_regions(windows, _largest, x)


def _largest(x: Array, *, windows: Windows, taps: Shape) -> Array:
    """Return the largest pixel of each window, axis by axis."""
    x = padded(x, windows, _lowest(x.dtype))
    for at in reversed(range(len(windows.space))):
        views = [seen(x, windows, at, j) for j in range(windows.window[at])]
        x = functools.reduce(lax.max, views)
    return x


def _reduced(x: Array, windows: Windows) -> Array:
    """Return the maxima of windows of many taps."""
    if windows.whole:
        return jnp.max(x, axis=tuple(windows.axes), keepdims=True)
    return reduced(x, windows, lax.reduce_window_max_p)


def _winner(x: Array, y: Array, *, windows: Windows) -> Array:
    """Return the number of the first tap that equals the maximum, or is NaN."""
    if windows.taps > MOST_UNROLLED:
        return _winner_of_many(x, windows)
    return by_regions(windows, functools.partial(_first_to_win, windows), x, y)


def _first_to_win(
    whole: Windows, x: Array, y: Array, *, windows: Windows, taps: Shape
) -> Array:
    """Return the winners in a region, numbered as in the whole."""
    _, dtype = numbering(whole)
    x = padded(x, windows, _lowest(x.dtype))
    winner = jnp.zeros_like(y, dtype)
    for own in reversed(list(taps_of(windows))):
        view = through(x, windows, own)
        wins = (view == y) | (view != view)
        for pixels in _pixels(windows, own, view.shape):
            wins &= pixels
        at = number([a + b for a, b in zip(taps, own, strict=True)], whole)
        winner = jnp.where(wins, jnp.asarray(at, dtype), winner)
    return winner


def _pixels(windows: Windows, taps: Shape, shape: Shape) -> Iterator[Array]:
    """Yield, for each axis on which the tap meets padding, where it meets pixels."""
    for at, (axis, j) in enumerate(zip(windows.axes, taps, strict=True)):
        low, size, s = windows.padding[at][0], windows.space[at], windows.strides[at]
        last = (windows.out[at] - 1) * s + j
        if j < low or last >= low + size:
            place = lax.broadcasted_iota(jnp.int32, shape, axis) * s + j
            yield (place >= low) & (place < low + size)


def _winner_of_many(x: Array, windows: Windows) -> Array:
    """Return the winners' numbers where windows have many taps."""
    _, dtype = numbering(windows)
    places = [lax.broadcasted_iota(jnp.int32, x.shape, axis) for axis in windows.axes]
    sizes = [math.prod(windows.space[at + 1 :]) for at in range(len(places))]
    flat = functools.reduce(
        operator.add, (p * n for p, n in zip(places, sizes, strict=True))
    )
    none = np.int32(np.iinfo(np.int32).max)
    low = jnp.asarray(_lowest(x.dtype), x.dtype)

    def better(a: Any, b: Any) -> Any:
        nan_a, nan_b = a[0] != a[0], b[0] != b[0]
        ahead = jnp.where(nan_a == nan_b, a[0] > b[0], nan_a)
        level = jnp.where(nan_a | nan_b, nan_a & nan_b, a[0] == b[0])
        keep = ahead | (level & (a[1] < b[1]))
        return tuple(jnp.where(keep, p, q) for p, q in zip(a, b, strict=True))

    ones = (1,) * x.ndim
    _, found = lax.reduce_window(
        (padded(x, windows, low), padded(flat, windows, none)),
        (low, none),
        better,
        windows.with_space(ones, windows.window),
        windows.with_space(ones, windows.strides),
        "VALID",
    )
    taps = []
    for at, axis in enumerate(windows.axes):
        place = found // sizes[at] % windows.space[at]
        start = lax.broadcasted_iota(jnp.int32, found.shape, axis)
        taps.append(place + windows.padding[at][0] - start * windows.strides[at])
    return jnp.asarray(number(taps, windows)).astype(dtype)


def _take(t: Array, winner: Array, *, windows: Windows) -> Array:
    if windows.taps > MOST_UNROLLED:
        flat, places = _flat(t, windows), _places(winner, windows)
        taken = jnp.take_along_axis(flat, places, axis=windows.first, mode="clip")
        return taken.reshape(winner.shape)
    t = padded(t, windows, 0)
    taken = jnp.zeros(winner.shape, t.dtype)
    for taps in taps_of(windows):
        here = winner == jnp.asarray(number(taps, windows), winner.dtype)
        taken = jnp.where(here, through(t, windows, taps), taken)
    return taken


def _put(g: Array, winner: Array, *, windows: Windows) -> Array:
    if windows.disjoint:
        return put_disjoint(g, winner, windows)
    if windows.taps > MOST_UNROLLED:
        shape = windows.with_space(g.shape, windows.space)
        zeros = jnp.zeros_like(g, shape=shape)
        _, pull = jax.vjp(lambda t: _take(t, winner, windows=windows), zeros)
        return pull(g)[0]
    return put_overlapping(g, winner, windows)


def _flat(x: Array, windows: Windows) -> Array:
    """Return the array with its pooled axes merged into one."""
    rest = x.shape[windows.axes.stop :]
    sizes = x.shape[windows.first : windows.axes.stop]
    return x.reshape(*x.shape[: windows.first], math.prod(sizes), *rest)


def _places(winner: Array, windows: Windows) -> Array:
    """Return the number, row by row, of each winning pixel; outputs as in `_flat`."""
    steps, _ = numbering(windows)
    found, left = jnp.zeros(winner.shape, jnp.int32), winner.astype(jnp.int32)
    for at, axis in enumerate(windows.axes):
        tap, left = left // steps[at], left % steps[at]
        start = lax.broadcasted_iota(jnp.int32, winner.shape, axis)
        place = start * windows.strides[at] + tap - windows.padding[at][0]
        found = found * windows.space[at] + place
    return _flat(found, windows)


max_pool_p, max_pool = primitive("max_pool", _max, lambda w: w.out)
winner_p, winner = primitive(
    "max_pool_winner", _winner, lambda w: w.out, lambda w, _: numbering(w)[1]
)
take_p, take = primitive("max_pool_take", _take, lambda w: w.out)
put_p, put = primitive("max_pool_put", _put, lambda w: w.space)


def _zero(y: Any) -> ad.Zero:
    return ad.Zero(jax.typeof(y).to_tangent_aval())


def _max_jvp(primals: Any, tangents: Any, *, windows: Windows) -> tuple[Any, Any]:
    (x,), (t,) = primals, tangents
    y = max_pool(x, windows=windows)
    if type(t) is ad.Zero:
        return y, _zero(y)
    if adjacent.are_adjacent(windows):
        return y, adjacent.take(t, x, y, windows=windows)
    return y, take(t, winner(x, y, windows=windows), windows=windows)


def _winner_jvp(primals: Any, tangents: Any, *, windows: Windows) -> tuple[Any, Any]:
    found = winner(*primals, windows=windows)
    return found, _zero(found)


def _register(one: Primitive, bind: Any, other: Any, constants: int) -> None:
    """Register a map as linear in its first argument, without derivative in the rest.

    Args:
      one: its primitive.
      bind: the map.
      other: its transpose in the first argument.
      constants: the number of its other arguments.
    """

    def jvp(t: Any, *arrays: Any, windows: Windows) -> Any:
        return bind(t, *arrays[1:], windows=windows)

    def transpose(ct: Any, t: Any, *arrays: Any, windows: Windows) -> Any:
        none = [None] * constants
        if type(ct) is ad.Zero:
            return [ad.Zero(t.aval), *none]
        return [other(ct, *arrays, windows=windows), *none]

    ad.defjvp(one, jvp, *[None] * constants)
    ad.primitive_transposes[one] = transpose


ad.primitive_jvps[max_pool_p] = _max_jvp
ad.primitive_jvps[winner_p] = _winner_jvp
_register(take_p, take, put, constants=1)
_register(put_p, put, take, constants=1)
_register(adjacent.take_p, adjacent.take, adjacent.put, constants=2)
_register(adjacent.put_p, adjacent.put, adjacent.take, constants=2)
