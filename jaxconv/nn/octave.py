"""Octave convolution: maps of two frequencies, the low one at half the resolution.

    high = conv(x_high, w_high_high)      + upsample(conv(x_low, w_low_high))
    low  = conv(pool(x_high), w_high_low) + conv(x_low, w_low_low)

The four filter banks are one bank, cut between the high and the low channels of the
input and of the output: it has as many weights as a plain convolution. Inputs and
outputs are pairs of arrays, (high, low); `each` applies layers to them.
"""

import dataclasses
import numbers
from typing import Any

import jax

from jaxconv.nn._checks import check_count, check_key, check_shape, described
from jaxconv.nn.combine import each, named, parallel, serial
from jaxconv.nn.convolution import Conv2D
from jaxconv.nn.initializers import WeightInit, initializer_of
from jaxconv.nn.layer import Layer, eval_shape
from jaxconv.nn.pooling import AvgPool
from jaxconv.nn.resize import Upsample


def OctConv2D(
    out_channels: int,
    param_size: int,
    *,
    alpha_in: float = 0.5,
    alpha_out: float = 0.5,
    strides: int = 1,
    weight_init: WeightInit = "glorot",
) -> Layer:
    """Convolve a pair of images, (high, low), the low one of half the height and width.

    Of the channels of input and output, `int(alpha * channels)` are low; with
    `alpha_in=0` the input, with `alpha_out=0` the output, is a single array. Windows of
    2 x 2 pixels are averaged before a convolution from high to low, and each pixel is
    repeated 2 x 2 times after one from low to high. Images are padded by `param_size //
    2` zeros on each side.

    With strides of 2, every input is averaged once more first, and pixels are not
    repeated from low to high. With strides of 1 and both alphas the same, it takes `1 -
    3/4 alpha (2 - alpha)` of the multiply-adds of a plain convolution.

    Args:
      out_channels: the number of feature maps, high and low together.
      param_size: the filters' height and width in pixels, an odd number.
      alpha_in: the share of low channels in the input, at least 0 and below 1.
      alpha_out: the share of low channels in the output.
      strides: 1, or 2 to halve the images.
      weight_init: as for `Conv2D`; it draws the whole bank, which is then cut.

    Returns:
      A layer with params `high` and `low`, named after what they compute; in each of
      them `from_high` and `from_low`, and in these `conv1`, with its `filters`.

    Raises:
      ValueError: a setting is out of range; from `init`: the input is not a pair of
        images with these shares of channels, the low one of half the size.

    Source: Y. Chen et al. (2019), arXiv:1904.05049, section 3.2.
    """
    check_count("OctConv2D", "out_channels", out_channels)
    check_count("OctConv2D", "param_size", param_size)
    if param_size % 2 == 0:
        raise ValueError(
            "OctConv2D: param_size must be odd, so that the images keep their size, "
            f"got {param_size}."
        )
    if strides not in (1, 2):
        raise ValueError(
            f"OctConv2D: strides must be 1 or 2, got {described(strides)}."
        )
    for name, alpha in (("alpha_in", alpha_in), ("alpha_out", alpha_out)):
        check_alpha("OctConv2D", name, alpha)
    draw = initializer_of("OctConv2D", weight_init)
    low_out = int(alpha_out * out_channels)
    if low_out == 0 < alpha_out:
        raise ValueError(
            f"OctConv2D: of out_channels = {out_channels}, int({alpha_out} * "
            f"{out_channels}) = 0 would be low. Raise alpha_out, or make it 0."
        )
    layer = _paths(out_channels - low_out, low_out, param_size, strides, alpha_in > 0)

    def init(key, input_shape):
        check_key("OctConv2D", key)
        high_in, low_in = _channels(check_shape("OctConv2D", input_shape), alpha_in)
        _check_halves(input_shape if alpha_in else (input_shape,), strides, low_out)
        output_shape, params = eval_shape(layer, input_shape)
        kernel = (param_size, param_size)
        bank = draw(key, (high_in + low_in, out_channels, *kernel))

        def cut(path: Any, _: jax.ShapeDtypeStruct) -> jax.Array:
            names = [entry.key for entry in path]
            from_ = slice(high_in) if "from_high" in names else slice(high_in, None)
            to = slice(out_channels - low_out)
            if names[0] == "low":
                to = slice(out_channels - low_out, None)
            return bank[from_, to]

        return output_shape, jax.tree_util.tree_map_with_path(cut, params)

    return dataclasses.replace(layer, init=init, name="octconv")


def check_alpha(caller: str, name: str, alpha: object) -> None:
    """Raise ValueError unless `alpha` is a share of channels in [0, 1)."""
    number = isinstance(alpha, numbers.Real) and not isinstance(alpha, bool)
    if not number or not 0 <= alpha < 1:  # type: ignore[operator]
        raise ValueError(
            f"{caller}: {name} must be the share of channels that are low, at least 0 "
            f"and below 1, got {described(alpha)}."
        )


def _paths(high_out: int, low_out: int, size: int, strides: int, pair: bool) -> Layer:
    """Return the layer whose filters are drawn path by path."""

    def path(channels: int, *, shrink: int = 1, grow: int = 1) -> Layer:
        before = [AvgPool(shrink)] if shrink > 1 else []
        after = [Upsample(grow)] if grow > 1 else []
        return serial(*before, Conv2D(channels, size, padding=size // 2), *after)

    def outputs(name: str, from_high: Layer, from_low: Layer) -> Layer:
        both = [named("from_high", from_high), named("from_low", from_low)]
        return named(name, each(*both, join="sum") if pair else serial(both[0]))

    high = outputs(
        "high", path(high_out, shrink=strides), path(high_out, grow=2 // strides)
    )
    if not low_out:
        return serial(high)
    low = outputs(
        "low", path(low_out, shrink=2 * strides), path(low_out, shrink=strides)
    )
    return parallel(high, low, join="tuple")


def _channels(input_shape: Any, alpha_in: float) -> tuple[int, int]:
    """Return the input's channels of high and of low frequency.

    Raises:
      ValueError: the input is not what `alpha_in` says.
    """
    pair = tuple(isinstance(shape, tuple) for shape in input_shape)
    if pair != ((True, True) if alpha_in else (False,) * 3):
        wanted = "(channels, height, width), as alpha_in is 0"
        if alpha_in:
            wanted = f"a pair of shapes, (high, low), as alpha_in is {alpha_in}"
        raise ValueError(
            f"OctConv2D: input_shape must be {wanted}, got {input_shape}. Give the "
            "first layer alpha_in=0."
        )
    high, low = input_shape if alpha_in else (input_shape, (0, 0, 0))
    total = high[0] + low[0]
    halves = not alpha_in or high[1:] == tuple(2 * size for size in low[1:])
    if low[0] != int(alpha_in * total) or not halves:
        raise ValueError(
            f"OctConv2D: of {total} channels, int({alpha_in} * {total}) must be low, "
            f"at half the height and width of the others, got {input_shape}."
        )
    return high[0], low[0]


def _check_halves(shapes: Any, strides: int, low_out: int) -> None:
    """Raise ValueError if the output's low images would not be half the high ones."""
    height, width = shapes[0][1:]
    unit = strides * (2 if low_out else 1)
    if height % unit or width % unit:
        raise ValueError(
            f"OctConv2D: height and width must be multiples of {unit}, to be halved "
            f"for the output, got {shapes[0]}. Use alpha_out=0, or pad the images."
        )
