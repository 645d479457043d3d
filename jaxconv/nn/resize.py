"""Upsampling: each pixel repeated."""

import itertools
import math
import numbers
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxconv.nn._checks import (
    check_array,
    check_count,
    check_shape,
    described,
    says_what_is_meant,
)
from jaxconv.nn._memory import channels_first, channels_last
from jaxconv.nn.layer import Layer
from jaxconv.nn.window import Window

_FEW_COPIES = 8


@says_what_is_meant(scale_factor="factor", size="factor", scale="factor")
def Upsample(factor: int | Sequence[int]) -> Layer:
    """Repeat each pixel `factor` times along each axis of (channels, *space).

    One number serves all axes. This is nearest-neighbour interpolation; the gradient
    is the sum over the copies.

    Raises:
      ValueError: a factor is not an int of at least 1, or the input has another number
        of axes.
    """
    factors = (factor,) if isinstance(factor, numbers.Integral) else factor
    if not isinstance(factors, Sequence) or not factors or isinstance(factors, str):
        raise ValueError(
            "Upsample: factor must be an int, or one for each axis of space, got "
            f"{described(factor)}."
        )
    for one in factors:
        check_count("Upsample", "factor", one)

    def of_space(space: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
        if not space or len(factors) not in (1, len(space)):
            raise ValueError(
                f"Upsample: the input must be (channels, *space) with an axis for each "
                f"factor, got {len(factors)} of them and {len(space)} axes of space "
                f"in {shape}."
            )
        each = tuple(int(one) for one in factors)
        return each * len(space) if len(each) == 1 else each

    def init(key, input_shape):
        shape = check_shape("Upsample", input_shape)
        each = of_space(shape[1:], shape)
        return (shape[0], *map(math.prod, zip(shape[1:], each, strict=True))), {}

    def apply(params, x, *, key=None):
        check_array("Upsample", x)
        factors = of_space(x.shape[2:], x.shape)
        few = math.prod(factors) <= _FEW_COPIES
        repeat = _spread if few else _broadcast
        return channels_first(repeat(channels_last(x), factors))

    window = Window(1, strides=factor, upsampling=True)
    return Layer(init, apply, "upsample", window=window)


def _spread(x: Array, factors: tuple[int, ...]) -> Array:
    """Add up the copies of (n, *space, channels), each with zeros between its pixels.

    The transpose of this adds up slices, which XLA's CPU does ten times as fast as it
    reduces an array along short axes.
    """
    zero = jnp.zeros((), x.dtype)
    total: Any = None
    for offsets in itertools.product(*map(range, factors)):
        places = [
            (offset, times - 1 - offset, times - 1)
            for offset, times in zip(offsets, factors, strict=True)
        ]
        copy = jax.lax.pad(x, zero, [(0, 0, 0), *places, (0, 0, 0)])
        total = copy if total is None else total + copy
    return total


def _broadcast(x: Array, factors: tuple[int, ...]) -> Array:
    """Repeat axis by axis, for many copies."""
    for axis, times in enumerate(factors, 1):
        shape = list(x.shape)
        copies = jnp.broadcast_to(
            jnp.expand_dims(x, axis + 1),
            (*shape[: axis + 1], times, *shape[axis + 1 :]),
        )
        shape[axis] *= times
        x = copies.reshape(shape)
    return x
