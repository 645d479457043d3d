"""Convolution in JAX from first principles, with gradients written by hand.

`jaxconv.chapter` is the place to begin reading; `conv` is the engine. The layers are in
`jaxconv.nn`, MNIST in `jaxconv.data`, the training loop in `jaxconv.train`.
"""

from jaxconv.conv.api import conv, conv_input_grad, conv_param_grad

__all__ = ["conv", "conv_input_grad", "conv_param_grad"]
__version__ = "0.1.0"
