"""Max pooling and its derivatives, of any order.

    y[o] = max over j of x[o*s + j - low]

is piecewise linear. Let `winner[o]` be the first tap, in row-major order, that holds
the maximum, or a NaN. It is the same for all images near x, so that y selects pixels:

    tangent     dy[o] = dx[o*s + winner[o] - low]                 `take`
    cotangent   dx[i] = sum over o with o*s + winner[o] - low = i of g[o]      `put`

Both are linear in their first argument, transposes of one another, and have no
derivative in the winner: the set is closed.
"""

import functools
import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad

from jaxconv.conv.arguments.shapes import Shape
from jaxconv.conv.pooling import adjacent
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


def _numbering(windows: Windows) -> tuple[Shape, Any]:
    """Return the steps by which taps are numbered along each axis, and the type.

    Taps are numbered row by row, in a window rounded up to whole blocks of s pixels:
    then a place beyond the window, but within its last block, has a number of its own.
    """
    sizes = [c * s for c, s in zip(windows.readers, windows.strides, strict=True)]
    steps = tuple(math.prod(sizes[at + 1 :]) for at in range(len(sizes)))
    return steps, jnp.uint8 if math.prod(sizes) <= 256 else jnp.int32


def _number(taps: Sequence[Any], windows: Windows) -> Any:
    """Return the number of a tap, given its place on each axis."""
    steps, _ = _numbering(windows)
    return sum(j * step for j, step in zip(taps, steps, strict=True))


def _winner(x: Array, y: Array, *, windows: Windows) -> Array:
    """Return the number of the first tap that equals the maximum, or is NaN."""
    if windows.taps > MOST_UNROLLED:
        return _winner_of_many(x, windows)
    return by_regions(windows, functools.partial(_first_to_win, windows), x, y)


def _first_to_win(
    whole: Windows, x: Array, y: Array, *, windows: Windows, taps: Shape
) -> Array:
    """Return the winners in a region, numbered as in the whole."""
    _, dtype = _numbering(whole)
    x = padded(x, windows, _lowest(x.dtype))
    winner = jnp.zeros_like(y, dtype)
    for own in reversed(list(taps_of(windows))):
        view = through(x, windows, own)
        wins = (view == y) | (view != view)
        for pixels in _pixels(windows, own, view.shape):
            wins &= pixels
        number = _number([a + b for a, b in zip(taps, own, strict=True)], whole)
        winner = jnp.where(wins, jnp.asarray(number, dtype), winner)
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
    _, dtype = _numbering(windows)
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
    return jnp.asarray(_number(taps, windows)).astype(dtype)


def _take(t: Array, winner: Array, *, windows: Windows) -> Array:
    if windows.taps > MOST_UNROLLED:
        flat, places = _flat(t, windows), _places(winner, windows)
        taken = jnp.take_along_axis(flat, places, axis=windows.first, mode="clip")
        return taken.reshape(winner.shape)
    t = padded(t, windows, 0)
    taken = jnp.zeros(winner.shape, t.dtype)
    for taps in taps_of(windows):
        here = winner == jnp.asarray(_number(taps, windows), winner.dtype)
        taken = jnp.where(here, through(t, windows, taps), taken)
    return taken


def _put(g: Array, winner: Array, *, windows: Windows) -> Array:
    if windows.disjoint:
        return _put_disjoint(g, winner, windows)
    if windows.taps > MOST_UNROLLED:
        shape = windows.with_space(g.shape, windows.space)
        zeros = jnp.zeros_like(g, shape=shape)
        _, pull = jax.vjp(lambda t: _take(t, winner, windows=windows), zeros)
        return pull(g)[0]
    g, winner = spread_out(g, windows), spread_out(winner, windows)
    return cropped(_phases(g, winner, windows, ()), windows)


def _put_disjoint(g: Array, winner: Array, windows: Windows) -> Array:
    """Return the gradient where no windows overlap: each pixel looks up its own one."""
    wide, places = in_blocks(spread_out(g, windows), windows)
    winners, _ = in_blocks(spread_out(winner, windows), windows)
    here = winners == jnp.asarray(_number(places, windows)).astype(winner.dtype)
    return from_blocks(jnp.where(here, wide, jnp.zeros((), g.dtype)), windows)


def _phases(g: Array, winner: Array, windows: Windows, phases: Shape) -> Array:
    """Return the gradient at pixels of the given phases on the first axes.

    On the axes that follow, pixels of all phases are computed, and interleaved.
    """
    at = len(phases)
    if at == len(windows.space):
        return _phase(g, winner, windows, phases)
    found = [
        _phases(g, winner, windows, (*phases, r)) for r in range(windows.strides[at])
    ]
    return interleaved(found, windows.first + at)


def _phase(g: Array, winner: Array, windows: Windows, phases: Shape) -> Array:
    """Add up, for each pixel of a phase, the gradients of the outputs that read it.

    In the outputs' order, as lax adds them.
    """
    terms = []
    for back in itertools.product(*(reversed(range(m)) for m in windows.readers)):
        rows = zip(phases, back, windows.strides, strict=True)
        taps = tuple(r + m * s for r, m, s in rows)
        if all(j < k for j, k in zip(taps, windows.window, strict=True)):
            mine, won = (_shifted(a, windows, back) for a in (g, winner))
            here = won == jnp.asarray(_number(taps, windows), won.dtype)
            terms.append(jnp.where(here, mine, jnp.zeros((), g.dtype)))
    if not terms:  # strides beyond the window: no output reads this phase
        return jnp.zeros_like(_shifted(g, windows, (0,) * len(phases)))
    return functools.reduce(operator.add, terms)


def _shifted(g: Array, windows: Windows, back: Shape) -> Array:
    for at, m in enumerate(back):
        g = shifted(g, windows, at, m)
    return g


def _flat(x: Array, windows: Windows) -> Array:
    """Return the array with its pooled axes merged into one."""
    rest = x.shape[windows.axes.stop :]
    sizes = x.shape[windows.first : windows.axes.stop]
    return x.reshape(*x.shape[: windows.first], math.prod(sizes), *rest)


def _places(winner: Array, windows: Windows) -> Array:
    """Return the number, row by row, of each winning pixel; outputs as in `_flat`."""
    steps, _ = _numbering(windows)
    found, left = jnp.zeros(winner.shape, jnp.int32), winner.astype(jnp.int32)
    for at, axis in enumerate(windows.axes):
        tap, left = left // steps[at], left % steps[at]
        start = lax.broadcasted_iota(jnp.int32, winner.shape, axis)
        place = start * windows.strides[at] + tap - windows.padding[at][0]
        found = found * windows.space[at] + place
    return _flat(found, windows)


max_pool_p, max_pool = primitive("max_pool", _max, lambda w: w.out)
winner_p, winner = primitive(
    "max_pool_winner", _winner, lambda w: w.out, lambda w, _: _numbering(w)[1]
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
