"""The method `im2col`: lay out every filter-sized patch, then multiply two matrices.

For each image and group, with `P` output positions, `Q` pixels, `K` = ci times taps,
`K'` = co times taps:

    output       (co, P) = weights (co, K) @ patches(x) (K, P)
    param_grad   (K, co) = patches(x) (K, P) @ g.T (P, co)
    input_grad   (ci, Q) = turned weights (ci, K') @ patches(g) (K', Q)

`input_grad` is the first line again, on other operands. Output `o` read pixel `i`
through tap `p` where `i = o*s + p`, so pixel `i` collects `g[(i - p) / s] * w[p]`:
slide over `g` with `s - 1` zeros between its neighbours, the taps turned by 180 degrees
(`i - p` falls as `p` rises), input and output channels exchanged.
How much padding that takes is `Geometry.input_grad_padding`.

Patches are cut by slicing, so that an inf or NaN in `x` stays inside the windows that
hold it, and for a few images at a time, so that memory holds the patches of those few
only, at the least of one image with all its groups.
"""

import math

import jax.numpy as jnp
from jax import Array, lax

from jaxconv.conv.geometry import Geometry, Shape
from jaxconv.conv.operands import (
    accumulator,
    accumulator_zeros,
    merge_groups,
    split_groups,
)
from jaxconv.conv.padding import pad_input, zero_pad

_TILE_BYTES = 2**21  # of patches at a time: about a core's second-level cache


def _output(x: Array, w: Array, geometry: Geometry) -> Array:
    """Multiply the filters with the patches of the padded input."""
    xs = split_groups(pad_input(x, geometry), "x", geometry)
    weights = jnp.moveaxis(split_groups(w, "w", geometry), 0, 2)  # groups co ci *kernel
    return merge_groups(_slide(xs, weights, geometry.strides, geometry.out))


def _input_grad(g: Array, w: Array, geometry: Geometry) -> Array:
    """Multiply the turned filters with the patches of the dilated, padded gradient."""
    g = zero_pad(g, geometry.input_grad_padding, geometry.strides)
    gs = split_groups(g, "g", geometry)
    ws = split_groups(w, "w", geometry)
    turned = jnp.flip(ws, axis=range(3, ws.ndim))
    weights = jnp.moveaxis(turned, 1, 0)  # groups ci co *kernel
    strides = (1,) * len(geometry.space)
    return merge_groups(_slide(gs, weights, strides, geometry.space))


def _param_grad(x: Array, g: Array, geometry: Geometry) -> Array:
    """Multiply the patches of the padded input with the output gradient, transposed."""
    xs = split_groups(pad_input(x, geometry), "x", geometry)
    gs = split_groups(g, "g", geometry)
    gs = gs.reshape(*gs.shape[:3], math.prod(geometry.out))  # n groups co positions

    def products(tile):
        x_tile, g_tile = tile
        patches = _patches(x_tile, geometry.kernel, geometry.strides, geometry.out)
        return _matmul(patches, jnp.swapaxes(g_tile, 2, 3)).sum(axis=0)

    tiles, size = _tiles(xs, geometry.taps, geometry.out)
    if tiles == 1:
        total = products((xs, gs))
    else:
        parts = _cut(xs, tiles, size), _cut(gs, tiles, size)
        rows = geometry.ci * geometry.taps
        zero = accumulator_zeros((geometry.groups, rows, geometry.co), x)
        total, _ = lax.scan(lambda t, tile: (t + products(tile), None), zero, parts)
    grad = total.reshape(geometry.groups, geometry.ci, geometry.taps, geometry.co)
    grad = grad.transpose(1, 0, 3, 2)  # ci groups co taps
    return grad.reshape(geometry.w_shape).astype(x.dtype)


def _slide(x: Array, weights: Array, strides: Shape, out: Shape) -> Array:
    """Slide `weights` (groups, co, ci, *kernel) over `x` (n, groups, ci, *padded)."""
    groups, co, ci, *kernel = weights.shape
    matrix = weights.reshape(groups, co, ci * math.prod(kernel))

    def slide(tile):
        patches = _patches(tile, tuple(kernel), strides, out)
        matrices = jnp.broadcast_to(matrix, (tile.shape[0], *matrix.shape))
        return _matmul(matrices, patches).astype(x.dtype)

    tiles, size = _tiles(x, math.prod(kernel), out)
    y = slide(x) if tiles == 1 else lax.map(slide, _cut(x, tiles, size))
    return y.reshape(x.shape[0], groups, co, *out)


def _patches(x: Array, kernel: Shape, strides: Shape, out: Shape) -> Array:
    """Cut (n, groups, c, *padded) into patches (n, groups, c * taps, positions).

    One axis after the other, so that a filter of 31 x 31 takes 62 slices and not 961.
    """
    n, groups, channels, *_ = x.shape
    for at, (k, s, o) in enumerate(zip(kernel, strides, out, strict=True)):
        # n groups channels, taps and outputs of the axes before, then the axes to come
        taps = [
            lax.slice_in_dim(x, p, p + (o - 1) * s + 1, s, axis=3 + 2 * at)
            for p in range(k)
        ]
        x = jnp.stack(taps, axis=3 + at)
    return x.reshape(n, groups, channels * math.prod(kernel), math.prod(out))


def _matmul(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, preferred_element_type=accumulator(a.dtype))


def _tiles(x: Array, taps: int, out: Shape) -> tuple[int, int]:
    """Return how many tiles to cut the batch into, and the images in each.

    The tiles are equal and whole: as many images as divide the batch and stay small.
    """
    n, groups, channels, *_ = x.shape
    image_bytes = groups * channels * taps * math.prod(out) * x.dtype.itemsize
    size = max(1, min(n, _TILE_BYTES // max(1, image_bytes)))
    while n % size:
        size -= 1
    return max(1, n // size), size


def _cut(x: Array, tiles: int, size: int) -> Array:
    return x.reshape(tiles, size, *x.shape[1:])
