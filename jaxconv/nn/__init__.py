"""A functional micro-framework: layers as `init` and `apply`, params a plain pytree."""

from jaxconv.nn import models
from jaxconv.nn.activations import Linear, ReLU, Sigmoid, Tanh, elementwise
from jaxconv.nn.combine import dense_block, each, named, parallel, residual, serial
from jaxconv.nn.convolution import Conv2D
from jaxconv.nn.dense import Dense, Flatten
from jaxconv.nn.dropout import Dropout
from jaxconv.nn.layer import Layer, Params, Shape, eval_shape, update
from jaxconv.nn.loss import softmax_cross_entropy
from jaxconv.nn.statistics import merge_statistics, split_statistics
from jaxconv.nn.summary import summary

__all__ = [
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "Layer",
    "Linear",
    "Params",
    "ReLU",
    "Shape",
    "Sigmoid",
    "Tanh",
    "dense_block",
    "each",
    "elementwise",
    "eval_shape",
    "merge_statistics",
    "models",
    "named",
    "parallel",
    "residual",
    "serial",
    "softmax_cross_entropy",
    "split_statistics",
    "summary",
    "update",
]
