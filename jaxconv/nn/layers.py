"""The chapter's layers: convolution, dense, flatten, dropout and the activations."""

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn.initializers import Initializer

from jaxconv.conv.api import Padding, conv
from jaxconv.conv.methods import Method
from jaxconv.nn.layer import Layer, Params, followed_by

WeightInit = Literal["standard", "glorot"] | Initializer
Activation = Layer | Callable[[Array], Array]

_FEW_COLUMNS = 32


def Conv2D(
    out_channels: int,
    param_size: int | tuple[int, int],
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
    _check_count("Conv2D", "out_channels", out_channels)
    _check_count("Conv2D", "groups", groups)
    kernel = param_size if isinstance(param_size, tuple) else (param_size,) * 2
    if len(kernel) != 2:
        raise ValueError(
            "Conv2D: param_size must be the filters' height and width, or one number "
            f"for both, got {param_size!r}."
        )
    for size in kernel:
        _check_count("Conv2D", "param_size", size)
    initializer = _initializer("Conv2D", weight_init)

    def convolve(x: Array, filters: Array) -> Array:
        return conv(
            x, filters, strides=strides, padding=padding, groups=groups, method=method
        )

    def init(key, input_shape):
        if len(input_shape) != 3 or input_shape[0] < 1:
            raise ValueError(
                "Conv2D: input_shape must be (channels, height, width), without the "
                f"batch, with at least one channel, got {tuple(input_shape)}."
            )
        if input_shape[0] % groups:
            raise ValueError(
                f"Conv2D: groups must divide the input channels, got {groups} groups "
                f"and {input_shape[0]} channels (axis 0 of {tuple(input_shape)})."
            )
        filters_shape = (input_shape[0] // groups, out_channels, *kernel)
        params = {"filters": initializer(key, filters_shape, jnp.float32)}
        if bias:
            params["bias"] = jnp.zeros((out_channels,), jnp.float32)
        image = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
        return jax.eval_shape(convolve, image, params["filters"]).shape[1:], params

    def apply(params, x, *, key=None):
        y = convolve(x, _param("Conv2D", params, "filters"))
        if bias:
            y = y + _param("Conv2D", params, "bias")[None, :, None, None]
        return y

    after = [_activation("Conv2D", activation), *([Flatten()] if flatten else [])]
    return followed_by(Layer(init, apply, "conv"), *after, Dropout(dropout))


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
    _check_count("Dense", "neurons", neurons)
    initializer = _initializer("Dense", weight_init)

    def init(key, input_shape):
        if len(input_shape) != 1 or input_shape[0] < 1:
            raise ValueError(
                "Dense: input_shape must be (features,), without the batch, got "
                f"{tuple(input_shape)}. Put Flatten() before it, or flatten=True into "
                "the layer before."
            )
        weights = initializer(key, (*input_shape, neurons), jnp.float32)
        bias = jnp.zeros((neurons,), jnp.float32)
        return (neurons,), {"weights": weights, "bias": bias}

    def apply(params, x, *, key=None):
        weights = _param("Dense", params, "weights")
        if x.ndim != 2 or x.shape[1] != weights.shape[0]:
            raise ValueError(
                f"Dense: x must be (batch, {weights.shape[0]} features), got "
                f"{x.shape}. Was the layer initialised for this input shape?"
            )
        return _product(x, weights) + _param("Dense", params, "bias")[None]

    dense = Layer(init, apply, "dense")
    return followed_by(dense, _activation("Dense", activation), Dropout(dropout))


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
        return (math.prod(input_shape),), {}

    def apply(params, x, *, key=None):
        pixels = jnp.moveaxis(x, 1, -1) if x.ndim > 2 else x
        return pixels.reshape(x.shape[0], math.prod(x.shape[1:]))

    return Layer(init, apply, "flatten")


def Dropout(dropout: float) -> Layer:
    """Keep each unit with probability `dropout`, scaled by `1 / dropout`; else zero.

    `dropout` is the probability of KEEPING, as in the chapter. Scaling while training
    keeps the mean, so inference (`key=None`) is the identity. The probability is
    rounded to a multiple of 2**-32, and the scale is that of the rounded one.

    Raises:
      ValueError: `dropout` is not in (0, 1].

    Source: N. Srivastava et al. (2014), "Dropout", section 10.
    """
    keep_prob = dropout
    if not isinstance(keep_prob, numbers.Real) or not 0 < keep_prob <= 1:
        raise ValueError(
            "Dropout: dropout must be the probability of keeping a unit, above 0 and "
            f"at most 1, got {dropout!r}. 1 keeps all."
        )

    def apply(params, x, *, key=None):
        if key is None or keep_prob == 1:
            return x
        kept = _draw_words(key, x.shape) < np.uint32(threshold)
        return jnp.where(kept, x * (2**32 / threshold), jnp.zeros_like(x))

    threshold = min(2**32 - 1, max(1, round(keep_prob * 2**32)))
    return Layer(_no_params, apply, "dropout")


def _draw_words(key: Array, shape: tuple[int, ...]) -> Array:
    """Draw whole numbers below 2**32: each place's number, hashed with the key.

    `jax.random` encrypts them, which in the chapter's model would take longer than the
    convolution; a dropout needs no more than that places and keys have nothing to do
    with each other.
    """
    first, second = jax.random.bits(key, (2,), jnp.uint32)
    places = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    return _hash(_hash(places ^ first) + second)


def _hash(words: Array) -> Array:
    """Let every bit flip each other with probability 1/2: MurmurHash3's finaliser.

    Source: A. Appleby, MurmurHash3 (2011), `fmix32`.
    """
    words = (words ^ (words >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    words = (words ^ (words >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return words ^ (words >> np.uint32(16))


def elementwise(function: Callable[[Array], Array], name: str = "elementwise") -> Layer:
    """Make a layer of a function that leaves the shape as it is."""

    def apply(params, x, *, key=None):
        return function(x)

    return Layer(_no_params, apply, name)


def Sigmoid() -> Layer:
    """Apply `1 / (1 + exp(-x))`."""
    return elementwise(jax.nn.sigmoid, "sigmoid")


def Tanh() -> Layer:
    """Apply the hyperbolic tangent."""
    return elementwise(jnp.tanh, "tanh")


def ReLU() -> Layer:
    """Apply `max(x, 0)`."""
    return elementwise(jax.nn.relu, "relu")


def Linear() -> Layer:
    """Leave the input as it is."""
    return elementwise(lambda x: x, "linear")


_ACTIVATIONS: tuple[Any, ...] = (Sigmoid, Tanh, ReLU, Linear)


def _no_params(key, input_shape):
    return tuple(input_shape), {}


def _param(caller: str, params: Params, name: str) -> Array:
    if name not in params:
        raise ValueError(
            f"{caller}: params has no {name!r}, only {sorted(params)}. Was it made by "
            "this layer's init?"
        )
    return params[name]


def _activation(caller: str, activation: Activation | None) -> Layer:
    if activation is None:
        return Linear()
    if isinstance(activation, Layer):
        return activation
    if callable(activation) and activation not in _ACTIVATIONS:
        return elementwise(activation)
    raise ValueError(
        f"{caller}: activation must be a layer such as Tanh(), a function of an array, "
        f"or None, got {activation!r}."
    )


def _initializer(caller: str, weight_init: WeightInit) -> Initializer:
    if callable(weight_init):
        return weight_init
    if isinstance(weight_init, str) and weight_init == "glorot":
        return jax.nn.initializers.glorot_normal(in_axis=0, out_axis=1)
    if isinstance(weight_init, str) and weight_init == "standard":
        return jax.nn.initializers.normal(1.0)
    raise ValueError(
        f'{caller}: weight_init must be "standard", "glorot" or an initializer of '
        f"jax.nn.initializers, got {weight_init!r}."
    )


def _check_count(caller: str, name: str, value: int) -> None:
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(
            f"{caller}: {name} must be an int of at least 1, got {value!r}."
        )
