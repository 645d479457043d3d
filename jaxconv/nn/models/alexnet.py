"""AlexNet: five convolutions and three dense layers, and a small relative."""

import jax

from jaxconv.nn.combine import serial
from jaxconv.nn.convolution import Conv2D
from jaxconv.nn.dense import Dense, Flatten
from jaxconv.nn.layer import Layer
from jaxconv.nn.local_response import LocalResponseNorm
from jaxconv.nn.pooling import MaxPool


def alexnet(num_classes: int = 1000, *, groups: int = 2) -> Layer:
    """Build AlexNet for images of (3, 227, 227).

    60,965,224 parameters with two groups, which in the paper are two processors: each
    group of the second, fourth and fifth convolution reads half of the maps. 62,378,344
    with `groups=1`. The last layer gives logits. Weights are drawn for rectifiers
    ("he"), not with the paper's standard deviation of 0.01, and biases begin at 0.

    Raises:
      ValueError: a setting is out of range.

    Source: A. Krizhevsky et al. (2012), "ImageNet classification with deep
    convolutional neural networks", section 3. Its figure says 224 x 224 pixels, which
    its strides do not fit.
    """
    return serial(
        _conv(96, 11, strides=4, padding=0),
        _norm(),
        MaxPool(3, strides=2),
        _conv(256, 5, groups=groups),
        _norm(),
        MaxPool(3, strides=2),
        _conv(384, 3),
        _conv(384, 3, groups=groups),
        _conv(256, 3, groups=groups),
        MaxPool(3, strides=2),
        *_classifier(4096, num_classes),
    )


def alexnet_small(num_classes: int = 10) -> Layer:
    """Build AlexNet's layers for images of (channels, 32, 32) or (1, 28, 28).

    Fewer maps, strides of 1, and 512 neurons where AlexNet has 4,096.

    Source: as `alexnet`, made smaller here.
    """
    return serial(
        _conv(64, 5),
        _norm(),
        MaxPool(3, strides=2),
        _conv(128, 5),
        _norm(),
        MaxPool(3, strides=2),
        _conv(192, 3),
        _conv(192, 3),
        _conv(128, 3),
        MaxPool(3, strides=2),
        *_classifier(512, num_classes),
    )


def _conv(
    out_channels: int,
    param_size: int,
    *,
    strides: int = 1,
    padding: int | None = None,
    groups: int = 1,
) -> Layer:
    return Conv2D(
        out_channels,
        param_size,
        strides=strides,
        padding=param_size // 2 if padding is None else padding,
        groups=groups,
        bias=True,
        activation=jax.nn.relu,
        weight_init="he",
    )


def _norm() -> Layer:
    """Normalise with the paper's alpha of 1e-4, which is not divided by the size."""
    return LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)


def _classifier(neurons: int, num_classes: int) -> list[Layer]:
    hidden = [
        Dense(neurons, activation=jax.nn.relu, dropout=0.5, weight_init="he")
        for _ in range(2)
    ]
    return [Flatten(), *hidden, Dense(num_classes)]
