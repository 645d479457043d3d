"""Bring kernels of other forms to the form that `check_bilinear` calls.

A layer that keeps its input between `forward` and `backward`, a function that returns
both gradients, and a JAX function with a rule of its own become

    output(x, w) -> y        backward(x, w, g) -> (dx, dw)
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.check.layer_state import (
    Kept,
    ParamGrad,
    check_makes_layers,
    method_of,
)
from jaxconv.check.options import check_callable
from jaxconv.conv.arguments.keywords import names_arguments

Backward = Callable[[Any, Any, Any], Any]
Map = Callable[[Any, Any], Any]
Shape = tuple[int, ...]

_MISFITS = (TypeError, ValueError, IndexError)  # of arguments in another order


class OfLayer(NamedTuple):
    """A layer as two functions without memory."""

    output: Map
    backward: Backward


@names_arguments
def of_layer(
    make_layer: Callable[[Any], Any],
    *,
    forward: str = "forward",
    backward: str = "backward",
    param_grad: str | None = None,
    fresh: bool = False,
) -> OfLayer:
    """Return the functions `output` and `backward` of a layer that keeps state.

    Args:
      make_layer: `w -> layer`, a layer whose filters are `w`.
      forward: the name of its method `x -> y`.
      backward: the name of its method `g -> dx` or `g -> (dx, dw)`.
      param_grad: where `dw` is if `backward` does not return it: an attribute, as "dW",
        or an entry of one, as "grads.W". None: the array of the shape of `w` that
        `backward` sets.
      fresh: whether each call gets a new layer. By default a layer is kept as long as
        `w` is the same, as in training, so that what it fails to clear shows.

    Raises:
      ValueError: `make_layer` is no function.

    >>> class Scale:
    ...     def __init__(self, w):
    ...         self.w = w
    ...
    ...     def forward(self, x):
    ...         self.x = x
    ...         return self.w * x
    ...
    ...     def backward(self, g):
    ...         self.dw = self.x * g
    ...         return self.w * g
    >>> output, backward = of_layer(Scale)
    >>> output(3.0, 2.0), backward(3.0, 2.0, 1.0)
    (6.0, (2.0, 3.0))
    """
    check_makes_layers(make_layer, forward)
    kept = Kept(make_layer, fresh)
    gradient = ParamGrad(param_grad)

    def output(x: Any, w: Any) -> Any:
        return method_of(kept.layer(w), forward, "forward")(x)

    def both(x: Any, w: Any, g: Any) -> tuple[Any, Any]:
        layer = kept.layer(w)
        method_of(layer, forward, "forward")(x)
        call = method_of(layer, backward, "backward")
        gradient.look_before(layer)
        result = call(g)
        if isinstance(result, tuple | list) and len(result) > 1:
            return result[0], result[1]
        return result, gradient.after(layer, np.shape(w))

    return OfLayer(output, both)


@names_arguments
def of_vjp(output: Map) -> Backward:
    """Return `backward` of a JAX function: the derivative that JAX takes of it.

    That of `jax.custom_vjp` is its own rule.

    >>> of_vjp(lambda x, w: x * w)(3.0, 2.0, 1.0)[1].item()
    3.0
    """
    check_callable("of_vjp", "output", output, "(x, w)")

    def backward(x: Any, w: Any, g: Any) -> tuple[Any, Any]:
        y, pull = jax.vjp(output, x, w)
        return pull(jnp.asarray(g, y.dtype))

    return backward


@names_arguments
def from_backward(
    backward: Backward, x_shape: Sequence[int], w_shape: Sequence[int]
) -> tuple[Map, Map]:
    """Return `input_grad(g, w)` and `param_grad(x, g)` of one function for both.

    The gradient at `x` depends on `w` and `g` alone: `x` is then filled with fixed
    whole numbers, and so is `w` for the gradient at `w`.

    Args:
      backward: `(x, w, g) -> (dx, dw)`; what it returns beyond them is left out.
      x_shape: the shape of `x`.
      w_shape: the shape of `w`.

    Raises:
      ValueError: from the functions, if `backward` returns no pair, exchanges its
        results, or takes its arguments in another order.
    """
    check_callable("from_backward", "backward", backward, "(x, w, g)")
    shapes = tuple(x_shape), tuple(w_shape)
    fill_x, fill_w = map(_filling, shapes)

    def input_grad(g: Any, w: Any) -> Any:
        _check_shape("w", w, shapes[1])
        return _both(backward, shapes, _like(g, fill_x), w, g)[0]

    def param_grad(x: Any, g: Any) -> Any:
        _check_shape("x", x, shapes[0])
        return _both(backward, shapes, x, _like(g, fill_w), g)[1]

    return input_grad, param_grad


def _check_shape(name: str, array: Any, shape: Shape) -> None:
    if np.shape(array) != shape:
        raise ValueError(
            f"from_backward: {name} must have the shape {shape}, got {np.shape(array)}."
        )


def _both(
    backward: Backward, shapes: tuple[Shape, Shape], x: Any, w: Any, g: Any
) -> Sequence[Any]:
    """Call `backward`; raise if its results or its arguments are exchanged."""
    try:
        result = backward(x, w, g)
    except _MISFITS as error:
        order = _other_order(backward, shapes, x, w, g)
        if order is None:
            raise
        raise ValueError(_misordered(order)) from error
    if not isinstance(result, tuple | list) or len(result) < 2:
        what = "None" if result is None else f"a {type(result).__name__}"
        raise ValueError(
            f"backward must return the pair (dx, dw), got {what}. Give one gradient "
            "alone as input_grad(g, w) or param_grad(x, g)."
        )
    found = tuple(map(np.shape, result[:2]))
    if found != shapes:
        if found == shapes[::-1]:
            raise ValueError(
                f"backward must return (dx, dw), of shapes {shapes[0]} and "
                f"{shapes[1]}, got {found[0]} and {found[1]}: the two are exchanged. "
                "Return dx first."
            )
        order = _other_order(backward, shapes, x, w, g)
        if order is not None:
            raise ValueError(_misordered(order))
    return result


def _other_order(
    backward: Backward, shapes: tuple[Shape, Shape], x: Any, w: Any, g: Any
) -> str | None:
    """Return the order of arguments with which `backward` gives the right shapes."""
    for order in list(itertools.permutations({"x": x, "w": w, "g": g}.items()))[1:]:
        try:
            result = backward(*(value for _, value in order))
            found = tuple(map(np.shape, result))[:2]
        except Exception:  # it does not work in this order either
            continue
        if found == shapes:
            return ", ".join(name for name, _ in order)
    return None


def _misordered(order: str) -> str:
    return (
        "backward must take (x, w, g), but gives the right shapes as "
        f"backward({order}). Write backward=lambda x, w, g: backward({order})."
    )


def _filling(shape: Shape) -> np.ndarray:
    """Return fixed whole numbers, none of them 0: one that is used shows."""
    rng = np.random.default_rng(1)
    return rng.choice((-3.0, -2.0, -1.0, 1.0, 2.0, 3.0), shape)


def _like(given: Any, filling: np.ndarray) -> Any:
    """Return the filling as an array of the library and type of another."""
    if isinstance(given, jax.Array):
        return jnp.asarray(filling, given.dtype)
    return np.array(filling, np.asarray(given).dtype)
