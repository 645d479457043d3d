"""Residual networks: basic blocks for small images, bottlenecks for large ones."""

from jaxconv.nn._checks import check_count
from jaxconv.nn.combine import residual, serial
from jaxconv.nn.dense import Dense
from jaxconv.nn.layer import Layer
from jaxconv.nn.models._shared import (
    conv_norm,
    conv_norm_relu,
    numbered,
    rectified,
    units_in_depth,
)
from jaxconv.nn.pooling import GlobalAvgPool, MaxPool
from jaxconv.nn.shortcut import PadChannels


def resnet(depth: int = 20, num_classes: int = 10, *, width: int = 16) -> Layer:
    """Build a residual network for images of (channels, 32, 32) or (1, 28, 28).

    Three stages of n blocks of two 3x3 convolutions, `depth` = 6n + 2. Shortcuts have
    no parameters: between stages they take every second pixel and append channels of
    zeros. With three channels and ten classes, depth 20 has 269,722 parameters, 32 has
    464,154, 56 has 853,018. The last layer gives logits.

    Args:
      depth: the number of layers with weights: 8, 14, 20, 32, 44, 56, 110, ...
      num_classes: the number of logits.
      width: the channels of the first stage; the others have 2 and 4 times as many.

    Raises:
      ValueError: a setting is out of range.

    Source: K. He et al. (2016), arXiv:1512.03385, section 4.2.
    """
    n = units_in_depth("resnet", depth, fixed=2, each=6)
    check_count("resnet", "width", width)
    stages = [
        serial(
            *rectified([_basic(channels, strides), *[_basic(channels, 1)] * (n - 1)])
        )
        for channels, strides in ((width, 1), (2 * width, 2), (4 * width, 2))
    ]
    return serial(
        *conv_norm_relu(width, 3),
        *numbered("stage", stages),
        GlobalAvgPool(),
        Dense(num_classes),
    )


def resnet50(num_classes: int = 1000, *, width: int = 64) -> Layer:
    """Build ResNet-50 for images of (3, 224, 224).

    25,557,032 parameters. Blocks that halve the image do so in their 3x3 convolution,
    as in torchvision; in the paper the 1x1 before it does. The padding is symmetrical,
    as in PyTorch. The last layer gives logits.

    Args:
      num_classes: the number of logits.
      width: the channels inside the first stage's blocks; all others are multiples.

    Raises:
      ValueError: a setting is out of range.

    Source: K. He et al. (2016), arXiv:1512.03385, table 1.
    """
    check_count("resnet50", "width", width)
    stages = []
    for i, blocks in enumerate((3, 4, 6, 3)):
        inner = width * 2**i
        first = _bottleneck(inner, strides=1 if i == 0 else 2, projection=True)
        stages += [serial(*rectified([first, *[_bottleneck(inner)] * (blocks - 1)]))]
    return serial(
        *conv_norm_relu(width, 7, strides=2),
        MaxPool(3, strides=2, padding=1),
        *numbered("stage", stages),
        GlobalAvgPool(),
        Dense(num_classes),
    )


def _basic(channels: int, strides: int) -> Layer:
    return residual(
        *conv_norm_relu(channels, 3, strides=strides),
        *conv_norm(channels, 3),
        shortcut=PadChannels(channels, strides=strides) if strides > 1 else None,
    )


def _bottleneck(channels: int, *, strides: int = 1, projection: bool = False) -> Layer:
    return residual(
        *conv_norm_relu(channels, 1),
        *conv_norm_relu(channels, 3, strides=strides),
        *conv_norm(4 * channels, 1),
        shortcut=_projection(channels, strides) if projection else None,
    )


def _projection(channels: int, strides: int) -> Layer:
    return serial(*conv_norm(4 * channels, 1, strides=strides))
