"""Functions of each number alone, as layers."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxconv.nn._checks import as_called, described
from jaxconv.nn.layer import Layer, keeps_shape

Activation = Layer | Callable[[Array], Array]


def elementwise(function: Callable[[Array], Array], name: str = "elementwise") -> Layer:
    """Make a layer of a function that leaves the shape as it is.

    Raises:
      ValueError: `function` is none of an array; from `apply`: it changed the shape.
    """
    plain = callable(function) and not isinstance(function, Layer)
    if not plain or as_called(function):
        raise ValueError(
            f"elementwise: function must take an array, got {described(function)}. "
            f"{_hint(function)}"
        )

    def apply(params, x, *, key=None):
        y = function(x)
        if np.shape(y) != np.shape(x):
            raise ValueError(
                f"{name}: the function must keep the shape {np.shape(x)}, got "
                f"{np.shape(y)} from {described(function)}. Make a layer of it with "
                "Layer(init, apply)."
            )
        return y

    return Layer(keeps_shape(name), apply, name)


def Sigmoid() -> Layer:
    """Apply `1 / (1 + exp(-x))`."""
    return elementwise(jax.nn.sigmoid, "sigmoid")


def Tanh() -> Layer:
    """Apply the hyperbolic tangent."""
    return elementwise(jnp.tanh, "tanh")


def ReLU() -> Layer:
    """Apply `max(x, 0)`."""
    return elementwise(jax.nn.relu, "relu")


def Linear() -> Layer:
    """Leave the input as it is."""
    return elementwise(lambda x: x, "linear")


def as_layer(caller: str, activation: Activation | None) -> Layer:
    """Return what follows a layer: an activation as a layer.

    Raises:
      ValueError: it is neither a layer nor a function of an array.
    """
    if activation is None:
        return Linear()
    if isinstance(activation, Layer):
        return activation
    if callable(activation) and not as_called(activation):
        return elementwise(activation)
    raise ValueError(
        f"{caller}: activation must be a layer such as Tanh(), a function of an array, "
        f"or None, got {described(activation)}. {_hint(activation)}"
    )


def _hint(activation: object) -> str:
    """Say how what is no function of an array should be written."""
    if isinstance(activation, Layer):
        return "It is a layer already: use it as it is."
    for make in (Sigmoid, Tanh, ReLU, Linear):
        if isinstance(activation, str) and activation.lower() == make.__name__.lower():
            return f"Write {make.__name__}()."
    call = as_called(activation)
    return f"Write {call}." if call else "Write a function such as jax.nn.gelu."
