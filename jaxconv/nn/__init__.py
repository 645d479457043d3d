"""A functional micro-framework: layers as pure functions, params a plain pytree."""

from jaxconv.nn import kernels, models, visualize
from jaxconv.nn._safetensors import WeightsError
from jaxconv.nn.activations import (
    ELU,
    GELU,
    LeakyReLU,
    Linear,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
    elementwise,
)
from jaxconv.nn.batch_norm import BatchNorm
from jaxconv.nn.combine import dense_block, each, named, parallel, residual, serial
from jaxconv.nn.convolution import Conv, Conv1D, Conv2D, Conv3D
from jaxconv.nn.dense import Dense, Flatten
from jaxconv.nn.depthwise import Depthwise, Separable
from jaxconv.nn.describe import Description, Row, describe
from jaxconv.nn.dropout import Dropout
from jaxconv.nn.layer import Layer, Params, Shape, eval_shape, update
from jaxconv.nn.local_response import LocalResponseNorm
from jaxconv.nn.loss import softmax_cross_entropy
from jaxconv.nn.normalization import GroupNorm, LayerNorm
from jaxconv.nn.octave import OctConv2D
from jaxconv.nn.pooling import AvgPool, GlobalAvgPool, MaxPool
from jaxconv.nn.resize import Upsample
from jaxconv.nn.shortcut import PadChannels
from jaxconv.nn.standardize import weight_standardized
from jaxconv.nn.statistics import merge_statistics, split_statistics
from jaxconv.nn.summary import summary
from jaxconv.nn.torch_weights import from_torch, to_torch
from jaxconv.nn.transposed import ConvTranspose
from jaxconv.nn.weights import load, load_metadata, save

__all__ = [
    "ELU",
    "GELU",
    "AvgPool",
    "BatchNorm",
    "Conv",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "ConvTranspose",
    "Dense",
    "Depthwise",
    "Description",
    "Dropout",
    "Flatten",
    "GlobalAvgPool",
    "GroupNorm",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "MaxPool",
    "OctConv2D",
    "PadChannels",
    "Params",
    "ReLU",
    "ReLU6",
    "Row",
    "Separable",
    "Shape",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "Upsample",
    "WeightsError",
    "dense_block",
    "describe",
    "each",
    "elementwise",
    "eval_shape",
    "from_torch",
    "kernels",
    "load",
    "load_metadata",
    "merge_statistics",
    "models",
    "named",
    "parallel",
    "residual",
    "save",
    "serial",
    "softmax_cross_entropy",
    "split_statistics",
    "summary",
    "to_torch",
    "update",
    "visualize",
    "weight_standardized",
]
