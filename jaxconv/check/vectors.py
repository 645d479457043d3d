"""A function of pytrees as a function of one vector of float64."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from jaxconv.check.options import check_sizes

Function = Callable[[Array], Array]

_UNTRACEABLE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


class Point(NamedTuple):
    """Where a function is differentiated: all real leaves as one vector."""

    vector: Array
    names: list[str]  # of the vector's elements
    function: Function  # of the vector, to a vector
    rounding: float  # the relative rounding error of the function's values


def as_vector(fun: Callable[..., Any], args: tuple, caller: str) -> Point:
    """Return `fun` as a function of one vector.

    Raises:
      ValueError: the arguments or the results hold no real array. An exception of
        `fun` itself gets a note that says how it was called.
    """
    paths, tree = jax.tree_util.tree_flatten_with_path(args)
    places = [f"args{jax.tree_util.keystr(path)}" for path, _ in paths]
    pairs = zip(places, paths, strict=True)
    leaves = [_as_leaf(place, leaf, caller) for place, (_, leaf) in pairs]
    real = [jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves]
    if not any(real):
        raise ValueError(
            f"{caller}: args must hold a real floating-point array, got "
            f"{[str(leaf.dtype) for leaf in leaves]}. Give the real and the imaginary "
            "part of complex arrays as two."
        )
    triples = list(zip(places, leaves, real, strict=True))
    free = [leaf.astype("float64") for _, leaf, mine in triples if mine]
    names = [
        f"{place}{list(index) if index else ''}"
        for place, leaf, mine in triples
        if mine
        for index in np.ndindex(leaf.shape)
    ]
    check_sizes(caller, "the real arrays of args", *(leaf.shape for leaf in free))
    vector, restore = ravel_pytree(free)

    def results(vector: Array) -> list[Array]:
        given = iter(restore(vector))
        full = [next(given) if mine else leaf for _, leaf, mine in triples]
        found = map(jnp.asarray, jax.tree.leaves(fun(*jax.tree.unflatten(tree, full))))
        return [r for r in found if jnp.issubdtype(r.dtype, jnp.floating)]

    def function(vector: Array) -> Array:
        return jnp.concatenate(
            [jnp.ravel(result).astype("float64") for result in results(vector)]
        )

    shapes = [
        f"{place} {jax.typeof(leaf.astype('float64') if mine else leaf).str_short()}"
        for place, leaf, mine in triples
    ]
    types = _types_of(
        results, vector, f"{caller}: fun was called with {', '.join(shapes)}"
    )
    if not types:
        raise ValueError(
            f"{caller}: fun must return a real floating-point array, got none. Is its "
            "return missing?"
        )
    rounding = max(float(jnp.finfo(dtype).eps) for dtype in types)
    return Point(vector, names, function, rounding)


def _as_leaf(place: str, leaf: Any, caller: str) -> Array:
    try:
        return jnp.asarray(leaf)
    except Exception as error:
        raise ValueError(
            f"{caller}: args must hold arrays, got a {type(leaf).__name__} at {place}. "
            "Bind it with functools.partial."
        ) from error


def _types_of(
    results: Callable[[Array], list[Array]], vector: Array, called: str
) -> list[Any]:
    """Return the types of the results, and say how `fun` was called if it raises."""
    try:
        return [result.dtype for result in jax.eval_shape(results, vector)]
    except Exception as error:
        error.add_note(f"{called}, by jax.eval_shape.")
        if isinstance(error, _UNTRACEABLE):
            error.add_note(
                "It must be written with jax.numpy, not NumPy, and branch on no value; "
                "check_bilinear takes functions that JAX cannot trace."
            )
        raise
