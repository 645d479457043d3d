"""Convolution in JAX from first principles, with gradients written by hand.

`jaxconv.chapter` is the place to begin reading; `conv` is the engine. `patch` and
`jaxconv.compat` put it under existing models. The layers are in `jaxconv.nn`, MNIST in
`jaxconv.data`, the training loop in `jaxconv.train`.
"""

from jaxconv import _program as _program  # first: it catches Ctrl-C from here on
from jaxconv.compat import conv_general_dilated
from jaxconv.conv.api import conv, conv_input_grad, conv_param_grad
from jaxconv.conv.explain import Explanation, explain
from jaxconv.conv.per_example import per_example_grad_norms
from jaxconv.conv.transpose import conv_transpose
from jaxconv.patching import patch

__all__ = [
    "Explanation",
    "conv",
    "conv_general_dilated",
    "conv_input_grad",
    "conv_param_grad",
    "conv_transpose",
    "explain",
    "patch",
    "per_example_grad_norms",
]
__version__ = "0.1.0"
