"""Who knows JAX's internals works here: the three maps as primitives."""

from jaxconv.conv.primitives.rules import PRIMITIVES, input_grad, output, param_grad

__all__ = ["PRIMITIVES", "input_grad", "output", "param_grad"]
