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
With padding and dilations it reads as `Geometry.of_input_grad` derives.

Patches are cut by slicing, so that an inf or NaN in `x` stays inside the windows that
hold it, and for a few images at a time, so that memory holds the patches of those few
only, at the least of one image with all its groups.
"""

import math

import jax.numpy as jnp
from jax import Array, lax
from jax.export import is_symbolic_dim
from jax.lax import Precision

from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.patches import cut_patches
from jaxconv.conv.methods.rounding import of_sum
from jaxconv.conv.operands import (
    accumulator,
    accumulator_zeros,
    largest_divisor,
    split_groups,
    turned,
)
from jaxconv.conv.padding import pad_input

_rounding = of_sum

_TILE_BYTES = 2**21  # of patches at a time: about a core's second-level cache
_SUM_TILE_BYTES = 2**22  # where each tile's product is added to a sum


def _output(
    x: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Multiply the filters with the patches of the padded input."""
    xs = split_groups(pad_input(x, geometry), "x", geometry)
    weights = jnp.moveaxis(split_groups(w, "w", geometry), 0, 2)  # groups co ci *kernel
    matrix = weights.reshape(*weights.shape[:2], geometry.ci * geometry.taps)

    def slide(tile):
        patches = cut_patches(tile, geometry)
        matrices = jnp.broadcast_to(matrix, (tile.shape[0], *matrix.shape))
        return _matmul(matrices, patches, precision).astype(x.dtype)

    tiles, size = _tiles(geometry, x.dtype.itemsize, _TILE_BYTES)
    y = slide(xs) if tiles == 1 else lax.map(slide, _cut(xs, tiles, size))
    return y.reshape(geometry.out_shape)


def _input_grad(
    g: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Multiply the turned filters with the patches of the dilated, padded gradient."""
    return _output(g, turned(w, geometry), geometry.of_input_grad, precision)


def _param_grad(
    x: Array, g: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Multiply the patches of the padded input with the output gradient, transposed."""
    xs = split_groups(pad_input(x, geometry), "x", geometry)
    gs = split_groups(g, "g", geometry)
    rows = geometry.ci * geometry.taps

    def products(tile):
        x_tile, g_tile = (jnp.moveaxis(part, 0, 2) for part in tile)  # groups, c, n
        images = geometry.once_padded.with_axis(0, x_tile.shape[2])
        patches = cut_patches(x_tile[None], images)
        grads = g_tile.reshape(geometry.groups, geometry.co, -1)
        return _matmul(patches[0], jnp.swapaxes(grads, 1, 2), precision)

    most = max(_SUM_TILE_BYTES, 6 * math.prod(geometry.w_shape) * x.dtype.itemsize)
    tiles, size = _tiles(geometry, x.dtype.itemsize, most)
    if tiles == 1:
        total = products((xs, gs))
    else:
        parts = _cut(xs, tiles, size), _cut(gs, tiles, size)
        zero = accumulator_zeros((geometry.groups, rows, geometry.co), x)
        total, _ = lax.scan(lambda t, tile: (t + products(tile), None), zero, parts)
    grad = total.reshape(geometry.groups, geometry.ci, geometry.taps, geometry.co)
    grad = grad.transpose(1, 0, 3, 2)  # ci groups co taps
    return grad.reshape(geometry.w_shape).astype(x.dtype)


def _matmul(a: Array, b: Array, precision: Precision | None) -> Array:
    acc = accumulator(a.dtype)
    return jnp.matmul(a, b, precision=precision, preferred_element_type=acc)


def _tiles(geometry: Geometry, itemsize: int, most: int) -> tuple[int, int]:
    """Return how many tiles to cut the batch into, and the images in each.

    The tiles are equal and whole: as many images as divide the batch and whose patches
    take at most `most` bytes, but at least one; of a batch of unknown size, one.
    """
    n, channels, *_ = geometry.x_shape
    if is_symbolic_dim(n):
        return geometry.n, 1
    most = min(most, geometry.memory_limit or most)
    image_bytes = channels * geometry.taps * math.prod(geometry.out) * itemsize
    size = largest_divisor(n, most // max(1, image_bytes))
    return n // size, size


def _cut(x: Array, tiles: int, size: int) -> Array:
    return x.reshape(tiles, size, *x.shape[1:])
