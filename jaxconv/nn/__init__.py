"""A functional micro-framework: layers as `init` and `apply`, params a plain pytree."""

from jaxconv.nn import models
from jaxconv.nn.activations import Linear, ReLU, Sigmoid, Tanh, elementwise
from jaxconv.nn.combine import dense_block, each, named, parallel, residual, serial
from jaxconv.nn.convolution import Conv, Conv1D, Conv2D, Conv3D
from jaxconv.nn.dense import Dense, Flatten
from jaxconv.nn.depthwise import Depthwise, Separable
from jaxconv.nn.dropout import Dropout
from jaxconv.nn.layer import Layer, Params, Shape, eval_shape, update
from jaxconv.nn.loss import softmax_cross_entropy
from jaxconv.nn.statistics import merge_statistics, split_statistics
from jaxconv.nn.summary import summary
from jaxconv.nn.transposed import ConvTranspose

__all__ = [
    "Conv",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "ConvTranspose",
    "Dense",
    "Depthwise",
    "Dropout",
    "Flatten",
    "Layer",
    "Linear",
    "Params",
    "ReLU",
    "Separable",
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
