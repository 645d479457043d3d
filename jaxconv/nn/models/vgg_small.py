"""Several 3x3 convolutions in a row, as in VGG, for small images."""

from jaxconv.nn.combine import named, serial
from jaxconv.nn.dense import Dense, Flatten
from jaxconv.nn.dropout import Dropout
from jaxconv.nn.layer import Layer
from jaxconv.nn.models._shared import conv_norm_relu
from jaxconv.nn.pooling import MaxPool


def vgg_small(num_classes: int = 10, *, width: int = 16) -> Layer:
    """Build five convolutions of 3 x 3 with batch normalisation, for (1, 28, 28).

    Stages of `width`, twice and four times as many maps, each half as high and wide as
    the one before; then dropout and a dense layer. 101,050 parameters.

    Args:
      num_classes: the number of logits.
      width: maps of the first stage.

    Raises:
      ValueError: a setting is out of range.

    Source: K. Simonyan and A. Zisserman (2015), arXiv:1409.1556, section 2, made small;
    normalisation as in S. Ioffe and C. Szegedy (2015), arXiv:1502.03167.
    """
    return serial(
        named("stage1", serial(*conv_norm_relu(width, 3))),
        MaxPool(2),
        named("stage2", serial(*_twice(2 * width))),
        MaxPool(2),
        named("stage3", serial(*_twice(4 * width))),
        Flatten(),
        Dropout(0.5),
        Dense(num_classes),
    )


def _twice(channels: int) -> list[Layer]:
    return [*conv_norm_relu(channels, 3), *conv_norm_relu(channels, 3)]
