"""AlphaGo Zero's network: a residual tower with a policy head and a value head."""

import dataclasses

from jaxconv.nn._checks import check_count, check_shape
from jaxconv.nn.activations import ReLU, Tanh
from jaxconv.nn.combine import named, parallel, residual, serial
from jaxconv.nn.dense import Dense, Flatten
from jaxconv.nn.layer import Layer
from jaxconv.nn.models._shared import conv_norm, conv_norm_relu, rectified


def board_tower(
    blocks: int = 19, filters: int = 256, planes: int = 17, moves: int = 362
) -> Layer:
    """Build AlphaGo Zero's network for boards of (planes, rows, columns).

    The output is a pair: logits of the moves, (moves,), and the value, (1,), between -1
    and 1. 22,827,877 parameters with 19 blocks, 46,441,317 with 39, on a board of
    19 x 19 with 17 planes and 362 moves: one for each point, and to pass.

    Args:
      blocks: residual blocks of two 3x3 convolutions; 19 or 39 in the paper.
      filters: the channels of the tower.
      planes: the channels of the input.
      moves: the number of logits.

    Raises:
      ValueError: a setting is out of range; from `init`: the input does not have
        `planes` channels.

    Source: D. Silver et al. (2017), "Mastering the game of Go without human knowledge",
    methods, "Neural network architecture".
    """
    for name, count in (
        ("blocks", blocks),
        ("filters", filters),
        ("planes", planes),
        ("moves", moves),
    ):
        check_count("board_tower", name, count)
    policy = serial(*conv_norm_relu(2, 1), Flatten(), Dense(moves))
    value = serial(
        *conv_norm_relu(1, 1),
        Flatten(),
        Dense(256, activation=ReLU(), weight_init="he"),
        Dense(1, activation=Tanh()),
    )
    heads = parallel(named("policy", policy), named("value", value), join="tuple")
    model = serial(
        *conv_norm_relu(filters, 3),
        *rectified([_block(filters)] * blocks),
        named("heads", heads),
    )

    def init(key, input_shape):
        shape = check_shape("board_tower", input_shape)
        if len(shape) != 3 or shape[0] != planes:
            raise ValueError(
                f"board_tower: input_shape must be ({planes} planes, rows, columns), "
                f"got {shape}. Set planes to the number of input channels."
            )
        return model.init(key, shape)

    return dataclasses.replace(model, init=init)


def _block(filters: int) -> Layer:
    return residual(*conv_norm_relu(filters, 3), *conv_norm(filters, 3))
