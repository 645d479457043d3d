"""A function with a gradient written by hand, in NumPy or anything else, not traced."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.check.modes import first_line
from jaxconv.check.vectors import Leaves, Point, as_one, is_real, rounding_of


class ByHandError(Exception):
    """A function, or its gradient, raised or did not return what it must."""


def by_hand(
    fun: Callable[..., Any], backward: Callable[..., Any], args: tuple, caller: str
) -> Point:
    """Return `fun` and `backward(*args, g)` as functions of one vector.

    Each call gets copies of its own, of the kind that was given: NumPy's arrays, JAX's,
    or numbers.

    Raises:
      ValueError: the arguments or the results hold no real array. An exception of
        `fun` itself gets a note that says how it was called.
    """
    leaves = Leaves(args, caller)

    def arguments(vector: np.ndarray) -> tuple:
        full = leaves.at(vector, leaves.given)
        handed = map(_own_copy, full, leaves.given)
        return jax.tree.unflatten(leaves.tree, list(handed))

    try:
        result = fun(*arguments(leaves.vector))
        shown = _real_parts(result)
    except Exception as error:
        error.add_note(f"{caller}: fun was called with {leaves}.")
        raise
    rounding = rounding_of([array.dtype for array in shown], caller)

    def function(vector: np.ndarray) -> np.ndarray:
        try:
            return as_one(_real_parts(fun(*arguments(vector))))
        except Exception as error:
            raise ByHandError(
                f"fun raised {first_line(error)} at a small step from args"
            ) from error

    def gradient(weights: np.ndarray) -> list[np.ndarray]:
        g = _shaped(weights, result)
        try:
            given = backward(*arguments(leaves.vector), g)
        except Exception as error:
            raise ByHandError(f"backward raised {first_line(error)}") from error
        return _by_leaf(given, len(args), leaves)

    try:
        kinds = [part.dtype for part in gradient(np.ones_like(as_one(shown)))]
    except ByHandError:
        kinds = []  # the comparison meets it again, and reports it
    coarse = [float(jnp.finfo(kind).eps) for kind in kinds if kind.kind == "f"]
    return Point(
        leaves.vector,
        leaves.names,
        function,
        rounding,
        lambda weights: as_one(gradient(weights)),
        max(coarse, default=0.0),
    )


def _own_copy(value: Any, given: Any) -> Any:
    """Return a writable copy in the form of the leaf that was given."""
    if isinstance(given, jax.Array):
        return jnp.asarray(value)
    if isinstance(given, np.ndarray):
        return np.array(value)
    return value[()] if isinstance(value, np.ndarray) else value  # a number


def _real_parts(result: Any) -> list[np.ndarray]:
    parts = [np.asarray(leaf) for leaf in jax.tree.leaves(result)]
    return [part for part in parts if is_real(part)]


def _shaped(weights: np.ndarray, result: Any) -> Any:
    """Return weights in the form of a function's result; 0 where it is not real."""
    flat, tree = jax.tree.flatten(result)
    parts, at = [], 0
    for leaf in flat:
        array = np.asarray(leaf)
        part = np.zeros_like(array)
        if is_real(array):
            part = weights[at : at + array.size].reshape(array.shape)
            at += array.size
        parts.append(_own_copy(part, leaf))
    return jax.tree.unflatten(tree, parts)


def _by_leaf(given: Any, count: int, leaves: Leaves) -> list[np.ndarray]:
    """Return the gradient at each real leaf.

    Raises:
      ByHandError: there is none for a leaf, or it has another shape.
    """
    forms = [given] if isinstance(given, tuple | list) else []
    if count == 1:  # the gradient at a single argument may stand by itself
        forms.append((given,))
    if not forms:
        raise ByHandError(
            f"backward must return a tuple of {count} gradients, one for each of args, "
            f"got a {type(given).__name__}"
        )
    found = [_places(form) for form in forms]
    fitting = [places for places in found if leaves.shapes.keys() <= places.keys()]
    places = (fitting or found)[0]
    gradients = []
    for place, shape in leaves.shapes.items():
        if place not in places:
            raise ByHandError(
                f"backward must return a gradient at {place}, got gradients at "
                f"{', '.join(places) or 'nothing'}"
            )
        if np.shape(places[place]) != shape:
            raise ByHandError(
                f"backward must return a gradient of shape {shape} at {place}, got "
                f"{np.shape(places[place])}"
            )
        gradients.append(np.asarray(places[place]))
    return gradients


def _places(form: Any) -> dict[str, Any]:
    paths, _ = jax.tree_util.tree_flatten_with_path(tuple(form))
    return {f"args{jax.tree_util.keystr(path)}": leaf for path, leaf in paths}
