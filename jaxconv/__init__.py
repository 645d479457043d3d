"""Convolution in JAX from first principles, with gradients written by hand.

    conv(x, w)                  x (batch, in, *space), w (in // groups, out, *kernel)
    conv_input_grad(g, w, input_shape=x.shape)       what jax.grad gives at x,
    conv_param_grad(x, g, kernel_shape=w.shape)      and at w
    conv_transpose(x, w)        w (in, out // groups, *kernel); padding by convention=
    per_example_grad_norms(x, g, kernel_shape=w.shape)
    explain(x, w)               what computes a convolution, why, and at what cost
    patch()                     a with block: other libraries run on jaxconv inside
    conv_general_dilated(...)   lax's arguments, computed here

    jaxconv.chapter             begin reading here: the maps as loops, with their
                                derivation: _output, _input_grad, _param_grad
    jaxconv.check               are gradients right? check_bilinear, check_gradients
    jaxconv.nn, data, train     layers, data sets, the training loop
    jaxconv.conv                the engine that all of these stand on

>>> import jax.numpy as jnp
>>> conv(jnp.ones((1, 1, 4)), jnp.ones((1, 1, 3)), padding="VALID").tolist()
[[[3.0, 3.0]]]
"""

import importlib
from typing import Any

from jaxconv import _program as _program  # first: it catches Ctrl-C from here on
from jaxconv.compat import conv_general_dilated
from jaxconv.conv.api import conv, conv_input_grad, conv_param_grad
from jaxconv.conv.explain import Explanation, explain
from jaxconv.conv.per_example import per_example_grad_norms
from jaxconv.conv.transpose import conv_transpose
from jaxconv.dropin.patching import patch

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


def __getattr__(name: str) -> Any:
    """Import a subpackage on its first use, as in `jaxconv.nn`."""
    if name in ("chapter", "check", "data", "nn", "train"):
        return importlib.import_module(f"jaxconv.{name}")
    raise AttributeError(f"module 'jaxconv' has no attribute {name!r}")
