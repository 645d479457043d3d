"""Element-wise functions as layers."""

import numbers
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxconv.nn._checks import as_called, described
from jaxconv.nn._memory import channels_first, channels_last
from jaxconv.nn.layer import Layer, keeps_shape

Activation = Layer | Callable[[Array], Array]

# Of each number by itself: whatever the order of the axes.
_OF_EACH_NUMBER = (
    jax.nn.celu,
    jax.nn.elu,
    jax.nn.gelu,
    jax.nn.hard_sigmoid,
    jax.nn.hard_silu,
    jax.nn.hard_tanh,
    jax.nn.leaky_relu,
    jax.nn.log_sigmoid,
    jax.nn.mish,
    jax.nn.relu,
    jax.nn.relu6,
    jax.nn.selu,
    jax.nn.sigmoid,
    jax.nn.silu,
    jax.nn.soft_sign,
    jax.nn.softplus,
    jax.nn.squareplus,
    jnp.tanh,
)


def elementwise(function: Callable[[Array], Array], name: str = "elementwise") -> Layer:
    """Make a layer of a function that keeps the shape.

    Raises:
      ValueError: `function` is not a function of an array; from `apply`: it changed the
        shape.
    """
    plain = callable(function) and not isinstance(function, Layer)
    if not plain or as_called(function):
        raise ValueError(
            f"elementwise: function must take an array, got {described(function)}. "
            f"{_hint(function)}"
        )

    if any(function is known for known in _OF_EACH_NUMBER):
        return _of_each_number(function, name)

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


def _of_each_number(function: Callable[[Array], Array], name: str) -> Layer:
    """Make a layer of a function of each number by itself."""

    def apply(params, x, *, key=None):
        return channels_first(function(channels_last(jnp.asarray(x))))

    return Layer(keeps_shape(name), apply, name)


def Linear() -> Layer:
    """Return the input, an array or a tuple of arrays, as it is."""
    return Layer(keeps_shape("linear"), lambda params, x, *, key=None: x, "linear")


def Sigmoid() -> Layer:
    """Apply `1 / (1 + exp(-x))`."""
    return elementwise(jax.nn.sigmoid, "sigmoid")


def Tanh() -> Layer:
    """Apply the hyperbolic tangent."""
    return elementwise(jnp.tanh, "tanh")


def Softplus() -> Layer:
    """Apply `log(1 + exp(x))`."""
    return elementwise(jax.nn.softplus, "softplus")


def ReLU() -> Layer:
    """Apply `max(x, 0)`; the derivative at 0 is 0."""
    return elementwise(jax.nn.relu, "relu")


def ReLU6() -> Layer:
    """Apply `min(max(x, 0), 6)`; the derivative at 0 and 6 is 0, as in PyTorch.

    That of `jax.nn.relu6` is 1/2 there.
    """

    def relu6(x: Array) -> Array:
        y = jax.nn.relu(x)
        return jnp.where(y >= 6, jnp.full_like(y, 6), y)

    return _of_each_number(relu6, "relu6")


def LeakyReLU(slope: float = 0.01) -> Layer:
    """Apply `x` where it is at least 0, `slope * x` elsewhere.

    The derivative at 0 is 1; in PyTorch it is `slope`.
    """
    _check_number("LeakyReLU", "slope", slope)
    return _of_each_number(lambda x: jax.nn.leaky_relu(x, slope), "leaky_relu")


def ELU(alpha: float = 1.0) -> Layer:
    """Apply `x` where it is above 0, `alpha * (exp(x) - 1)` elsewhere."""
    _check_number("ELU", "alpha", alpha)
    return _of_each_number(lambda x: jax.nn.elu(x, alpha), "elu")


def GELU(*, approximate: bool = True) -> Layer:
    """Apply `x * P(X <= x)` for X of the standard normal distribution.

    The default approximates it by a tanh, as JAX's does; PyTorch's default is exact,
    `approximate=False`.

    Source: D. Hendrycks and K. Gimpel (2016), arXiv:1606.08415, section 2.
    """
    return _of_each_number(lambda x: jax.nn.gelu(x, approximate=approximate), "gelu")


def SiLU() -> Layer:
    """Apply `x / (1 + exp(-x))`, which is also called swish."""
    return elementwise(jax.nn.silu, "silu")


_BY_NAME = {
    make.__name__.lower(): make.__name__
    for make in (
        Linear,
        Sigmoid,
        Tanh,
        Softplus,
        ReLU,
        ReLU6,
        LeakyReLU,
        ELU,
        GELU,
        SiLU,
    )
} | {"swish": "SiLU", "identity": "Linear", "none": "Linear"}


def as_layer(caller: str, activation: Activation | None) -> Layer:
    """Return an activation as a layer.

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
    """Say what to write for a value that is not a function of an array."""
    if isinstance(activation, Layer):
        return "It is a layer already: use it as it is."
    if isinstance(activation, str):
        name = _BY_NAME.get(activation.lower().replace("_", ""))
        if name:
            return f"Write {name}()."
    call = as_called(activation)
    return f"Write {call}." if call else "Write a function such as jax.nn.gelu."


def _check_number(caller: str, name: str, value: object) -> None:
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise ValueError(f"{caller}: {name} must be a number, got {described(value)}.")
