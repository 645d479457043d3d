"""The layers that learn, convolution and dense, and the one between them, flatten."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn.initializers import Initializer

from jaxconv.conv.api import Padding, conv
from jaxconv.conv.methods import Method
from jaxconv.nn._checks import (
    check_array,
    check_count,
    check_shape,
    described,
    says_what_is_meant,
)
from jaxconv.nn.activations import Activation, as_layer
from jaxconv.nn.dropout import Dropout
from jaxconv.nn.layer import Layer, Params, followed_by

WeightInit = Literal["standard", "glorot"] | Initializer

_FEW_COLUMNS = 32
_IMAGE_HINTS = {  # by the number of axes
    1: " Are the images flat? A convolution needs their rows.",
    2: " Put the number of channels first: 1 for grey images.",
    4: " Leave out the first axis, the batch.",
}


@says_what_is_meant(
    filters="out_channels",
    features="out_channels",
    kernel_size="param_size",
    stride="strides",
    pad="padding",
    use_bias="bias",
    feature_group_count="groups",
    kernel_init="weight_init",
    kernel_initializer="weight_init",
)
def Conv2D(
    out_channels: int,
    param_size: int | Sequence[int],
    *,
    activation: Activation | None = None,
    dropout: float = 1.0,
    weight_init: WeightInit = "glorot",
    flatten: bool = False,
    bias: bool = False,
    strides: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    groups: int = 1,
    method: Method = "auto",
) -> Layer:
    """Convolve (channels, height, width) images with `out_channels` learned filters.

    Args:
      out_channels: the number of feature maps.
      param_size: the filters' height and width in pixels; one number for both.
      activation: what follows, such as `Tanh()` or `jax.nn.relu`; None for linear.
      dropout: the probability of KEEPING a unit: 0.8 keeps four in five.
      weight_init: "glorot" (truncated normal, variance 2 / (fan in + fan out)),
        "standard" (normal, variance 1), or an initializer of `jax.nn.initializers`.
      flatten: whether the output is one vector of features, as `Dense` takes it.
      bias: whether to add a number to each map; the chapter's layer has none.
      strides: as for `jaxconv.conv`.
      padding: as for `jaxconv.conv`.
      groups: as for `jaxconv.conv`.
      method: as for `jaxconv.conv`.

    Returns:
      A layer with params `filters` (in // groups, out, height, width) and, with `bias`,
      `bias` (out,).

    Raises:
      ValueError: a setting is out of range, or the input is not (channels, height,
        width); the latter from `init`, or from `apply` through `jaxconv.conv`.

    Source: the layer of the chapter (see `jaxconv.chapter`); the variance is that of X.
    Glorot and Y. Bengio (2010), equation 12.
    """
    check_count("Conv2D", "out_channels", out_channels)
    check_count("Conv2D", "groups", groups)
    if isinstance(param_size, Sequence):
        kernel = tuple(param_size)
    else:
        kernel = (param_size,) * 2
    if len(kernel) != 2:
        raise ValueError(
            "Conv2D: param_size must be the filters' height and width, or one number "
            f"for both, got {param_size!r}."
        )
    for size in kernel:
        check_count("Conv2D", "param_size", size)
    initializer = _initializer("Conv2D", weight_init)

    def convolve(x: Array, filters: Array) -> Array:
        return conv(
            x, filters, strides=strides, padding=padding, groups=groups, method=method
        )

    def init(key, input_shape):
        if len(input_shape) != 3 or input_shape[0] < 1:
            raise ValueError(
                "Conv2D: input_shape must be (channels, height, width), without the "
                f"batch, with at least one channel, got {input_shape}."
                f"{_IMAGE_HINTS.get(len(input_shape), '')}"
            )
        if input_shape[0] % groups:
            raise ValueError(
                f"Conv2D: groups must divide the input channels, got {groups} groups "
                f"and {input_shape[0]} channels (axis 0 of {tuple(input_shape)})."
            )
        filters_shape = (input_shape[0] // groups, out_channels, *kernel)
        params = {"filters": initializer(key, filters_shape)}
        if bias:
            params["bias"] = jnp.zeros((out_channels,), jnp.float32)
        image = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
        return jax.eval_shape(convolve, image, params["filters"]).shape[1:], params

    def apply(params, x, *, key=None):
        y = convolve(x, _param("Conv2D", params, "filters"))
        if bias:
            y = y + _param("Conv2D", params, "bias")[None, :, None, None]
        return y

    after = [as_layer("Conv2D", activation), *([Flatten()] if flatten else [])]
    return followed_by("Conv2D", Layer(init, apply, "conv"), *after, Dropout(dropout))


@says_what_is_meant(
    units="neurons",
    features="neurons",
    out_features="neurons",
    kernel_init="weight_init",
    kernel_initializer="weight_init",
)
def Dense(
    neurons: int,
    *,
    activation: Activation | None = None,
    dropout: float = 1.0,
    weight_init: WeightInit = "glorot",
) -> Layer:
    """Connect every feature to every neuron: `x @ weights + bias`.

    `neurons` is the number of outputs; the other arguments are those of `Conv2D`.

    Returns:
      A layer with params `weights` (features, neurons) and `bias` (neurons,).

    Raises:
      ValueError: a setting is out of range, or the input is not a vector of `features`.
    """
    check_count("Dense", "neurons", neurons)
    initializer = _initializer("Dense", weight_init)

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
        weights = _param("Dense", params, "weights")
        if x.ndim != 2 or x.shape[1] != weights.shape[0]:
            raise ValueError(
                f"Dense: x must be (batch, {weights.shape[0]} features), got "
                f"{x.shape}. Was the layer initialised for this input shape?"
            )
        return _product(x, weights) + _param("Dense", params, "bias")[None]

    dense = Layer(init, apply, "dense")
    return followed_by("Dense", dense, as_layer("Dense", activation), Dropout(dropout))


def _product(x: Array, weights: Array) -> Array:
    """Return `x @ weights`.

    XLA's CPU is slow at products with few columns, as their gradient is then. It has
    few rows instead where the weights are transposed; XLA must not undo that.
    """
    if weights.shape[1] >= _FEW_COLUMNS:
        return x @ weights
    return x @ jax.lax.optimization_barrier(weights.T).T


def Flatten() -> Layer:
    """Turn (channels, height, width) into one vector of features, pixel by pixel.

    The channels of a pixel are neighbours, as in Flax and Keras: on CPUs convolutions
    leave them so in memory, and nothing is moved.
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


def _param(caller: str, params: Params, name: str) -> Array:
    if name not in params:
        raise ValueError(
            f"{caller}: params has no {name!r}, only {sorted(params)}. Was it made by "
            "this layer's init?"
        )
    return params[name]


def _initializer(
    caller: str, weight_init: WeightInit
) -> Callable[[Array, tuple[int, ...]], Array]:
    """Return the function of a key and a shape that draws the weights."""
    if isinstance(weight_init, str) and weight_init == "glorot":
        draw: Any = jax.nn.initializers.glorot_normal(in_axis=0, out_axis=1)
    elif isinstance(weight_init, str) and weight_init == "standard":
        draw = jax.nn.initializers.normal(1.0)
    elif callable(weight_init):
        draw = weight_init
    else:
        raise ValueError(
            f'{caller}: weight_init must be "standard", "glorot" or an initializer of '
            f"jax.nn.initializers, got {described(weight_init)}."
        )

    def drawn(key: Array, shape: tuple[int, ...]) -> Array:
        weights = draw(key, shape, jnp.float32)
        if getattr(weights, "shape", None) != shape:
            raise ValueError(
                f"{caller}: weight_init must return an array of shape {shape}, got "
                f"{described(weights)}. Are its own parentheses missing, as in "
                "jax.nn.initializers.glorot_normal()?"
            )
        return weights

    return drawn
