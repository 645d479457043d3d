"""The gradient of max pooling: each output's goes to the pixel that won.

    dx[i] = sum over o with o*s + winner[o] - low = i of g[o]

A pixel may have won any window that covers it, at most ceil(k/s) along an axis, each
through another tap.
"""

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxconv.conv.arguments.shapes import Shape
from jaxconv.conv.pooling.windows import (
    Windows,
    cropped,
    from_blocks,
    in_blocks,
    interleaved,
    shifted,
    spread_out,
)


def numbering(windows: Windows) -> tuple[Shape, Any]:
    """Return the steps by which taps are numbered along each axis, and the type.

    Taps are numbered row by row, in a window rounded up to whole blocks of s pixels:
    then a place beyond the window, but within its last block, has a number of its own.
    """
    sizes = [c * s for c, s in zip(windows.readers, windows.strides, strict=True)]
    steps = tuple(math.prod(sizes[at + 1 :]) for at in range(len(sizes)))
    return steps, jnp.uint8 if math.prod(sizes) <= 256 else jnp.int32


def number(taps: Sequence[Any], windows: Windows) -> Any:
    """Return the number of a tap, given its place on each axis."""
    steps, _ = numbering(windows)
    return sum(j * step for j, step in zip(taps, steps, strict=True))


def put_overlapping(g: Array, winner: Array, windows: Windows) -> Array:
    """Return the gradient where pixels may win several windows."""
    g, winner = spread_out(g, windows), spread_out(winner, windows)
    return cropped(_phases(g, winner, windows, ()), windows)


def put_disjoint(g: Array, winner: Array, windows: Windows) -> Array:
    """Return the gradient where no windows overlap: each pixel looks up its own one."""
    wide, places = in_blocks(spread_out(g, windows), windows)
    winners, _ = in_blocks(spread_out(winner, windows), windows)
    here = winners == jnp.asarray(number(places, windows)).astype(winner.dtype)
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
            here = won == jnp.asarray(number(taps, windows), won.dtype)
            terms.append(jnp.where(here, mine, jnp.zeros((), g.dtype)))
    if not terms:  # strides beyond the window: no output reads this phase
        return jnp.zeros_like(_shifted(g, windows, (0,) * len(phases)))
    return functools.reduce(operator.add, terms)


def _shifted(g: Array, windows: Windows, back: Shape) -> Array:
    for at, m in enumerate(back):
        g = shifted(g, windows, at, m)
    return g
