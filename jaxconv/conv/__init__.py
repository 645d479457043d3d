"""Convolution with hand-written gradients: one engine, several algorithms."""

from jaxconv.conv.api import conv, conv_input_grad, conv_param_grad

__all__ = ["conv", "conv_input_grad", "conv_param_grad"]
