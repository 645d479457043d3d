"""Operands as arrays of numbers, and errors that say what else was given."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxconv.conv.arguments.settings import is_int

_TOO_SHORT = ("float8_e8m0fnu", "float4_e2m1fn")


def as_array(caller: str, name: str, value: Any) -> Array:
    """Return `value` as an array of numbers.

    Raises:
      ValueError: it is something else; the message says what.
    """
    try:
        array = jnp.asarray(value)
    except Exception as error:  # arrays of other libraries raise anything
        what, advice = _describe(value, error)
        raise ValueError(
            f"{caller}: {name} must be an array of numbers, got {what}.{advice}"
        ) from error
    check_dtype(caller, name, array.dtype)
    return array


def as_struct(caller: str, name: str, value: Any) -> jax.ShapeDtypeStruct:
    """Return the shape and type of an array, a struct, or a bare shape (float32).

    Raises:
      ValueError: it is none of these.
    """
    if isinstance(value, Sequence) and value and all(map(is_int, value)):
        return jax.ShapeDtypeStruct(tuple(map(int, value)), jnp.float32)
    try:
        shape, dtype = value.shape, jax.dtypes.canonicalize_dtype(value.dtype)
    except (AttributeError, TypeError):
        try:
            value = as_array(caller, name, value)
        except ValueError as error:
            raise ValueError(
                f"{error} Or give its shape, such as (8, 3, 32, 32) for float32, or a "
                "jax.ShapeDtypeStruct."
            ) from error
        shape, dtype = value.shape, value.dtype
    check_dtype(caller, name, dtype)
    return jax.ShapeDtypeStruct(tuple(shape), dtype)


def check_dtype(caller: str, name: str, dtype: Any) -> None:
    """Raise unless `dtype` is a type of number that can be padded and multiplied."""
    if not (jnp.issubdtype(dtype, jnp.number) or jnp.issubdtype(dtype, jnp.bool_)):
        raise ValueError(
            f"{caller}: {name} must be an array of numbers, got one of {dtype}."
        )
    if dtype.name in _TOO_SHORT:
        raise ValueError(
            f"{caller}: {name} is of {dtype}, which has no zero to pad with or "
            "cannot be multiplied on every device. Convert it to bfloat16."
        )


def _describe(value: Any, error: Exception) -> tuple[str, str]:
    """Return what a value is that JAX cannot make an array of, and what to do."""
    if value is None:
        return "None", ""
    if isinstance(value, dict):
        return f"a dict with the keys {list(value)}", " Give one of its arrays."
    if isinstance(value, jax.ShapeDtypeStruct):
        return "a ShapeDtypeStruct, which has no values", " Use jax.eval_shape."
    if isinstance(value, list | tuple):
        lengths = _uneven(value)
        if lengths is not None:
            return (
                f"a ragged list, whose items have lengths {lengths[0]} and "
                f"{lengths[1]} on axis {lengths[2]}",
                " Make them equally long.",
            )
    try:
        array = np.asarray(value)
    except Exception:  # anything again; `error` says what
        array = np.asarray(None)
    kind = array.dtype.kind
    if kind in "SU":
        return f"strings ({str(array.ravel()[0])!r})" if array.size else "strings", ""
    if kind == "O" and isinstance(value, list | tuple | np.ndarray):
        kinds = sorted({type(item).__name__ for item in array.ravel()})
        return f"objects ({', '.join(kinds)})", " Convert them to numbers."
    if kind not in "Obiufc":
        return f"an array of {array.dtype}", ""
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    return f"a {name.removeprefix('builtins.')}", f" It says: {error}"


def _uneven(value: Any, axis: int = 1) -> tuple[int, int, int] | None:
    """Return two lengths that differ among the items of a nested list, and their axis.

    An item that is a single number has length 0.
    """
    lengths = sorted({_length(item) for item in value})
    if len(lengths) > 1:
        return lengths[0], lengths[-1], axis
    nested = (_uneven(item, axis + 1) for item in value if isinstance(item, list))
    return next((found for found in nested if found), None)


def _length(item: Any) -> int:
    if isinstance(item, list | tuple):
        return len(item)
    return item.shape[0] if getattr(item, "ndim", 0) else 0
