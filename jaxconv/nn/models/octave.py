"""Residual networks with feature maps of two frequencies: see `jaxconv.nn.octave`.

The images have one frequency, and so has the last stage: its maps of 7 x 7 pixels, for
MNIST and ImageNet, cannot be halved.
"""

import dataclasses

from jaxconv.nn._checks import check_count
from jaxconv.nn.activations import Linear, ReLU
from jaxconv.nn.batch_norm import BatchNorm
from jaxconv.nn.combine import each, named, residual, serial
from jaxconv.nn.dense import Dense
from jaxconv.nn.layer import Layer
from jaxconv.nn.models._shared import (
    conv_norm,
    conv_norm_relu,
    numbered,
    rectified,
    units_in_depth,
)
from jaxconv.nn.octave import OctConv2D, check_alpha
from jaxconv.nn.pooling import GlobalAvgPool, MaxPool
from jaxconv.nn.shortcut import PadChannels


def octave_resnet(
    depth: int = 20, num_classes: int = 10, *, alpha: float = 0.25, width: int = 16
) -> Layer:
    """Build `resnet` with octave convolutions, for the same images.

    It has as many parameters as `resnet`. `alpha` is the share of channels at half the
    resolution, in all stages but the last; height and width must be multiples of 4.

    Args:
      depth: as for `resnet`: 8, 14, 20, 32, 44, 56, 110, ...
      num_classes: the number of logits.
      alpha: at least 0 and below 1; 0.125, 0.25, 0.5 and 0.75 in the paper.
      width: the channels of the first stage, enough that at least one is low.

    Raises:
      ValueError: a setting is out of range, or the images cannot be halved.

    Source: Y. Chen et al. (2019), arXiv:1904.05049, section 3; the network is that of
    K. He et al. (2016), arXiv:1512.03385, section 4.2.
    """
    n = units_in_depth("octave_resnet", depth, fixed=2, each=6)
    check_alpha("octave_resnet", "alpha", alpha)
    check_count("octave_resnet", "width", width)
    first = _basic(2 * width, alpha, alpha, strides=2)
    last = _basic(4 * width, alpha, 0.0, strides=2)
    stages = [
        _stage([_basic(width, alpha, alpha)] * n, alpha),
        _stage([first, *[_basic(2 * width, alpha, alpha)] * (n - 1)], alpha),
        _stage([last, *[_basic(4 * width, 0.0, 0.0)] * (n - 1)], 0.0),
    ]
    return serial(
        *_conv_norm_relu(width, 3, 0.0, alpha),
        *numbered("stage", stages),
        GlobalAvgPool(),
        Dense(num_classes),
    )


def octave_resnet50(
    num_classes: int = 1000, *, alpha: float = 0.25, width: int = 64
) -> Layer:
    """Build `resnet50` with octave convolutions, for the same images.

    It has as many parameters as `resnet50`; height and width must be multiples of 32.
    The arguments are those of `octave_resnet`.

    Source: Y. Chen et al. (2019), arXiv:1904.05049, section 4.
    """
    check_alpha("octave_resnet50", "alpha", alpha)
    check_count("octave_resnet50", "width", width)
    stages: list[Layer] = []
    before = 0.0
    for i, blocks in enumerate((3, 4, 6, 3)):
        inner, after = width * 2**i, alpha if i < 3 else 0.0
        first = _bottleneck(
            inner, before, after, strides=1 if i == 0 else 2, projection=True
        )
        others = [_bottleneck(inner, after, after)] * (blocks - 1)
        stages.append(_stage([first, *others], after))
        before = after
    return serial(
        *conv_norm_relu(width, 7, strides=2),
        MaxPool(3, strides=2, padding=1),
        *numbered("stage", stages),
        GlobalAvgPool(),
        Dense(num_classes),
    )


def _stage(blocks: list[Layer], alpha: float) -> Layer:
    return serial(*rectified(blocks, _both(ReLU(), alpha)))


def _basic(
    channels: int, alpha_in: float, alpha_out: float, *, strides: int = 1
) -> Layer:
    return residual(
        *_conv_norm_relu(channels, 3, alpha_in, alpha_out, strides=strides),
        *_conv_norm(channels, 3, alpha_out, alpha_out),
        shortcut=_shortcut(channels, alpha_in, alpha_out, strides),
    )


def _shortcut(
    channels: int, alpha_in: float, alpha_out: float, strides: int
) -> Layer | None:
    """Halve the images and append channels of zeros, for each frequency.

    Where one frequency remains, the low maps are not halved: they are small already.
    """
    if strides == 1:
        return None
    pad = PadChannels(channels, strides=strides)
    if not alpha_in:
        return pad
    if alpha_out:
        low = int(alpha_out * channels)
        high = PadChannels(channels - low, strides=strides)
        return each(high, PadChannels(low, strides=strides))
    before = channels // 2
    halved = PadChannels(before - int(alpha_in * before), strides=strides)
    return serial(each(halved, Linear(), join="concatenate"), PadChannels(channels))


def _bottleneck(
    channels: int,
    alpha_in: float,
    alpha_out: float,
    *,
    strides: int = 1,
    projection: bool = False,
) -> Layer:
    shortcut = _conv_norm(4 * channels, 1, alpha_in, alpha_out, strides=strides)
    return residual(
        *_conv_norm_relu(channels, 1, alpha_in, alpha_out),
        *_conv_norm_relu(channels, 3, alpha_out, alpha_out, strides=strides),
        *_conv_norm(4 * channels, 1, alpha_out, alpha_out),
        shortcut=serial(*shortcut) if projection else None,
    )


def _conv_norm(
    channels: int,
    param_size: int,
    alpha_in: float,
    alpha_out: float,
    *,
    strides: int = 1,
) -> list[Layer]:
    """Return `conv_norm`, as an octave convolution if either alpha is above 0."""
    if not alpha_in and not alpha_out:
        return conv_norm(channels, param_size, strides=strides)
    conv = OctConv2D(
        channels,
        param_size,
        alpha_in=alpha_in,
        alpha_out=alpha_out,
        strides=strides,
        weight_init="he",
    )
    return [conv, _both(BatchNorm(), alpha_out)]


def _conv_norm_relu(
    channels: int,
    param_size: int,
    alpha_in: float,
    alpha_out: float,
    *,
    strides: int = 1,
) -> list[Layer]:
    layers = _conv_norm(channels, param_size, alpha_in, alpha_out, strides=strides)
    return [*layers, _both(ReLU(), alpha_out)]


def _both(layer: Layer, alpha: float) -> Layer:
    """Apply a layer to the high maps, and another like it to the low ones, if any."""
    if not alpha:
        return layer
    pair = each(named("high", layer), named("low", layer))
    return dataclasses.replace(pair, name=layer.name)
