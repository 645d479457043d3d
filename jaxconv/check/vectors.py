"""A function of pytrees as a function of one vector of float64."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxconv.check.options import check_sizes

Vector = Array | np.ndarray
Function = Callable[[Any], Any]  # of a vector, to a vector

_UNTRACEABLE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


class Point(NamedTuple):
    """Where a function is differentiated: all real leaves as one vector."""

    vector: Vector
    names: list[str]  # of the vector's elements
    function: Function  # of the vector, to a vector
    rounding: float  # the relative rounding error of the function's values
    pull: Function | None = None  # weights of the results to a gradient, if by hand
    pull_rounding: float = 0.0  # its relative rounding error


class Leaves:
    """The leaves of a function's arguments, the real ones also as one vector."""

    def __init__(self, args: tuple, caller: str) -> None:
        """Read them.

        Raises:
          ValueError: one is no array, or none holds real floating-point numbers.
        """
        paths, self.tree = jax.tree_util.tree_flatten_with_path(args)
        self.places = [f"args{jax.tree_util.keystr(path)}" for path, _ in paths]
        self.given = [leaf for _, leaf in paths]
        pairs = zip(self.places, self.given, strict=True)
        self.arrays = [_as_leaf(place, leaf, caller) for place, leaf in pairs]
        self.real = [is_real(leaf) for leaf in self.arrays]
        if not any(self.real):
            raise ValueError(
                f"{caller}: args must hold a real floating-point array, got "
                f"{[str(leaf.dtype) for leaf in self.arrays]}. Give the real and the "
                "imaginary part of complex arrays as two."
            )
        triples = zip(self.places, self.arrays, self.real, strict=True)
        self.shapes = {place: leaf.shape for place, leaf, mine in triples if mine}
        check_sizes(caller, "the real arrays of args", *self.shapes.values())
        free = zip(self.arrays, self.real, strict=True)
        self.vector = as_one([np.asarray(leaf) for leaf, mine in free if mine])

    @property
    def names(self) -> list[str]:
        """The names of the vector's elements."""
        return [
            f"{place}{list(index) if index else ''}"
            for place, shape in self.shapes.items()
            for index in np.ndindex(shape)
        ]

    def at(self, vector: Vector, constants: list) -> list:
        """Return all leaves: the real ones of a vector, the others of `constants`."""
        full, start = list(constants), 0
        for i, mine in enumerate(self.real):
            if mine:
                shape = self.arrays[i].shape
                size = int(np.prod(shape))
                full[i] = vector[start : start + size].reshape(shape)
                start += size
        return full

    def __str__(self) -> str:
        """Return the shape and type that each leaf is called with."""
        pairs = zip(self.arrays, self.real, strict=True)
        leaves = [leaf.astype("float64") if mine else leaf for leaf, mine in pairs]
        return ", ".join(
            f"{place} {jax.typeof(leaf).str_short()}"
            for place, leaf in zip(self.places, leaves, strict=True)
        )


def as_vector(fun: Callable[..., Any], args: tuple, caller: str) -> Point:
    """Return `fun` as a function of one vector.

    Raises:
      ValueError: the arguments or the results hold no real array. An exception of
        `fun` itself gets a note that says how it was called.
    """
    leaves = Leaves(args, caller)

    vector = jnp.asarray(leaves.vector)

    def results(vector: Array) -> list[Array]:
        full = leaves.at(vector, leaves.arrays)
        found = jax.tree.leaves(fun(*jax.tree.unflatten(leaves.tree, full)))
        return [leaf for leaf in map(jnp.asarray, found) if is_real(leaf)]

    def function(vector: Array) -> Array:
        found = results(vector)
        return jnp.concatenate([jnp.ravel(leaf).astype("float64") for leaf in found])

    try:
        types = [r.dtype for r in jax.eval_shape(results, vector)]
    except Exception as error:
        error.add_note(f"{caller}: fun was called with {leaves}, by jax.eval_shape.")
        if isinstance(error, _UNTRACEABLE):
            error.add_note(
                "It must be written with jax.numpy, not NumPy, and branch on no value; "
                "or give its gradient as backward=, to be compared with differences. "
                "check_bilinear takes functions that JAX cannot trace."
            )
        raise
    return Point(vector, leaves.names, function, rounding_of(types, caller))


def is_real(array: Array | np.ndarray) -> bool:
    """Return whether an array holds real floating-point numbers."""
    return jnp.issubdtype(array.dtype, jnp.floating)


def as_one(arrays: list[np.ndarray]) -> np.ndarray:
    """Return arrays as one vector of float64."""
    return np.concatenate([np.ravel(array).astype(np.float64) for array in arrays])


def rounding_of(types: list[Any], caller: str) -> float:
    """Return the relative rounding error of results, that of the shortest type.

    Raises:
      ValueError: there are none.
    """
    if not types:
        raise ValueError(
            f"{caller}: fun must return a real floating-point array, got none. Is its "
            "return missing?"
        )
    return max(float(jnp.finfo(dtype).eps) for dtype in types)


def _as_leaf(place: str, leaf: Any, caller: str) -> Array:
    try:
        return jnp.asarray(leaf)
    except Exception as error:
        raise ValueError(
            f"{caller}: args must hold arrays, got a {type(leaf).__name__} at {place}. "
            "Bind it with functools.partial."
        ) from error
