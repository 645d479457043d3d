"""Transposed convolution with learned filters, as a layer."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

from jaxconv.conv.api import Padding, Sizes
from jaxconv.conv.arguments.conventions import Convention
from jaxconv.conv.methods.registry import Method
from jaxconv.conv.transpose import conv_transpose
from jaxconv.nn._checks import says_what_is_meant
from jaxconv.nn._filters import (
    MEANT,
    After,
    Filters,
    check_groups,
    layer_of,
    sizes_of,
)
from jaxconv.nn.activations import Activation
from jaxconv.nn.initializers import Draw, WeightInit, initializer_of
from jaxconv.nn.layer import Layer, Shape
from jaxconv.nn.window import Window

_MANY = 2**20  # pixels along an axis: whatever is cut off, some are left
_OTHER_NAMES = {
    "out_padding": "output_padding",
    "transpose_kernel": 'convention="lax"',
    "output_shape": "output_padding",
}


@says_what_is_meant(**MEANT, **_OTHER_NAMES)
def ConvTranspose(
    out_channels: int,
    param_size: int | Sequence[int],
    *,
    activation: Activation | None = None,
    dropout: float = 1.0,
    weight_init: WeightInit = "glorot",
    flatten: bool = False,
    bias: bool = False,
    strides: Sizes = 1,
    padding: Padding = 0,
    output_padding: Sizes | None = None,
    dilation: Sizes = 1,
    groups: int = 1,
    convention: Convention = "torch",
    method: Method = "auto",
) -> Layer:
    """Spread each pixel of (channels, *space) images through learned filters.

    Args:
      out_channels: the number of feature maps.
      param_size: as for `Conv`.
      activation: as for `Conv`, like `dropout`, `flatten` and `bias`.
      dropout: the probability of KEEPING a unit.
      weight_init: as for `Conv`: the fans are those of a convolution from the input's
        channels to `out_channels`, as in Flax (PyTorch exchanges them), whatever the
        strides; an initializer is called with (*kernel, in // groups, out).
      flatten: whether the output is one vector of features.
      bias: whether to add a number to each map.
      strides: output pixels from one input pixel to the next.
      padding: as for `jaxconv.conv_transpose`, like the arguments that follow.
      output_padding: output pixels added at the high end.
      dilation: pixels from one tap of a filter to the next.
      groups: output channels in group `i` read input channels in group `i` only.
      convention: what `padding` means, and how large the output is: "torch", "lax",
        "keras" or "onnx".
      method: as for `jaxconv.conv`.

    Returns:
      A layer with params `filters` (in, out // groups, *kernel) and, with `bias`,
      `bias` (out,).

    Raises:
      ValueError: a setting is out of its range; from `init` and `apply`: the input does
        not fit.

    >>> import jax
    >>> layer = ConvTranspose(4, 4, strides=2, padding=1)
    >>> layer.init(jax.random.key(0), (8, 5, 6))[0]
    (4, 10, 12)
    """
    caller = "ConvTranspose"
    check_groups(caller, groups, out_channels)
    sizes, axes = sizes_of(caller, param_size, None)

    spread = functools.partial(
        conv_transpose,
        strides=strides,
        padding=padding,
        dilation=dilation,
        groups=groups,
        convention=convention,
        method=method,
    )

    def shape(channels: int, kernel: Shape) -> Shape:
        return (channels, out_channels // groups, *kernel)

    def check(kernel: Shape) -> None:
        """Raise ValueError; what `output_padding` may be depends on the input too."""
        shapes = (1, groups, *(_MANY,) * len(kernel)), shape(groups, kernel)
        jax.eval_shape(spread, *(jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes))

    filters = Filters(
        caller=caller,
        name="conv_transpose",
        param_size=sizes,
        axes=axes,
        groups=groups,
        shape=shape,
        channels=lambda filters_shape: filters_shape[0],
        window=Window(sizes, strides, dilation, upsampling=True),
        check=check,
        convolve=functools.partial(spread, output_padding=output_padding),
    )
    draw = _by_group(initializer_of(caller, weight_init), groups)
    return layer_of(filters, draw, After(bias, activation, flatten, dropout))


def _by_group(draw: Draw, groups: int) -> Draw:
    """Draw the filters of a convolution, (in // groups, out, *kernel), and move groups.

    The two layouts hold as many numbers: (in // g, g, out // g) and (g, in // g, ...).
    """

    def drawn(key: Array, shape: Shape) -> Array:
        channels, per_group, *kernel = shape
        weights = draw(key, (channels // groups, groups * per_group, *kernel))
        apart = weights.reshape(channels // groups, groups, per_group, *kernel)
        return jnp.moveaxis(apart, 1, 0).reshape(shape)

    return drawn
