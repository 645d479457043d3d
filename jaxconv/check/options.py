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
    """Return `dtype` if it is floating-point or complex."""
    try:
        kind: Any = jnp.dtype(dtype)
    except TypeError:
        kind = None
    if kind is None or not jnp.issubdtype(kind, jnp.inexact):
        raise ValueError(
            f"{caller}: dtype must be floating-point or complex, which gradients need, "
            f"got {kind or repr(dtype)}."
        )
    return kind


def is_switched_on(kind: Any) -> bool:
    """Return whether JAX has a type: the long ones only if asked."""
    return jax.dtypes.canonicalize_dtype(kind) == kind


def long_type_error(caller: str, kind: Any) -> ValueError:
    """Return the error of a JAX function that is to compute in a long type."""
    return ValueError(
        f"{caller}: {kind} needs 64-bit types switched on: call it inside "
        "`with jax.enable_x64(True):`."
    )


def check_scale(caller: str, scale: Any, batched: bool) -> None:
    """Raise unless `scale` is None or "batch", and there is a batch."""
    if scale is None:
        return
    if not isinstance(scale, str) or scale != "batch":
        raise ValueError(
            f'{caller}: scale must be None or "batch", for a filter gradient that is '
            f"divided by the batch on purpose, got {scale!r}."
        )
    if not batched:
        raise ValueError(
            f'{caller}: scale="batch" needs an axis of x that is the batch. Name it by '
            'N in layout, as in layout="NHWC/HWIO", or "NC/IO" for matrices.'
        )


def check_timeout(caller: str, value: Any) -> None:
    """Raise unless `value` is None or a positive number of seconds."""
    number = isinstance(value, float) or is_int(value)
    if value is not None and not (number and 0 < value < float("inf")):
        raise ValueError(
            f"{caller}: timeout must be None or a number of seconds above 0, got "
            f"{value!r}."
        )


def check_gradients_given(
    caller: str, input_grad: Any, param_grad: Any, backward: Any
) -> None:
    """Raise unless there is one gradient at least, and `backward` alone or none."""
    if backward is not None:
        if input_grad is not None or param_grad is not None:
            raise ValueError(
                f"{caller}: backward stands for both gradients, got it beside "
                f"{'input_grad' if input_grad is not None else 'param_grad'}. Give "
                "one or the other."
            )
        check_callable(caller, "backward", backward, "(x, w, g)")
    elif input_grad is None and param_grad is None:
        raise ValueError(
            f"{caller}: a gradient must be given: input_grad(g, w), param_grad(x, g), "
            "both, or backward(x, w, g) -> (dx, dw)."
        )


def check_shape_given(caller: str, operand: str, shape: Any) -> None:
    """Raise if a shape is missing."""
    if shape is None:
        raise ValueError(
            f"{caller}: {operand}_shape is missing: write the shape of {operand}, as "
            f"in {operand}_shape=(2, 3, 8, 8)."
        )


def _kind(value: Any) -> str:
    if isinstance(value, jax.Array):
        return "an array"
    return f"a {type(value).__name__}"
