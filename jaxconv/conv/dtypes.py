"""Types of number: what a convolution computes in, and how exactly it multiplies."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.lax import DotAlgorithmPreset, Precision
from jax.typing import DTypeLike

_AS_THEY_ARE = {
    jnp.dtype(name)
    for name in ("bfloat16", "float16", "float32", "complex64", "int32", "uint32")
}
_TOO_SHORT = ("float8_e8m0fnu", "float4_e2m1fn")

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
    if preferred is None and _are_alike(arrays.values()):
        return tuple(arrays.values())
    values = [_as_array(caller, name, array) for name, array in arrays.items()]
    dtype = jnp.result_type(*values)
    if preferred is not None:
        wanted = _as_dtype(caller, preferred)
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
        if precision is None or precision in DotAlgorithmPreset.__members__:
            return None  # an algorithm for products of matrices says nothing here
    names: Sequence[Any] = (precision,)
    if isinstance(precision, list | tuple) and len(precision) == 2:
        names = precision
    try:
        found = [Precision(name) for name in names if name is not None]
    except (TypeError, ValueError):
        found = []
    if len(found) < len(names):
        raise ValueError(
            f'{caller}: precision must be None, "default", "high", "highest" or '
            "another jax.lax.Precision, or two of these, one for each operand, got "
            f"{precision!r}."
        )
    return max(found, key=lambda one: one.value)


def _are_alike(arrays: Iterable[Any]) -> bool:
    """Return whether all are of one type that is computed in as it is."""
    dtypes = {a.dtype if isinstance(a, jax.Array) else None for a in arrays}
    return len(dtypes) == 1 and dtypes <= _AS_THEY_ARE


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
    if value.dtype.name in _TOO_SHORT:
        raise ValueError(
            f"{caller}: {name} is of {value.dtype}, which has no zero to pad with or "
            "cannot be multiplied on every device. Convert it to bfloat16."
        )
    return value


def _as_dtype(caller: str, preferred: DTypeLike) -> Any:
    try:
        wanted = jnp.zeros((), preferred).dtype
    except TypeError as error:
        raise ValueError(
            f"{caller}: preferred_element_type must be a type of number, got "
            f"{preferred!r}."
        ) from error
    if not jnp.issubdtype(wanted, jnp.number):
        raise ValueError(
            f"{caller}: preferred_element_type must be a type of number, got {wanted}."
        )
    return wanted


def _types(arrays: dict[str, Any], values: Sequence[Array]) -> str:
    pairs = zip(arrays, values, strict=True)
    return " and ".join(f"{name} {value.dtype}" for name, value in pairs)
