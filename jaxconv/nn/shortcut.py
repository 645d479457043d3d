"""The shortcut without parameters, for a residual block that changes the shape."""

import jax.numpy as jnp

from jaxconv.nn._checks import check_array, check_count, check_shape
from jaxconv.nn._memory import channels_first, channels_last
from jaxconv.nn.layer import Layer
from jaxconv.nn.window import Window


def PadChannels(out_channels: int, *, strides: int = 1) -> Layer:
    """Take every `strides`-th pixel along each axis, and append channels of zeros.

    The output has the size of that of a convolution with these strides, filters of odd
    size k, and padding k // 2.

    Raises:
      ValueError: a setting is out of range; from `init`: the input has more channels
        than `out_channels`.

    Source: K. He et al. (2016), arXiv:1512.03385, section 3.3, option A.
    """
    check_count("PadChannels", "out_channels", out_channels)
    check_count("PadChannels", "strides", strides)

    def init(key, input_shape):
        sizes = check_shape("PadChannels", input_shape)
        if not sizes:
            raise ValueError(
                "PadChannels: input_shape must have channels, (channels, *space), got "
                "(). Leave out the batch only."
            )
        channels, *space = sizes
        if channels > out_channels:
            raise ValueError(
                "PadChannels: the input must have at most out_channels = "
                f"{out_channels} channels, got {input_shape}. Channels are only added."
            )
        return (out_channels, *(-(-size // strides) for size in space)), {}

    def apply(params, x, *, key=None):
        check_array("PadChannels", x)
        y = channels_last(x)[:, *(slice(None, None, strides),) * (x.ndim - 2)]
        zeros = [(0, 0)] * (x.ndim - 1) + [(0, out_channels - x.shape[1])]
        return channels_first(jnp.pad(y, zeros))

    return Layer(init, apply, "pad_channels", window=Window(1, strides))
