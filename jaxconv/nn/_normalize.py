"""What the normalising layers share: their formula, their params, their checks.

Each computes, with the mean and the variance over some axes,

    y = (x - mean) / sqrt(variance + epsilon) * scale + shift

where `scale` and `shift` have a number for every channel. Half precision is computed in
float32, and `y` has the type of `x`.
"""

import numbers
import sys

import jax
import jax.numpy as jnp
from jax import Array

from jaxconv.nn._checks import (
    check_array,
    check_params,
    check_shape,
    described,
    get_param,
)
from jaxconv.nn._memory import channels_first, of_channels
from jaxconv.nn.layer import Params, Shape


def normalize(
    caller: str,
    params: Params,
    x: Array,
    deviations: Array,
    variance: Array,
    epsilon: float,
) -> Array:
    """Return `y`, given the deviations `x - mean` and the variance.

    Both are channels-last. `variance` has one value a channel, or one a pixel. A factor
    a channel is multiplied by the scale first, since both are small, and a factor a
    pixel by the deviations first: the other order makes XLA's gradient three times as
    slow.
    """

    def given(name: str) -> Array:
        values = param(caller, params, name, x).astype(deviations.dtype)
        return of_channels(values, x.ndim)

    factor = jax.lax.rsqrt(variance.astype(deviations.dtype) + epsilon)
    if factor.ndim == 1:
        factor = of_channels(factor, x.ndim)
    scale = given("scale") if "scale" in params else 1.0
    if factor.shape[-1] == 1:
        y = deviations * factor * scale
    else:
        y = deviations * (factor * scale)
    if "shift" in params:
        y = y + given("shift")
    return channels_first(y.astype(x.dtype))


def wide(x: Array) -> Array:
    """Convert `x` to the type that is computed in: at least float32."""
    return x if x.dtype == jnp.float64 else x.astype(jnp.float32)


def init_affine(channels: int, scale: bool, shift: bool) -> Params:
    """Return the first params: scales of 1 and shifts of 0, where they are learned."""
    params = {}
    if scale:
        params["scale"] = jnp.ones((channels,), jnp.float32)
    if shift:
        params["shift"] = jnp.zeros((channels,), jnp.float32)
    return params


def check_observation(caller: str, input_shape: object) -> Shape:
    """Return the shape of one observation, if it has channels."""
    shape = check_shape(caller, input_shape)
    if not shape or not all(isinstance(size, int) and size > 0 for size in shape):
        raise ValueError(
            f"{caller}: input_shape must be (channels, *space) or (features,), without "
            f"the batch, each at least 1, got {shape}."
        )
    return shape


def check_input(caller: str, params: Params, x: Array) -> None:
    """Raise unless `params` is a dict and `x` has channels of floating point."""
    check_params(caller, params)
    check_array(caller, x)
    if x.ndim < 2:
        raise ValueError(
            f"{caller}: x must be (batch, channels, *space) or (batch, features), got "
            f"{x.shape}. Write x[None] for one observation."
        )
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(
            f"{caller}: x must be of floating-point numbers, got {x.dtype}. Write "
            "x.astype('float32')."
        )


def param(caller: str, params: Params, name: str, x: Array) -> Array:
    """Return the param of that name, which has a number for each channel of `x`."""
    values = get_param(caller, params, name)
    if values.shape != x.shape[1:2]:
        raise ValueError(
            f"{caller}: x has {x.shape[1]} channels (axis 1 of {x.shape}) but {name} "
            f"is of {values.shape}. Is x channels-last? Move its last axis to 1. Or "
            "was the layer initialised for another input shape?"
        )
    return values


def check_epsilon(caller: str, epsilon: object) -> None:
    """Raise ValueError unless `epsilon` is a number above 0."""
    check_positive(caller, "epsilon", epsilon)


def check_positive(caller: str, name: str, value: object) -> None:
    """Raise ValueError unless `value` is a finite number above 0."""
    _check_number(caller, name, value, sys.float_info.max)


def check_fraction(caller: str, name: str, value: object) -> None:
    """Raise ValueError unless `value` is a number in (0, 1]."""
    _check_number(caller, name, value, 1.0)


def _check_number(caller: str, name: str, value: object, most: float) -> None:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 < value <= most:  # type: ignore[operator]
        above = "a number above 0" + (f", at most {most:g}" if most == 1 else "")
        raise ValueError(f"{caller}: {name} must be {above}, got {described(value)}.")
