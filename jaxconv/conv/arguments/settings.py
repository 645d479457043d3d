"""Settings as a caller gave them, brought to one form: a size or pair for each axis.

Every message begins with `caller`, the public function that was called.
"""

import numbers
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.export import is_symbolic_dim

from jaxconv.conv.arguments import hints
from jaxconv.conv.arguments.shapes import LARGEST, Pads, Shape

Sizes = int | Sequence[int]
Padding = str | int | Sequence[int | tuple[int, int]]


def as_shape(name: str, shape: Any, caller: str) -> Shape:
    """Return `shape`, that of the operand `name`, as a tuple of sizes.

    The batch of `x` may be symbolic, as in a program that `jax.export` makes.
    """
    sizes = _plain(shape)
    listed = isinstance(sizes, Sequence)
    batch = sizes[:1] if listed and name == "x" and _is_symbolic(sizes[:1]) else ()
    known = sizes[len(batch) :] if listed else ()
    if not listed or not all(is_int(n) and n >= 0 for n in known):
        hint = f"Write {name}.shape." if hasattr(shape, "shape") else ""
        if _is_symbolic(sizes):
            hint = "The batch of x alone may be symbolic."
        what = f"the shape of {name}"
        raise refused(caller, what, "a sequence of sizes", shape, hint)
    return (*batch, *map(int, known))


def per_axis(name: str, value: Any, axes: int, caller: str, least: int = 1) -> Shape:
    """Return `value` as one int of at least `least` for each spatial axis."""
    plain = _plain(value)
    values = (plain,) * axes if is_int(plain) else plain
    if (
        not isinstance(values, Sequence)
        or len(values) != axes
        or not all(is_int(v) and least <= v <= LARGEST for v in values)
    ):
        large = isinstance(values, Sequence) and any(
            is_int(v) and v > LARGEST for v in values
        )
        below = " and below 2**31" if large else ""
        raise refused(
            caller,
            name,
            f"an int of at least {least}{below}, or one for each of the {axes} spatial "
            "axes",
            value,
            hints.of_axes(values, axes),
        )
    return tuple(int(v) for v in values)


def as_pads(
    padding: Any, space: Shape, kernel: Shape, strides: Shape, caller: str
) -> Pads:
    """Return `padding` as a (low, high) pair for each spatial axis.

    `space` and `kernel` are the sizes once dilated.
    """
    if isinstance(padding, str):
        name = padding.upper()
        if name in ("SAME", "SAME_LOWER", "VALID"):
            pairs = lax.padtype_to_pads(space, kernel, strides, name)
            return tuple((int(low), int(high)) for low, high in pairs)
        if name == "CAUSAL":
            return tuple((k - 1, 0) for k in kernel)
    plain = _plain(padding)
    values = (plain,) * len(space) if is_int(plain) else plain
    if (
        isinstance(values, Sequence)
        and not isinstance(values, str)
        and len(values) == len(space)
    ):
        pairs = [(v, v) if is_int(v) else v for v in values]
        if all(
            isinstance(pair, Sequence) and len(pair) == 2 and all(map(is_int, pair))
            for pair in pairs
        ):
            return tuple((int(low), int(high)) for low, high in pairs)
    raise refused(
        caller,
        "padding",
        '"SAME", "SAME_LOWER", "VALID", "CAUSAL", an int, or an int or (low, high) '
        f"pair for each of the {len(space)} spatial axes",
        padding,
        hints.of_sides(values, len(space)),
    )


def as_limit(memory_limit: int | None, caller: str) -> int | None:
    """Return `memory_limit` if it is None or a number of bytes.

    Raises:
      ValueError: it is neither.
    """
    if memory_limit is None:
        return None
    if not is_int(memory_limit) or memory_limit < 1:
        expected = "None or a whole number of bytes, at least 1"
        raise refused(caller, "memory_limit", expected, memory_limit)
    return int(memory_limit)


def check_groups(groups: Any, caller: str) -> None:
    """Raise unless `groups` is a positive int."""
    if not is_int(groups) or groups < 1:
        raise refused(caller, "groups", "an int of at least 1", groups)


def is_int(value: Any) -> bool:
    """Return whether `value` is a whole number, NumPy's included, and no bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def refused(
    caller: str, name: str, expected: str, value: Any, hint: str = ""
) -> ValueError:
    """Return the error that says what `value` should have been.

    A value that JAX traces, inside jit for instance, has nothing to show.
    """
    traced = _first_traced(value)
    if traced is not None:
        return ValueError(
            f"{caller}: {name} must be static under jit, vmap and grad, got the traced "
            f"value {traced!r}. Name the argument that it comes from in "
            "jax.jit(..., static_argnames=...), or bind it with functools.partial "
            "before jit."
        )
    shape = getattr(value, "shape", ()) if getattr(value, "ndim", 0) > 1 else ()
    shown = f"an array of shape {tuple(shape)}" if shape else repr(value)
    return ValueError(
        f"{caller}: {name} must be {expected}, got {shown}.{hint and ' ' + hint}"
    )


def _first_traced(value: Any) -> Tracer | None:
    if isinstance(value, list | tuple):
        found = (_first_traced(part) for part in value)
        return next((traced for traced in found if traced is not None), None)
    return value if isinstance(value, Tracer) else None


def _plain(value: Any) -> Any:
    """Return arrays whose numbers are known as lists, anything else as it is."""
    if type(value) is int or isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        ints = all(type(part) is int for part in value)  # nearly always, and fast
        return value if ints else [_plain(part) for part in value]
    if isinstance(value, np.ndarray) or (
        isinstance(value, jax.Array) and not isinstance(value, Tracer)
    ):
        return value.tolist()
    return value


def _is_symbolic(shape: Any) -> bool:
    return isinstance(shape, Sequence) and any(map(is_symbolic_dim, shape))
