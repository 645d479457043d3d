"""Depthwise convolution, and depthwise-separable convolution."""

import dataclasses
from collections.abc import Sequence

from jaxconv.conv.api import Padding, Sizes
from jaxconv.conv.methods.registry import Method
from jaxconv.nn._checks import check_count, says_what_is_meant
from jaxconv.nn._filters import MEANT, After, Filters, layer_of, sizes_of
from jaxconv.nn.activations import Activation
from jaxconv.nn.combine import chain, named
from jaxconv.nn.convolution import Sliding, conv_layer
from jaxconv.nn.initializers import WeightInit, initializer_of
from jaxconv.nn.layer import Layer
from jaxconv.nn.window import Window

_OTHER_NAMES = {
    **MEANT,
    "depthwise_initializer": "weight_init",
    "pointwise_initializer": "weight_init",
}


@says_what_is_meant(
    **{**_OTHER_NAMES, "filters": "multiplier", "out_channels": "multiplier"}
)
def Depthwise(
    param_size: int | Sequence[int],
    *,
    multiplier: int = 1,
    activation: Activation | None = None,
    dropout: float = 1.0,
    weight_init: WeightInit = "glorot",
    flatten: bool = False,
    bias: bool = False,
    strides: Sizes = 1,
    dilation: Sizes = 1,
    padding: Padding = "SAME",
    padding_mode: str | Sequence[str] = "zeros",
    method: Method = "auto",
) -> Layer:
    """Convolve each channel with `multiplier` learned filters of its own.

    The maps of a channel are neighbours: map `i` is made of channel `i // multiplier`.
    The other arguments and the errors are those of `Conv`.

    Returns:
      A layer with params `filters` (1, channels * multiplier, *kernel) and, with
      `bias`, `bias` (channels * multiplier,).
    """
    sliding = Sliding(strides, dilation, padding, padding_mode, method)
    after = After(bias, activation, flatten, dropout)
    return _depthwise("Depthwise", param_size, multiplier, sliding, weight_init, after)


@says_what_is_meant(**_OTHER_NAMES)
def Separable(
    out_channels: int,
    param_size: int | Sequence[int],
    *,
    multiplier: int = 1,
    activation: Activation | None = None,
    dropout: float = 1.0,
    weight_init: WeightInit = "glorot",
    flatten: bool = False,
    bias: bool = False,
    strides: Sizes = 1,
    dilation: Sizes = 1,
    padding: Padding = "SAME",
    padding_mode: str | Sequence[str] = "zeros",
    method: Method = "auto",
) -> Layer:
    """Convolve each channel with its own filter, then mix channels by 1x1 filters.

    It is `Depthwise(param_size)`, linear and without a bias, then `Conv(out_channels,
    1)`, which adds the bias and what follows. Arguments and errors are theirs.

    Returns:
      A layer with params `depthwise`: `filters`, and `pointwise`: `filters` and, with
      `bias`, `bias`.

    Source: F. Chollet (2017), arXiv:1610.02357, section 2; A. Howard et al. (2017),
    arXiv:1704.04861, section 3.1, who put normalisation and activation between the two:
    write those as two layers.
    """
    sliding = Sliding(strides, dilation, padding, padding_mode, method)
    after = After(bias, activation, flatten, dropout)
    linear = After(bias=False, activation=None, flatten=False, dropout=1.0)
    depthwise = _depthwise(
        "Separable", param_size, multiplier, sliding, weight_init, linear
    )
    single = Sliding(1, 1, "VALID", "zeros", method)
    pointwise = conv_layer(
        "Separable", None, out_channels, 1, 1, single, weight_init, after
    )

    parts = named("depthwise", depthwise), named("pointwise", pointwise)
    return dataclasses.replace(chain("Separable", *parts), name="separable")


def _depthwise(
    caller: str,
    param_size: int | Sequence[int],
    multiplier: int,
    sliding: Sliding,
    weight_init: WeightInit,
    after: After,
) -> Layer:
    """Make the layer of which each group is one input channel."""
    check_count(caller, "multiplier", multiplier)
    sizes, axes = sizes_of(caller, param_size, None)

    filters = Filters(
        caller=caller,
        name="depthwise",
        param_size=sizes,
        axes=axes,
        shape=lambda channels, kernel: (1, channels * multiplier, *kernel),
        channels=lambda filters_shape: filters_shape[1] // multiplier,
        window=Window(sizes, sliding.strides, sliding.dilation),
        check=sliding.check,
        convolve=lambda x, w: sliding.convolve(x, w, groups=x.shape[1]),
    )
    return layer_of(filters, initializer_of(caller, weight_init), after)
