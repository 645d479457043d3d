"""Convolution with learned filters, as a layer."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

from jaxconv.conv.api import Padding, conv
from jaxconv.conv.methods import Method
from jaxconv.nn._checks import check_count, get_param, says_what_is_meant
from jaxconv.nn.activations import Activation, as_layer
from jaxconv.nn.dense import Flatten
from jaxconv.nn.dropout import Dropout
from jaxconv.nn.initializers import WeightInit, initializer_of
from jaxconv.nn.layer import Layer, followed_by

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
    initializer = initializer_of("Conv2D", weight_init)

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
        y = convolve(x, get_param("Conv2D", params, "filters"))
        if bias:
            y = y + get_param("Conv2D", params, "bias")[None, :, None, None]
        return y

    after = [as_layer("Conv2D", activation), *([Flatten()] if flatten else [])]
    return followed_by("Conv2D", Layer(init, apply, "conv"), *after, Dropout(dropout))
