"""LeNet-5: two convolutions, each with pooling, and three dense layers."""

from typing import Literal

import jax.numpy as jnp

from jaxconv.nn._checks import described
from jaxconv.nn.activations import Activation, as_layer
from jaxconv.nn.batch_norm import BatchNorm
from jaxconv.nn.combine import serial
from jaxconv.nn.convolution import Conv2D
from jaxconv.nn.dense import Dense, Flatten
from jaxconv.nn.layer import Layer
from jaxconv.nn.pooling import AvgPool, MaxPool

_POOLS = {"average": AvgPool, "max": MaxPool}


def lenet5(
    num_classes: int = 10,
    *,
    padding: int = 2,
    activation: Activation = jnp.tanh,
    pooling: Literal["average", "max"] = "average",
    batch_norm: bool = False,
) -> Layer:
    """Build LeNet-5 for images of (1, 28, 28); with `padding=0`, of (1, 32, 32).

    61,706 parameters. Differences from the paper, usual today: every map of the second
    convolution reads all six of the first, pooling has no parameters, and the last
    layer is linear and gives logits. Tanh and average pooling are the paper's;
    `jax.nn.relu` and "max" learn faster.

    Args:
      num_classes: the number of logits.
      padding: of the first convolution, in pixels on each side.
      activation: what follows each layer but the last, such as `jax.nn.relu`.
      pooling: what halves the height and width, twice.
      batch_norm: whether both convolutions are normalised before their activation, in
        place of their bias; 61,728 parameters.

    Raises:
      ValueError: a setting is out of range.

    Source: Y. LeCun et al. (1998), "Gradient-based learning applied to document
    recognition", section II.B.
    """
    if pooling not in _POOLS:
        raise ValueError(
            f'lenet5: pooling must be "average" or "max", got {described(pooling)}.'
        )
    pool = _POOLS[pooling]

    def conv(out_channels: int, padding: int) -> list[Layer]:
        if not batch_norm:
            return [
                Conv2D(
                    out_channels, 5, padding=padding, bias=True, activation=activation
                )
            ]
        norm = [BatchNorm(), as_layer("lenet5", activation)]
        return [Conv2D(out_channels, 5, padding=padding), *norm]

    return serial(
        *conv(6, padding),
        pool(2),
        *conv(16, 0),
        pool(2),
        Flatten(),
        Dense(120, activation=activation),
        Dense(84, activation=activation),
        Dense(num_classes),
    )
