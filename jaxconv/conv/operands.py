"""The three operands of the trilinear form `sum(g * conv(x, w))`, and their axes."""

import math
from collections.abc import Set
from typing import Literal

import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxconv.conv.geometry import Geometry, Shape

Operand = Literal["x", "w", "g"]

# For each map its first operand, its second, and its result.
OPERANDS: dict[str, tuple[Operand, Operand, Operand]] = {
    "output": ("x", "w", "g"),
    "input_grad": ("g", "w", "x"),
    "param_grad": ("x", "g", "w"),
}

# The leading axes of each operand once its channel axis is split into groups. Each of
# n, ci and co belongs to two operands, and groups to all three.
LEADING: dict[Operand, tuple[str, str, str]] = {
    "x": ("n", "groups", "ci"),
    "w": ("ci", "groups", "co"),
    "g": ("n", "groups", "co"),
}


def split_groups(array: Array, operand: Operand, geometry: Geometry) -> Array:
    """Split axis 1 into groups and channels: `LEADING[operand]`, then the rest."""
    sizes = (getattr(geometry, axis) for axis in LEADING[operand])
    return array.reshape(*sizes, *array.shape[2:])


def split_stored(array: Array, operand: Operand, geometry: Geometry) -> Array:
    """Split `x` or `g` as `split_groups`, but keep the axes as they lie in memory.

    Returns (n, groups, channels, *space), or for a channels-last geometry
    (n, *space, groups, channels).
    """
    if not geometry.channels_last:
        return split_groups(array, operand, geometry)
    sizes = (getattr(geometry, axis) for axis in LEADING[operand][1:])
    last = jnp.moveaxis(array, 1, -1)
    return last.reshape(*last.shape[:-1], *sizes)


def turned(w: Array, geometry: Geometry) -> Array:
    """Return the filters turned by 180 degrees, as (co, groups * ci, *kernel)."""
    if geometry.groups == 1:
        return jnp.flip(jnp.swapaxes(w, 0, 1), range(2, w.ndim))
    ws = jnp.flip(split_groups(w, "w", geometry), axis=range(3, w.ndim + 1))
    return merge_groups(jnp.swapaxes(ws, 0, 2))


def batch_as_channels(x: Array, geometry: Geometry) -> Array:
    """Return the input with batch and channels exchanged: (ci, groups * n, *space)."""
    return merge_groups(jnp.swapaxes(split_groups(x, "x", geometry), 0, 2))


def merge_groups(array: Array) -> Array:
    """Undo `split_groups`."""
    first, groups, channels, *rest = array.shape
    return array.reshape(first, groups * channels, *rest)


def accumulator(dtype: DTypeLike) -> DTypeLike:
    """Return the type to accumulate in: float32 for shorter floats, else `dtype`."""
    short = jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32
    return jnp.float32 if short else dtype


def accumulator_zeros(shape: Shape, like: Array) -> Array:
    """Return zeros to accumulate in, varying over the same mesh axes as `like`."""
    return jnp.zeros_like(like, accumulator(like.dtype), shape)


def shape_of(operand: Operand, geometry: Geometry) -> Shape:
    """Return the shape of an operand."""
    shapes = {"x": geometry.x_shape, "w": geometry.w_shape, "g": geometry.out_shape}
    return shapes[operand]


def shared_axis(operands: Set[Operand]) -> str:
    """Return the axis into which a further axis, common to `operands`, can be folded.

    >>> shared_axis({"x", "g"}), shared_axis({"w", "g"}), shared_axis({"x", "w", "g"})
    ('n', 'co', 'groups')
    """
    if len(operands) == 3:
        return "groups"
    first, second = operands
    return next(
        axis for axis in LEADING[first] if axis in set(LEADING[second]) - {"groups"}
    )


def fold(array: Array, operand: Operand, axis: str, geometry: Geometry) -> Array:
    """Merge the first axis of `array`, an extra one, into `axis` of the operand."""
    sizes = [getattr(geometry, name) for name in LEADING[operand]]
    at = LEADING[operand].index(axis)
    extra, _, _, *rest = array.shape
    array = jnp.moveaxis(array.reshape(extra, *sizes, *rest), 0, at)
    sizes[at] *= extra
    return merge_groups(array.reshape(*sizes, *rest))


def unfold(
    array: Array, operand: Operand, axis: str, geometry: Geometry, extra: int
) -> Array:
    """Undo `fold`: take the extra axis of size `extra` out again, to the front."""
    _, _, *rest = array.shape
    sizes = [getattr(geometry, name) for name in LEADING[operand]]
    at = LEADING[operand].index(axis)
    sizes.insert(at, extra)
    array = jnp.moveaxis(array.reshape(*sizes, *rest), at, 0)
    return array.reshape(extra, *shape_of(operand, geometry))


def largest_divisor(number: int, most: int) -> int:
    """Return the largest divisor up to `most`, at least 1."""
    return max(d for d in divisors(number) if d <= max(1, most))


def divisors(number: int) -> list[int]:
    """Return the divisors of a number, in order."""
    small = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)})
