"""The filter gradient of one input channel in each group, by tiles of the batch.

    param_grad[p] = sum over o of  x[p::s] * g

sums over millions of positions, for each of few taps. XLA's CPU is slow at summing
along an array and fast at adding arrays. So each tap has a total for every place of one
row of a few images, to which the products of row after row and image after image are
added. What a tile reads, and the totals, fit a core's cache.

Within a loop XLA reads a slice of an array in place, which is slow, unless the sum that
reads it does so more than 15 times: then XLA copies the slice first. So at least 16
rows are added up at once.
"""

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from jaxconv.conv.arguments.shapes import dilate
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.operands import (
    accumulator,
    accumulator_zeros,
    divisors,
    largest_divisor,
)
from jaxconv.conv.padding import zero_pad

_FEWEST_ROWS = 16  # that are added up at once
_MOST_PRODUCTS = 1200  # of rows; more would take long to compile
_TOTALS_BYTES = 2**20
_MOST_ABREAST = 4  # images that have totals of their own
WORTH_MOVING = 16  # taps; for fewer, channels that come first are left there


class _Tile(NamedTuple):
    """What is read at once: `rows` of `height` positions of `images * abreast` images.

    Rows and images are added up. The channels lie at axis 1 if `first`, else last.
    """

    rows: int
    height: int
    images: int
    abreast: int
    first: bool


def param_grad(x: Array, g: Array, geometry: Geometry) -> Array:
    """Compute the filter gradient; `geometry.ci` must be 1."""
    tile = _tile(geometry)
    at = 1 + tile.first
    count, high = tile.images * tile.abreast, tile.rows * tile.height
    trips = geometry.n // count, geometry.out[0] // high
    stride = geometry.strides[0]
    (reach,) = dilate(geometry.kernel[:1], geometry.kernel_dilation[:1])
    read = (high - 1) * stride + reach
    taps = list(itertools.product(*map(range, geometry.kernel)))
    # In a loop XLA stores what is cut in the order of its axes. They are moved before
    # it where they lie so in memory, and else tile by tile.
    before = geometry.channels_last or (trips[1] == 1 and not tile.first)
    if before:
        x, g = (jnp.moveaxis(array, 1, -1) for array in (x, g))

    def cut_images(array, i):
        part = lax.dynamic_slice_in_dim(array, i * count, count)
        if tile.first:
            return part
        last = part if before else jnp.moveaxis(part, 1, -1)
        if geometry.co == 1:
            return last
        return last.reshape(*last.shape[:-1], geometry.groups, -1)

    def add_images(i, totals):
        xs, gs = cut_images(x, i), cut_images(g, i)
        behind = xs.ndim - at - len(geometry.out)
        pads = geometry.padding + ((0, 0),) * behind
        xs = zero_pad(xs, pads, geometry.input_dilation + (1,) * behind)

        def add_rows(r, totals):
            x_rows = lax.dynamic_slice_in_dim(xs, r * high * stride, read, at)
            g_rows = lax.dynamic_slice_in_dim(gs, r * high, high, at)
            return [
                total + _products(x_rows, g_rows, tap, tile, geometry)
                for tap, total in zip(taps, totals, strict=True)
            ]

        return lax.fori_loop(0, trips[1], add_rows, totals)

    zero = accumulator_zeros(_totals_shape(tile, geometry), x)
    totals = lax.fori_loop(0, trips[0], add_images, [zero] * len(taps))
    places = (0, *range(at, at + len(geometry.out)))
    grad = jnp.stack([total.sum(places) for total in totals], axis=-1)
    return grad.reshape(geometry.w_shape)


def _totals_shape(tile: _Tile, geometry: Geometry) -> tuple[int, ...]:
    row = tile.height, *geometry.out[1:]
    if tile.first:
        return tile.abreast, geometry.groups, *row
    channels = (geometry.groups, geometry.co)
    return tile.abreast, *row, *(channels[:1] if geometry.co == 1 else channels)


def _products(
    x: Array, g: Array, tap: tuple[int, ...], tile: _Tile, geometry: Geometry
) -> Array:
    """Add up over a tile's rows the pixels that a tap reads times their gradients."""
    acc, at = accumulator(x.dtype), 1 + tile.first
    row = tile.height, *geometry.out[1:]

    def cut(array: Array, image: int, lows: Sequence[int], strides: Sequence[int]):
        start, stop, steps = [0] * array.ndim, list(array.shape), [1] * array.ndim
        start[0], stop[0] = image, image + tile.abreast
        for axis, (low, size, step) in enumerate(
            zip(lows, row, strides, strict=True), at
        ):
            start[axis], steps[axis] = low, step
            stop[axis] = low + (size - 1) * step + 1
        return lax.slice(array, start, stop, steps).astype(acc)

    def product(image: int, top: int) -> Array:
        reads = zip(tap, geometry.kernel_dilation, strict=True)
        low, *lows = (p * d for p, d in reads)
        pixels = cut(
            x, image, (low + top * geometry.strides[0], *lows), geometry.strides
        )
        return pixels * cut(g, image, (top, *(0 for _ in lows)), (1,) * len(row))

    images = range(0, x.shape[0], tile.abreast)
    tops = range(0, g.shape[at], tile.height)
    pairs = itertools.product(images, tops)
    return functools.reduce(operator.add, itertools.starmap(product, pairs))


def _tile(geometry: Geometry) -> _Tile:
    """Return the tile that compiles soon and runs fast."""
    few = geometry.taps < WORTH_MOVING and geometry.strides[-1] == 1
    first = few and geometry.co == 1 and not geometry.channels_last
    (length, *rest), channels = geometry.out, geometry.groups * geometry.co
    height = 1 if rest else _height(length, 1 if first else channels)
    rows, images = _added_up(length // height, geometry.n, geometry.taps)
    numbers = height * math.prod(rest) * channels * geometry.taps
    most = min(_MOST_ABREAST, _TOTALS_BYTES // (4 * numbers))
    abreast = largest_divisor(geometry.n // images, most)
    return _Tile(rows, height, images, abreast, first)


def _height(length: int, numbers: int) -> int:
    """Return how many positions of the only axis make a row, of `numbers` each."""
    least, most = (128, 256) if numbers == 1 else (512, 4096)
    height = largest_divisor(length, most // numbers)
    return height if height * numbers >= least else length


def _added_up(rows: int, images: int, taps: int) -> tuple[int, int]:
    """Return how many rows and how many images to add up at once.

    The fewest of at least `_FEWEST_ROWS` products, else the most. At most half of the
    rows: without a loop over rows XLA moves channels at each read.
    """
    halves = [d for d in divisors(rows) if d <= max(1, rows // 2)]
    pairs = list(itertools.product(halves, divisors(images)))
    most = _MOST_PRODUCTS // taps
    enough = [pair for pair in pairs if _FEWEST_ROWS <= math.prod(pair) <= most]
    if enough:
        return min(enough, key=lambda pair: (math.prod(pair), -pair[0]))
    fewer = [pair for pair in pairs if math.prod(pair) <= _FEWEST_ROWS]
    return max(fewer, key=lambda pair: (math.prod(pair), pair[0]))
