"""Types of number: what a convolution computes in, and how exactly it multiplies."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.lax import Precision
from jax.typing import DTypeLike

PrecisionLike = str | Precision | Sequence[str | Precision] | None


def common_type(
    caller: str, preferred: DTypeLike | None, **arrays: Any
) -> tuple[Array, ...]:
    """Return the arrays in the type that is computed in: theirs, promoted, or wider.

    Whole numbers shorter than int32 become int32; `preferred` decides if given.

    Raises:
      ValueError: an argument is not an array of numbers, or `preferred` cannot hold
        what the arrays hold.
    """
    values = [_as_array(caller, name, array) for name, array in arrays.items()]
    dtype = jnp.result_type(*values)
    if preferred is not None:
        wanted = jnp.zeros((), preferred).dtype
        with jax.numpy_dtype_promotion("standard"):  # asked for, so not implicit
            both = jnp.promote_types(dtype, wanted)
        if both != wanted:
            raise ValueError(
                f"{caller}: preferred_element_type must hold what the operands hold, "
                f"got {wanted} for {_types(arrays, values)}. Use {both}, or convert "
                "the result."
            )
        dtype = wanted
    elif jnp.issubdtype(dtype, jnp.bool_) or (
        jnp.issubdtype(dtype, jnp.integer) and jnp.iinfo(dtype).bits < 32
    ):
        dtype = jnp.dtype("int32")
    return tuple(value.astype(dtype) for value in values)


def as_precision(precision: PrecisionLike, caller: str) -> Precision | None:
    """Return one precision for both operands: of two, the higher.

    None stands for what `jax.default_matmul_precision` says.

    Raises:
      ValueError: there is no such precision for a convolution.
    """
    if precision is None:
        precision = jax.config.values["jax_default_matmul_precision"]
        if precision is None:
            return None
    names: Sequence[Any] = (precision,)
    if isinstance(precision, list | tuple) and len(precision) == 2:
        names = precision
    try:
        found = [Precision(name) for name in names if name is not None]
    except (TypeError, ValueError):
        found = []
    if len(found) < len(names):
        raise ValueError(
            f'{caller}: precision must be None, "default", "high", "highest", a '
            "jax.lax.Precision, or two of them, one for each operand, got "
            f"{precision!r}."
        )
    return max(found, key=lambda one: one.value)


def _as_array(caller: str, name: str, array: Any) -> Array:
    try:
        value = jnp.asarray(array)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{caller}: {name} must be an array of numbers, got {type(array)}."
        ) from error
    if not (
        jnp.issubdtype(value.dtype, jnp.number)
        or jnp.issubdtype(value.dtype, jnp.bool_)
    ):
        raise ValueError(
            f"{caller}: {name} must be an array of numbers, got one of {value.dtype}."
        )
    return value


def _types(arrays: dict[str, Any], values: Sequence[Array]) -> str:
    pairs = zip(arrays, values, strict=True)
    return " and ".join(f"{name} {value.dtype}" for name, value in pairs)
