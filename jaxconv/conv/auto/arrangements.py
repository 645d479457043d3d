"""Compute a map by other maps that run faster, and put their results together.

On the CPU XLA's convolution divides one row of one image at a time among the cores, is
fastest where its second operand fits a cache, and is slow for groups and for three
spatial axes. Each function here takes `run(a, b, geometry)`, which computes a part, and
makes the whole map of the parts.
"""

import dataclasses
import functools
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike

from jaxconv.conv.auto import numbers, phases
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.operands import (
    Operand,
    accumulator_zeros,
    largest_divisor,
    merge_groups,
    split_groups,
    split_stored,
)
from jaxconv.conv.padding import zero_pad

Run = phases.Run


def in_float32(run: Run, a: Array, b: Array, geometry: Geometry) -> Array:
    """Compute a map of short floats in float32, and round its result once."""
    return run(a.astype(jnp.float32), b.astype(jnp.float32), geometry).astype(a.dtype)


def by_groups(run: Run, x: Array, w: Array, geometry: Geometry) -> Array:
    """Convolve each group apart."""
    single = one_group(geometry)
    pairs = zip(_groups(x, "x", geometry), _groups(w, "w", geometry), strict=True)
    parts = [run(x, w, single) for x, w in pairs]
    if not geometry.channels_last:
        return merge_groups(jnp.stack(parts, axis=1))
    y = jnp.stack([jnp.moveaxis(part, 1, -1) for part in parts], axis=-2)
    return jnp.moveaxis(y.reshape(*y.shape[:-2], -1), -1, 1)


def param_grad_by_groups(run: Run, x: Array, g: Array, geometry: Geometry) -> Array:
    """Compute the filter gradient of each group apart."""
    single = one_group(geometry)
    pairs = zip(_groups(x, "x", geometry), _groups(g, "g", geometry), strict=True)
    return merge_groups(jnp.stack([run(x, g, single) for x, g in pairs], axis=1))


def one_group(geometry: Geometry) -> Geometry:
    """Return the convolution of one group."""
    return dataclasses.replace(geometry, groups=1)


def _groups(array: Array, operand: Operand, geometry: Geometry) -> list[Array]:
    """Cut an operand into groups, `x` and `g` as they lie in memory."""
    if operand == "w" or not geometry.channels_last:
        split = split_groups(array, operand, geometry)
        return [split[:, i] for i in range(geometry.groups)]
    split = split_stored(array, operand, geometry)
    return [jnp.moveaxis(split[..., i, :], -1, 1) for i in range(geometry.groups)]


def part(geometry: Geometry, itemsize: int) -> Geometry:
    """Return one of the equal parts of a filter gradient whose `g` fits a cache.

    It has some images, or some rows of one.
    """
    n, *image = geometry.out_shape
    image_bytes = max(1, math.prod(image) * itemsize)
    if n * image_bytes <= numbers.WHOLE_GRADIENT_BYTES:
        return geometry
    if image_bytes <= numbers.PART_GRADIENT_BYTES or geometry.out[0] == 1:
        images = largest_divisor(n, numbers.PART_GRADIENT_BYTES // image_bytes)
        return dataclasses.replace(geometry, n=images)
    row_bytes = image_bytes // geometry.out[0]
    rows = largest_divisor(geometry.out[0], numbers.PART_GRADIENT_BYTES // row_bytes)
    return dataclasses.replace(geometry, n=1).of_rows(rows)


def in_parts(run: Run, x: Array, g: Array, geometry: Geometry) -> Array:
    """Add up the filter gradients of parts of the batch, many of them in a loop."""
    one = part(geometry, x.dtype.itemsize)
    trips = geometry.n // one.n, geometry.out[0] // one.out[0]
    # In a loop XLA stores what is cut in the order of its axes.
    here, back = (1, -1) if geometry.channels_last else (0, 0)
    xs, gs = (jnp.moveaxis(array, here, back) for array in (x, g))
    at = 1 if geometry.channels_last else 2

    def cut(array: Array, image: Any, row: Any, rows: int) -> Array:
        array = lax.dynamic_slice_in_dim(array, image * one.n, one.n)
        return lax.dynamic_slice_in_dim(array, row, rows, at)

    def run_part(x: Array, g: Array) -> Array:
        x, g = (jnp.moveaxis(array, back, here) for array in (x, g))
        return run(x, g, one)

    def add_images(i, total):
        if trips[1] == 1:
            parts = (cut(array, i, 0, array.shape[at]) for array in (xs, gs))
            return total + run_part(*parts)
        behind = x.ndim - at - 1
        pads = (geometry.padding[0], *((0, 0),) * behind)
        dilation = (geometry.input_dilation[0], *(1,) * behind)
        wide = zero_pad(cut(xs, i, 0, xs.shape[at]), pads, dilation)

        def add_rows(r, total):
            row = r * one.out[0]
            x_rows = cut(wide, 0, row * geometry.strides[0], one.space[0])
            return total + run_part(x_rows, cut(gs, i, row, one.out[0]))

        return lax.fori_loop(0, trips[1], add_rows, total)

    total = accumulator_zeros(geometry.w_shape, x)
    if trips[0] > numbers.MOST_UNROLLED_PARTS:
        return lax.fori_loop(0, trips[0], add_images, total)
    for i in range(trips[0]):
        total = add_images(i, total)
    return total


def by_planes(run: Run, x: Array, w: Array, geometry: Geometry) -> Array:
    """Add up, for each tap along the first axis, the convolutions along the others."""
    one, read = plane(geometry), _read_planes(x, geometry)
    parts = (run(planes, w[:, :, p], one) for p, planes in enumerate(read))
    y = functools.reduce(operator.add, parts)
    if geometry.channels_last:
        y = jnp.moveaxis(y, 1, -1).reshape(geometry.n, *geometry.out, -1)
        return jnp.moveaxis(y, -1, 1)
    return jnp.moveaxis(y.reshape(geometry.n, -1, *one.out_shape[1:]), 1, 2)


def param_grad_by_planes(run: Run, x: Array, g: Array, geometry: Geometry) -> Array:
    """Collect for each tap along the first axis the filter gradient of the others."""
    one, read = plane(geometry), _read_planes(x, geometry)
    gs = _as_batch(g, one.n, geometry)
    return jnp.stack([run(planes, gs, one) for planes in read], axis=2)


def _as_batch(array: Array, n: int, geometry: Geometry) -> Array:
    """Make the first spatial axis a part of the batch, channels where they lie."""
    if geometry.channels_last:
        last = jnp.moveaxis(array, 1, -1)
        return jnp.moveaxis(last.reshape(n, *last.shape[2:]), -1, 1)
    moved = jnp.moveaxis(array, 2, 1)
    return moved.reshape(n, *moved.shape[2:])


def plane(geometry: Geometry) -> Geometry:
    """Return the convolution along all axes but the first.

    The outputs along the first are part of its batch.
    """
    return dataclasses.replace(
        geometry,
        n=geometry.n * geometry.out[0],
        space=geometry.space[1:],
        kernel=geometry.kernel[1:],
        strides=geometry.strides[1:],
        padding=geometry.padding[1:],
        input_dilation=geometry.input_dilation[1:],
        kernel_dilation=geometry.kernel_dilation[1:],
    )


def _read_planes(x: Array, geometry: Geometry) -> list[Array]:
    """Return for each tap along the first axis what it reads."""
    ones, stride = (1,) * (len(geometry.space) - 1), geometry.strides[0]
    pads = (geometry.padding[0], *((0, 0) for _ in ones))
    wide = zero_pad(x, pads, (geometry.input_dilation[0], *ones))
    length = (geometry.out[0] - 1) * stride + 1
    starts = (p * geometry.kernel_dilation[0] for p in range(geometry.kernel[0]))
    n = plane(geometry).n
    return [
        _as_batch(wide[:, :, start : start + length : stride], n, geometry)
        for start in starts
    ]


class Arrangement(NamedTuple):
    """A way to compute a map by other maps, its parts."""

    words: str  # for `explain`
    parts: Callable[[Geometry], list[Geometry]]  # whose plans are looked up
    count: Callable[[Geometry], int]  # of all parts; equal ones are planned once
    output: Callable[..., Array] | None = None
    param_grad: Callable[..., Array] | None = None
    dtype: DTypeLike | None = None  # that the parts are computed in, if another


ARRANGEMENTS: dict[str, Arrangement] = {
    "float32": Arrangement(
        "in float32",
        lambda geometry: [geometry],
        lambda _: 1,
        in_float32,
        in_float32,
        dtype=jnp.float32,
    ),
    "groups": Arrangement(
        "by groups",
        lambda geometry: [one_group(geometry)],
        lambda geometry: geometry.groups,
        by_groups,
        param_grad_by_groups,
    ),
    "parts": Arrangement(
        "by parts of the batch",
        lambda geometry: [part(geometry, 4)],
        lambda geometry: geometry.flops // part(geometry, 4).flops,
        param_grad=in_parts,
    ),
    "phases": Arrangement(
        "by phases",
        lambda geometry: [block.geometry for block in phases.blocks(geometry)],
        lambda geometry: len(phases.blocks(geometry)),
        phases.output,
        phases.param_grad,
    ),
    "planes": Arrangement(
        "by planes",
        lambda geometry: [plane(geometry)],
        lambda geometry: geometry.kernel[0],
        by_planes,
        param_grad_by_planes,
    ),
}
