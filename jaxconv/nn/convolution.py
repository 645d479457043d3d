"""Convolution with learned filters, as a layer: one implementation, four names."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jax import Array

from jaxconv.conv.api import Padding, Sizes, conv_in_network, prepared
from jaxconv.conv.methods.registry import Method
from jaxconv.nn._checks import says_what_is_meant
from jaxconv.nn._filters import MEANT, After, Filters, check_groups, layer_of, sizes_of
from jaxconv.nn.activations import Activation
from jaxconv.nn.initializers import WeightInit, initializer_of
from jaxconv.nn.layer import Layer, Shape
from jaxconv.nn.window import Window

_MANY = 2**24  # pixels along an axis: any filter and padding fit


class Sliding(NamedTuple):
    """How filters slide over the input: the settings that `jaxconv.conv` takes."""

    strides: Sizes
    dilation: Sizes
    padding: Padding
    padding_mode: str | Sequence[str]
    method: Method

    def convolve(self, x: Array, filters: Array, groups: int) -> Array:
        """Convolve `x` with the filters."""
        return conv_in_network(x, filters, **self.settings(groups))

    def check(self, kernel: Shape) -> None:
        """Raise ValueError if the settings do not fit filters of that size."""
        image = (1, 1, *(_MANY,) * len(kernel))
        prepared("conv", image, (1, 1, *kernel), **self.settings(1))

    def settings(self, groups: int) -> dict[str, Any]:
        """Return what `prepared` takes."""
        return {
            "strides": self.strides,
            "kernel_dilation": self.dilation,
            "input_dilation": 1,
            "padding": self.padding,
            "padding_mode": self.padding_mode,
            "groups": groups,
            "method": self.method,
            "memory_limit": None,
            "precision": None,
        }


@says_what_is_meant(**MEANT)
def Conv(
    out_channels: int,
    param_size: int | Sequence[int],
    *,
    activation: Activation | None = None,
    dropout: float = 1.0,
    weight_init: WeightInit = "glorot",
    flatten: bool = False,
    bias: bool = False,
    strides: Sizes = 1,
    dilation: Sizes = 1,
    padding: Padding = "SAME",
    padding_mode: str | Sequence[str] = "zeros",
    groups: int = 1,
    method: Method = "auto",
) -> Layer:
    """Convolve (channels, *space) images with `out_channels` learned filters.

    Args:
      out_channels: the number of feature maps.
      param_size: the filters' size along each spatial axis, in pixels; one number
        serves all axes of the input.
      activation: what follows, such as `Tanh()` or `jax.nn.relu`; None for linear.
      dropout: the probability of KEEPING a unit: 0.8 keeps four in five.
      weight_init: "glorot" (variance 2 / (fan in + fan out)), "he" (2 / fan in),
        "lecun" (1 / fan in), these three normal and truncated at two deviations;
        "standard" (normal, variance 1); or an initializer of `jax.nn.initializers`,
        made with its default axes, as `he_normal()`: it is called with JAX's order of
        axes, (*kernel, in // groups, out), and its result is transposed to ours.
      flatten: whether the output is one vector of features, as `Dense` takes it.
      bias: whether to add a number to each map; the chapter's layer has none.
      strides: as for `jaxconv.conv`.
      dilation: pixels from one tap of a filter to the next.
      padding: as for `jaxconv.conv`.
      padding_mode: as for `jaxconv.conv`.
      groups: as for `jaxconv.conv`; output channels in group `i` read those of the
        input in group `i` only.
      method: as for `jaxconv.conv`.

    Returns:
      A layer with params `filters` (in // groups, out, *kernel) and, with `bias`,
      `bias` (out,).

    Raises:
      ValueError: a setting is out of its range; from `init` and `apply`: the input does
        not fit.

    >>> import jax
    >>> Conv(4, (3, 3, 3), strides=2).init(jax.random.key(0), (1, 8, 8, 6))[0]
    (4, 4, 4, 3)

    Source: X. Glorot and Y. Bengio (2010), equation 12, for "glorot"; K. He et al.
    (2015), arXiv:1502.01852, equation 10, for "he".
    """
    sliding = Sliding(strides, dilation, padding, padding_mode, method)
    after = After(bias, activation, flatten, dropout)
    return conv_layer(
        "Conv", None, out_channels, param_size, groups, sliding, weight_init, after
    )


@says_what_is_meant(**MEANT)
def Conv1D(
    out_channels: int,
    param_size: int | Sequence[int],
    *,
    activation: Activation | None = None,
    dropout: float = 1.0,
    weight_init: WeightInit = "glorot",
    flatten: bool = False,
    bias: bool = False,
    strides: Sizes = 1,
    dilation: Sizes = 1,
    padding: Padding = "SAME",
    padding_mode: str | Sequence[str] = "zeros",
    groups: int = 1,
    method: Method = "auto",
) -> Layer:
    """Convolve (channels, width) sequences with `out_channels` learned filters.

    The arguments, params and errors are those of `Conv`; `param_size` is a number, or a
    sequence of one. With `padding="CAUSAL"` no output sees what comes after it.
    """
    sliding = Sliding(strides, dilation, padding, padding_mode, method)
    after = After(bias, activation, flatten, dropout)
    return conv_layer(
        "Conv1D", 1, out_channels, param_size, groups, sliding, weight_init, after
    )


@says_what_is_meant(**MEANT)
def Conv2D(
    out_channels: int,
    param_size: int | Sequence[int],
    *,
    activation: Activation | None = None,
    dropout: float = 1.0,
    weight_init: WeightInit = "glorot",
    flatten: bool = False,
    bias: bool = False,
    strides: Sizes = 1,
    dilation: Sizes = 1,
    padding: Padding = "SAME",
    padding_mode: str | Sequence[str] = "zeros",
    groups: int = 1,
    method: Method = "auto",
) -> Layer:
    """Convolve (channels, height, width) images with `out_channels` learned filters.

    The arguments, params and errors are those of `Conv`; `param_size` is the filters'
    height and width, or one number for both.

    Source: the layer of the chapter (see `jaxconv.chapter`).
    """
    sliding = Sliding(strides, dilation, padding, padding_mode, method)
    after = After(bias, activation, flatten, dropout)
    return conv_layer(
        "Conv2D", 2, out_channels, param_size, groups, sliding, weight_init, after
    )


@says_what_is_meant(**MEANT)
def Conv3D(
    out_channels: int,
    param_size: int | Sequence[int],
    *,
    activation: Activation | None = None,
    dropout: float = 1.0,
    weight_init: WeightInit = "glorot",
    flatten: bool = False,
    bias: bool = False,
    strides: Sizes = 1,
    dilation: Sizes = 1,
    padding: Padding = "SAME",
    padding_mode: str | Sequence[str] = "zeros",
    groups: int = 1,
    method: Method = "auto",
) -> Layer:
    """Convolve (channels, depth, height, width) volumes with learned filters.

    The arguments, params and errors are those of `Conv`; `param_size` is the filters'
    depth, height and width, or one number for all.
    """
    sliding = Sliding(strides, dilation, padding, padding_mode, method)
    after = After(bias, activation, flatten, dropout)
    return conv_layer(
        "Conv3D", 3, out_channels, param_size, groups, sliding, weight_init, after
    )


def conv_layer(
    caller: str,
    axes: int | None,
    out_channels: int,
    param_size: int | Sequence[int],
    groups: int,
    sliding: Sliding,
    weight_init: WeightInit,
    after: After,
) -> Layer:
    """Make the layer of the constructor `caller`; `axes` None allows any number."""
    check_groups(caller, groups, out_channels)
    sizes, axes = sizes_of(caller, param_size, axes)

    filters = Filters(
        caller=caller,
        name="conv",
        param_size=sizes,
        axes=axes,
        groups=groups,
        shape=lambda channels, kernel: (channels // groups, out_channels, *kernel),
        channels=lambda filters_shape: groups * filters_shape[0],
        window=Window(sizes, sliding.strides, sliding.dilation),
        check=sliding.check,
        convolve=lambda x, w: sliding.convolve(x, w, groups),
    )
    return layer_of(filters, initializer_of(caller, weight_init), after)
