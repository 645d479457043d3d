"""Who knows JAX's internals works here: the three maps as primitives."""

from jaxconv.conv.primitives.rules import input_grad, output, param_grad

__all__ = ["input_grad", "output", "param_grad"]
