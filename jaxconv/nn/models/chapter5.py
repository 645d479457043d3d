"""The model of the chapter's experiment."""

from jaxconv.conv.methods.registry import Method
from jaxconv.nn.activations import Linear, Tanh
from jaxconv.nn.combine import serial
from jaxconv.nn.convolution import Conv2D
from jaxconv.nn.dense import Dense
from jaxconv.nn.layer import Layer


def chapter5(num_classes: int = 10, *, method: Method = "auto") -> Layer:
    """Build the chapter's experiment: one convolution, one dense layer.

    32 filters of 5 x 5, tanh, keeping 80 % of the units, then a linear layer of
    `num_classes`. `method` is the convolution's algorithm.

    Source: the chapter's experiment on MNIST (see `jaxconv.chapter`).
    """
    return serial(
        Conv2D(
            32,
            5,
            activation=Tanh(),
            dropout=0.8,
            weight_init="glorot",
            flatten=True,
            method=method,
        ),
        Dense(num_classes, activation=Linear(), weight_init="glorot"),
    )
