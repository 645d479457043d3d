"""MobileNet: depthwise convolutions, each followed by a 1x1 convolution."""

import numbers

from jaxconv.nn._checks import described
from jaxconv.nn.activations import ReLU
from jaxconv.nn.batch_norm import BatchNorm
from jaxconv.nn.combine import serial
from jaxconv.nn.dense import Dense
from jaxconv.nn.depthwise import Depthwise
from jaxconv.nn.layer import Layer
from jaxconv.nn.models._shared import conv_norm_relu, numbered
from jaxconv.nn.pooling import GlobalAvgPool

_BLOCKS = (  # channels out, strides
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)


def mobilenet(width: float = 1.0, num_classes: int = 1000) -> Layer:
    """Build MobileNet v1 for images of (3, 224, 224), or smaller ones.

    4,231,976 parameters and 568,740,352 multiply-adds at width 1 and 224 x 224. The
    padding is symmetrical, as in PyTorch. The last layer gives logits.

    Args:
      width: the factor by which each layer's number of channels is multiplied: 1, 0.75,
        0.5 and 0.25 in the paper.
      num_classes: the number of logits.

    Raises:
      ValueError: a setting is out of range.

    Source: A. Howard et al. (2017), arXiv:1704.04861, table 1. Of its last strides, 2
    and 2, the second must be 1: the image is 7 x 7 before and after.
    """
    number = isinstance(width, numbers.Real) and not isinstance(width, bool)
    if not number or not 1 / 32 <= width <= 16:
        raise ValueError(
            "mobilenet: width must be the factor on the number of channels, from "
            f"1/32 to 16, got {described(width)}. Write 0.25 for a quarter of them."
        )
    blocks = [_block(int(width * channels), strides) for channels, strides in _BLOCKS]
    return serial(
        *conv_norm_relu(int(width * 32), 3, strides=2),
        *numbered("block", blocks),
        GlobalAvgPool(),
        Dense(num_classes),
    )


def _block(channels: int, strides: int) -> Layer:
    depthwise = Depthwise(3, strides=strides, padding=1, weight_init="he")
    return serial(depthwise, BatchNorm(), ReLU(), *conv_norm_relu(channels, 1))
