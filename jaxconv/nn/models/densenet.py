"""DenseNet: each layer reads the outputs of all layers before it."""

import numbers

from jaxconv.nn._checks import check_count, described
from jaxconv.nn.activations import ReLU
from jaxconv.nn.batch_norm import BatchNorm
from jaxconv.nn.combine import dense_block, named, serial
from jaxconv.nn.convolution import Conv2D
from jaxconv.nn.dense import Dense
from jaxconv.nn.layer import Layer
from jaxconv.nn.models._shared import numbered, units_in_depth
from jaxconv.nn.pooling import AvgPool, GlobalAvgPool


def densenet(
    depth: int = 100,
    *,
    growth: int = 12,
    compression: float = 0.5,
    num_classes: int = 10,
) -> Layer:
    """Build DenseNet-BC for images of (channels, 32, 32) or (1, 28, 28).

    Three blocks of n layers, `depth` = 6n + 4; each layer is a 1x1 convolution to four
    times `growth` channels and a 3x3 to `growth`, both after normalisation and
    rectifier. 769,162 parameters with three channels and the arguments' defaults. The
    last layer gives logits.

    Args:
      depth: the number of layers with weights: 10, 16, 22, 40, 100, ...
      growth: the channels that each layer adds.
      compression: the share of a block's channels that the next block receives.
      num_classes: the number of logits.

    Raises:
      ValueError: a setting is out of range.

    Source: G. Huang et al. (2017), arXiv:1608.06993, sections 3 and 4.2.
    """
    layers = units_in_depth("densenet", depth, fixed=4, each=6)
    check_count("densenet", "growth", growth)
    if not isinstance(compression, numbers.Real) or not 0 < compression <= 1:
        raise ValueError(
            "densenet: compression must be the share of channels that a block passes "
            f"on, above 0 and at most 1, got {described(compression)}."
        )
    channels, network = 2 * growth, [_conv(2 * growth, 3)]
    for stage in range(1, 4):
        block = dense_block(*numbered("layer", [_bottleneck(growth)] * layers))
        network.append(named(f"block{stage}", block))
        channels += layers * growth
        if stage < 3:
            channels = int(compression * channels)
            network.append(named(f"transition{stage}", _transition(channels)))
    return serial(*network, *_norm_relu(), GlobalAvgPool(), Dense(num_classes))


def _bottleneck(growth: int) -> Layer:
    return serial(*_norm_relu(), _conv(4 * growth, 1), *_norm_relu(), _conv(growth, 3))


def _transition(channels: int) -> Layer:
    return serial(*_norm_relu(), _conv(channels, 1), AvgPool(2))


def _norm_relu() -> list[Layer]:
    return [BatchNorm(), ReLU()]


def _conv(out_channels: int, param_size: int) -> Layer:
    return Conv2D(out_channels, param_size, weight_init="he")
