"""Checks of the arguments of both checkers, before anything is run."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxconv.conv.arguments.settings import is_int

_MODES = ("fwd", "rev")


def check_count(caller: str, name: str, value: Any, most: int | None = None) -> None:
    """Raise unless `value` is a whole number from 1 to `most`."""
    if not is_int(value) or value < 1 or (most is not None and value > most):
        wanted = "an int of at least 1" if most is None else f"an int from 1 to {most}"
        raise ValueError(f"{caller}: {name} must be {wanted}, got {value!r}.")


def check_sizes(caller: str, name: str, *shapes: tuple[int, ...]) -> None:
    """Raise if an array has no elements: every check would hold."""
    if any(0 in shape for shape in shapes):
        shown = " and ".join(map(str, shapes))
        raise ValueError(f"{caller}: {name} must have elements, got {shown}.")


def check_seed(caller: str, seed: Any) -> None:
    """Raise unless `seed` is a valid seed for NumPy."""
    if not is_int(seed) or seed < 0:
        raise ValueError(f"{caller}: seed must be an int of at least 0, got {seed!r}.")


def check_callable(caller: str, name: str, value: Any, arguments: str) -> None:
    """Raise unless `value` can be called."""
    if not callable(value):
        raise ValueError(
            f"{caller}: {name} must be a function of {arguments}, got {value!r}."
        )


def check_amplification(caller: str, value: Any) -> None:
    """Raise unless `value` is None or a positive number."""
    number = isinstance(value, float) or is_int(value)
    if value is not None and not (number and 0 < value < float("inf")):
        raise ValueError(
            f"{caller}: amplification must be None or a number above 0, got {value!r}."
        )


def as_args(caller: str, args: Any) -> tuple:
    """Return a function's arguments as a tuple."""
    if not isinstance(args, tuple | list):
        raise ValueError(
            f"{caller}: args must be a tuple of the function's arguments, got "
            f"{_kind(args)}. For a single one write (x,)."
        )
    return tuple(args)


def as_modes(caller: str, modes: Any) -> tuple[str, ...]:
    """Return the modes of differentiation; a single one may be given by itself."""
    several = (modes,) if isinstance(modes, str) else modes
    if (
        not isinstance(several, Sequence)
        or not several
        or not all(mode in _MODES for mode in several)
    ):
        raise ValueError(
            f'{caller}: modes must be "fwd", "rev" or both, ("fwd", "rev"), got '
            f"{modes!r}."
        )
    return tuple(dict.fromkeys(several))


def as_inexact(caller: str, dtype: Any) -> Any:
    """Return `dtype` if it is floating-point or complex and JAX has it switched on."""
    try:
        kind: Any = jnp.dtype(dtype)
    except TypeError:
        kind = None
    if kind is None or not jnp.issubdtype(kind, jnp.inexact):
        raise ValueError(
            f"{caller}: dtype must be floating-point or complex, which gradients need, "
            f"got {kind or repr(dtype)}."
        )
    if jax.dtypes.canonicalize_dtype(kind) != kind:
        raise ValueError(
            f"{caller}: {kind} needs 64-bit types switched on: call it inside "
            "`with jax.enable_x64(True):`."
        )
    return kind


def _kind(value: Any) -> str:
    if isinstance(value, jax.Array):
        return "an array"
    return f"a {type(value).__name__}"
