"""The methods `winograd` and `winograd4`: fewer products for filters of three taps.

F(m, 3) computes m neighbouring outputs along an axis from m + 2 pixels by m + 2
products, where the plain sums take 3 m: with x a tile of pixels, w the filter and `*`
element by element,

    y = A^T [ (G w) * (B^T x) ]

For two axes each transform is applied along one after the other; `winograd` is F(2, 3)
along every axis, `winograd4` F(4, 3). Summed over input channels, and for all tiles at
once, the products are m + 2 (squared) products of matrices.

The form `g . y` is linear in x, w and g, so its derivatives are the same three
transforms, transposed:

    param_grad   G^T [ (A g) * (B^T x) ]       summed over images and tiles
    input_grad   output(g, turned w)           a filter of three taps again

Each output is a difference of larger numbers: `_rounding` says how much is lost.
Source: Lavin and Gray (2015), "Fast algorithms for convolutional neural networks",
arXiv:1509.09308, sections 4.1 and 4.2, with the matrices given there.
"""

import dataclasses
import functools
import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.lax import Precision
from jax.typing import DTypeLike

from jaxconv.conv.geometry import Geometry, Shape
from jaxconv.conv.methods.rounding import Rounding, of_norms
from jaxconv.conv.operands import accumulator, merge_groups, split_groups, turned
from jaxconv.conv.padding import pad_input, zero_pad

_TAPS = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Winograd:
    """F(m, 3) along every axis: the three maps, as every method has them."""

    bt: np.ndarray  # (m + 2, m + 2) for the pixels
    g: np.ndarray  # (m + 2, 3) for the filter
    at: np.ndarray  # (m, m + 2) for the products

    def _refusal(self, geometry: Geometry, dtype: DTypeLike) -> str | None:
        """Return why this method cannot compute a convolution; None if it can."""
        if not jnp.issubdtype(dtype, jnp.inexact):
            return f"it needs floating-point or complex numbers, not {jnp.dtype(dtype)}"
        steps = geometry.strides + geometry.input_dilation + geometry.kernel_dilation
        if not geometry.kernel or {*geometry.kernel} != {_TAPS} or {*steps} != {1}:
            return "it needs three taps along every axis, strides and dilations of 1"
        return None

    def _rounding(
        self, map_name: str, geometry: Geometry, dtype: DTypeLike
    ) -> Rounding:
        """Bound each term by Cauchy and Schwarz, and count the roundings on its way.

        A pixel lies in two tiles along each axis.
        """
        if map_name == "input_grad":
            return self._rounding("output", geometry.of_input_grad, dtype)
        before, after, terms, tiles = self.g, self.at, geometry.ci, 1.0
        if map_name == "param_grad":
            before, after, tiles = self.at.T, self.g.T, math.sqrt(2)
            terms = geometry.n * math.prod(_tiles(geometry, len(self.at)))
        sizes = np.linalg.norm(self.bt, axis=1) * np.linalg.norm(before, axis=1)
        growth = float(np.max(np.abs(after) @ sizes)) * tiles
        axes = len(geometry.space)
        matrices = self.bt, before, after
        once = sum(int(np.count_nonzero(m, axis=1).max()) + 1 for m in matrices)
        return of_norms(growth**axes * (terms + axes * once), dtype)

    def _output(
        self, x: Array, w: Array, geometry: Geometry, precision: Precision | None = None
    ) -> Array:
        """Transform tiles and filters, multiply, transform back."""
        m, tiles = len(self.at), _tiles(geometry, len(self.at))
        pixels = self._of_pixels(x, geometry)
        ws = split_groups(w, "w", geometry).astype(pixels.dtype)
        filters = _transform(self.g, ws, 1, (1,) * len(tiles))
        products = jnp.einsum(
            "kngit,kigo->kngot",
            pixels,
            filters.reshape(*filters.shape[:-1]),
            precision=precision,
        )
        y = products.reshape(*(m + 2,) * len(tiles), *products.shape[1:4], *tiles)
        for axis in reversed(range(len(tiles))):
            # Leading: the transformed axes still to come; then n, groups, co, tiles.
            parts = _combine(self.at, list(jnp.moveaxis(y, axis, 0)))
            at = axis + 3 + axis
            y = jnp.stack(parts, at + 1)
            y = y.reshape(*y.shape[:at], tiles[axis] * m, *y.shape[at + 2 :])
        y = y[..., *map(slice, geometry.out)]
        return merge_groups(y).astype(x.dtype)

    def _input_grad(
        self, g: Array, w: Array, geometry: Geometry, precision: Precision | None = None
    ) -> Array:
        """Convolve the gradient with the turned filters."""
        return self._output(g, turned(w, geometry), geometry.of_input_grad, precision)

    def _param_grad(
        self, x: Array, g: Array, geometry: Geometry, precision: Precision | None = None
    ) -> Array:
        """Transform the gradient as its products were, multiply, transform back."""
        m, tiles = len(self.at), _tiles(geometry, len(self.at))
        pixels = self._of_pixels(x, geometry)
        whole = zip(tiles, geometry.out, strict=True)
        wide = zero_pad(g, tuple((0, count * m - size) for count, size in whole))
        gs = split_groups(wide, "g", geometry).astype(pixels.dtype)
        products = jnp.einsum(
            "kngit,kngot->kigo",
            pixels,
            _transform(self.at.T, gs, m, tiles),
            precision=precision,
        )
        grad = products.reshape(*(m + 2,) * len(tiles), *products.shape[1:])
        for axis in reversed(range(len(tiles))):
            parts = _combine(self.g.T, list(jnp.moveaxis(grad, axis, 0)))
            grad = jnp.stack(parts, axis + 3)
        return merge_groups(grad).astype(x.dtype)

    def _of_pixels(self, x: Array, geometry: Geometry) -> Array:
        """Cut the padded input into tiles that overlap by two, and transform them."""
        m, tiles = len(self.at), _tiles(geometry, len(self.at))
        whole = zip(tiles, geometry.padded, strict=True)
        high = tuple((0, count * m + 2 - size) for count, size in whole)
        wide = zero_pad(pad_input(x, geometry), high)
        xs = split_groups(wide, "x", geometry).astype(accumulator(x.dtype))
        return _transform(self.bt, xs, m, tiles)


def _tiles(geometry: Geometry, m: int) -> Shape:
    """Return how many tiles of m outputs there are along each axis."""
    return tuple(-(-size // m) for size in geometry.out)


def _transform(matrix: np.ndarray, array: Array, step: int, tiles: Shape) -> Array:
    """Transform every tile of the spatial axes, each of which begins `step` further on.

    Returns:
      (entries, *the first three axes, tiles), all spatial axes' entries and tiles in
      one axis each, in order.
    """
    for axis, count in enumerate(tiles):
        # In front: the entries of the axes before; then three axes, then space.
        at = axis + 3 + axis
        parts = [
            lax.slice_in_dim(array, k, k + (count - 1) * step + 1, step, at)
            for k in range(matrix.shape[1])
        ]
        array = jnp.stack(_combine(matrix, parts), axis)
    entries, axes = len(matrix) ** len(tiles), len(tiles)
    return array.reshape(entries, *array.shape[axes : axes + 3], math.prod(tiles))


def _combine(matrix: np.ndarray, parts: list[Array]) -> list[Array]:
    """Multiply a matrix with a column of arrays."""
    return [
        functools.reduce(
            jnp.add,
            (
                part if factor == 1 else part * float(factor)
                for factor, part in zip(row, parts, strict=True)
                if factor != 0
            ),
        )
        for row in matrix
    ]


F2 = Winograd(
    bt=np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]),
    g=np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]) / 2,
    at=np.array([[1, 1, 1, 0], [0, 1, -1, -1]]),
)
F4 = Winograd(
    bt=np.array(
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ]
    ),
    g=np.array(
        [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]
    )
    / 24,
    at=np.array(
        [
            [1, 1, 1, 1, 1, 0],
            [0, 1, -1, 2, -2, 0],
            [0, 1, 1, 4, 4, 0],
            [0, 1, -1, 8, -8, 1],
        ]
    ),
)
