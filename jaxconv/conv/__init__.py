"""Convolution with hand-written gradients: one engine, several algorithms."""

from jaxconv.conv.api import conv, conv_input_grad, conv_param_grad
from jaxconv.conv.explain import Explanation, explain
from jaxconv.conv.per_example import per_example_grad_norms
from jaxconv.conv.transpose import conv_transpose

__all__ = [
    "Explanation",
    "conv",
    "conv_input_grad",
    "conv_param_grad",
    "conv_transpose",
    "explain",
    "per_example_grad_norms",
]
