"""The fully connected layer, and the layer that makes images vectors of features."""

import math

import jax
import jax.numpy as jnp
from jax import Array

from jaxconv.nn._checks import (
    check_array,
    check_count,
    check_shape,
    get_param,
    says_what_is_meant,
)
from jaxconv.nn.activations import Activation, as_layer
from jaxconv.nn.dropout import Dropout
from jaxconv.nn.initializers import WeightInit, initializer_of
from jaxconv.nn.layer import Layer, followed_by
from jaxconv.nn.window import WHOLE_IMAGE

_FEW_COLUMNS = 32


@says_what_is_meant(
    units="neurons",
    features="neurons",
    out_features="neurons",
    kernel_init="weight_init",
    kernel_initializer="weight_init",
    w_init="weight_init",
    in_features="init(key, input_shape=(in_features,))",
)
def Dense(
    neurons: int,
    *,
    activation: Activation | None = None,
    dropout: float = 1.0,
    weight_init: WeightInit = "glorot",
) -> Layer:
    """Connect every feature to every neuron: `x @ weights + bias`.

    `neurons` is the number of outputs; the other arguments are those of `Conv`. An
    initializer is called with (features, neurons), JAX's order and ours.

    Returns:
      A layer with params `weights` (features, neurons) and `bias` (neurons,).

    Raises:
      ValueError: a setting is out of range, or the input is not a vector of `features`.
    """
    check_count("Dense", "neurons", neurons)
    initializer = initializer_of("Dense", weight_init)

    def init(key, input_shape):
        if len(input_shape) != 1 or input_shape[0] < 1:
            raise ValueError(
                "Dense: input_shape must be (features,), without the batch, got "
                f"{tuple(input_shape)}. Put Flatten() before it, or flatten=True into "
                "the layer before."
            )
        weights = initializer(key, (*input_shape, neurons))
        bias = jnp.zeros((neurons,), jnp.float32)
        return (neurons,), {"weights": weights, "bias": bias}

    def apply(params, x, *, key=None):
        check_array("Dense", x)
        weights = get_param("Dense", params, "weights")
        if x.ndim != 2 or x.shape[1] != weights.shape[0]:
            raise ValueError(
                f"Dense: x must be (batch, {weights.shape[0]} features), got "
                f"{x.shape}. Was the layer initialised for this input shape?"
            )
        return _product(x, weights) + get_param("Dense", params, "bias")[None]

    dense = Layer(init, apply, "dense", window=WHOLE_IMAGE)
    return followed_by("Dense", dense, as_layer("Dense", activation), Dropout(dropout))


def _product(x: Array, weights: Array) -> Array:
    """Return `x @ weights`.

    XLA's CPU is slow at products with few columns, and the gradient of a product with
    few columns is one too. Transposed weights give it few rows instead; the barrier
    keeps XLA from undoing the transposition.
    """
    if weights.shape[1] >= _FEW_COLUMNS:
        return x @ weights
    return x @ jax.lax.optimization_barrier(weights.T).T


def Flatten() -> Layer:
    """Turn (channels, height, width) into one vector of features, pixel by pixel.

    The channels of a pixel are neighbours, as in Flax and Keras: on CPUs convolutions
    store their results in this order, so nothing is moved.
    """

    def init(key, input_shape):
        return (math.prod(check_shape("Flatten", input_shape)),), {}

    def apply(params, x, *, key=None):
        check_array("Flatten", x)
        if not x.ndim:
            raise ValueError("Flatten: x must have a batch axis, got a scalar.")
        pixels = jnp.moveaxis(x, 1, -1) if x.ndim > 2 else x
        return pixels.reshape(x.shape[0], math.prod(x.shape[1:]))

    return Layer(init, apply, "flatten")
