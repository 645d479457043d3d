"""Types of number: what a convolution computes in, and how exactly it multiplies."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.lax import DotAlgorithmPreset, Precision
from jax.typing import DTypeLike

from jaxconv.conv.arguments.arrays import as_array
from jaxconv.conv.arguments.settings import refused

_AS_THEY_ARE = {
    jnp.dtype(name)
    for name in ("bfloat16", "float16", "float32", "complex64", "int32", "uint32")
}

PrecisionLike = str | Precision | Sequence[str | Precision] | None


def common_type(
    caller: str, preferred: DTypeLike | None, **arrays: Any
) -> tuple[Array, ...]:
    """Convert the arrays to the type that is computed in; see `common_dtype`.

    Raises:
      ValueError: an argument is not an array of numbers, or `preferred` cannot hold
        what the arrays hold.
    """
    if preferred is None and _are_alike(arrays.values()):
        return tuple(arrays.values())
    values = {name: as_array(caller, name, array) for name, array in arrays.items()}
    dtype = common_dtype(caller, preferred, **values)
    return tuple(value.astype(dtype) for value in values.values())


def common_dtype(
    caller: str, preferred: DTypeLike | None, **arrays: Array | jax.ShapeDtypeStruct
) -> Any:
    """Return the type that is computed in: that of the arrays, promoted, or wider.

    Booleans and integers shorter than int32 become int32; `preferred` decides if given.

    Raises:
      ValueError: `preferred` cannot hold what the arrays hold.
    """
    dtype = jnp.result_type(*arrays.values())
    if preferred is not None:
        wanted = _as_dtype(caller, preferred)
        with jax.numpy_dtype_promotion("standard"):  # asked for, so not implicit
            both = jnp.promote_types(dtype, wanted)
        if both != wanted:
            held = " and ".join(f"{name} {a.dtype}" for name, a in arrays.items())
            raise ValueError(
                f"{caller}: preferred_element_type must hold what the operands hold, "
                f"got {wanted} for {held}. Use {both}, or convert the result."
            )
        return wanted
    if jnp.issubdtype(dtype, jnp.bool_) or (
        jnp.issubdtype(dtype, jnp.integer) and jnp.iinfo(dtype).bits < 32
    ):
        return jnp.dtype("int32")
    return dtype


def as_precision(precision: PrecisionLike, caller: str) -> Precision | None:
    """Return one precision for both operands: of two, the higher.

    None stands for what `jax.default_matmul_precision` says.

    Raises:
      ValueError: there is no such precision for a convolution.
    """
    if precision is None:
        precision = jax.config.values["jax_default_matmul_precision"]
        if precision is None or precision in DotAlgorithmPreset.__members__:
            return None  # such an algorithm is for products of matrices alone
    names: Sequence[Any] = (precision,)
    if isinstance(precision, list | tuple) and len(precision) == 2:
        names = precision
    try:
        found = [Precision(name) for name in names if name is not None]
    except (TypeError, ValueError):
        found = []
    if len(found) < len(names):
        raise ValueError(
            f'{caller}: precision must be None, or one of "default", "high", "highest" '
            "and other jax.lax.Precision, or two of these, one for each operand, got "
            f"{precision!r}."
        )
    return max(found, key=lambda one: one.value)


def _are_alike(arrays: Iterable[Any]) -> bool:
    """Return whether all are arrays of one type that needs no conversion."""
    dtypes = {a.dtype if isinstance(a, jax.Array) else None for a in arrays}
    return len(dtypes) == 1 and dtypes <= _AS_THEY_ARE


def _as_dtype(caller: str, preferred: DTypeLike) -> Any:
    """Return the type that `preferred` names; `float`, say, is JAX's default float."""
    try:
        wanted: Any = None if hasattr(preferred, "ndim") else jnp.dtype(preferred)
    except TypeError:
        wanted = None
    if wanted is None or not jnp.issubdtype(wanted, jnp.number):
        shown = preferred if wanted is None else wanted
        raise refused(caller, "preferred_element_type", "a type of number", shown)
    there = jax.dtypes.canonicalize_dtype(wanted)
    if there != wanted and preferred not in (int, float, complex):
        raise ValueError(
            f"{caller}: preferred_element_type {wanted} needs the 64-bit types of JAX, "
            'which are off. Switch them on, jax.config.update("jax_enable_x64", True), '
            f"call inside `with jax.enable_x64(True):`, or use {there}."
        )
    return there
