"""Call a map as its author would, and say what went wrong if it fails.

A map that raises, or does not return an array, ends the checks. The report then says
which map it was, how it was called, and whether it works with its arguments exchanged.
"""

import inspect
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.check.modes import first_line
from jaxconv.check.report import Failure, Report, Row
from jaxconv.conv.operands import OPERANDS

Map = Callable[[Any, Any], Any]
Shape = tuple[int, ...]

GRADIENTS = ("input_grad", "param_grad")

_OTHERS = (  # folders whose frames in a traceback are not the map's own
    *(str(Path(inspect.getfile(module)).parent) for module in (jax, np)),
    str(Path(__file__).parent.parent),
)


class MapError(Exception):
    """A map raised, or did not return an array."""

    def __init__(self, name: str, problem: str) -> None:
        """Keep the map's name and what happened."""
        super().__init__(f"{name} {problem}")
        self.row = Row("runs", name, 1, np.inf)
        self.failure = Failure("runs", name, problem)

    @property
    def report(self) -> Report:
        """The failure alone."""
        return Report((self.row,), (self.failure,))


def call_map(
    maps: Mapping[str, Map], name: str, a: Any, b: Any, shape: Shape | None = None
) -> Any:
    """Call a map and return its result, an array.

    `shape` is the shape that the result should have, for hints; None if unknown.

    Raises:
      MapError: the map raised, or did not return an array.
    """
    try:
        result = maps[name](a, b)
    except Exception as error:
        problem = f"raised {_describe(error)}, {called(name, a, b)}"
        problem += hint(maps, name, a, b, shape)
        raise MapError(name, problem) from error
    if isinstance(result, jax.Array) and _is_number(result.dtype):
        return result
    array, what = _as_numpy(result)
    if array is None:
        problem = f"returned {what}, {called(name, a, b)}"
        raise MapError(name, problem + hint(maps, name, a, b, shape))
    return array


def hint(
    maps: Mapping[str, Map], name: str, a: Any, b: Any, shape: Shape | None
) -> str:
    """Say if a map works once its arguments, or both gradients, are exchanged."""
    first, second, _ = OPERANDS[name]
    if _works(maps[name], b, a, shape):
        what = "an array" if shape is None else "the right shape"
        return (
            f". With its arguments exchanged it returns {what}: it is called as "
            f"{name}({first}, {second})"
        )
    if name in GRADIENTS and shape is not None:
        (other,) = set(GRADIENTS) - {name}
        if _works(maps[other], a, b, shape) or _works(maps[other], b, a, shape):
            return f". {other} does what {name} should: are the two exchanged?"
    return ""


def _works(function: Map, a: Any, b: Any, shape: Shape | None) -> bool:
    try:
        array, _ = _as_numpy(function(a, b))
    except Exception:  # it does not
        return False
    return array is not None and shape in (None, array.shape)


def _as_numpy(result: Any) -> tuple[np.ndarray | None, str]:
    """Return a result as an array of numbers, or None and what it is instead."""
    if result is None:
        return None, "None (is its return missing?)"
    if isinstance(result, tuple | list | dict):
        return None, f"a {type(result).__name__} of {len(result)}, no array"
    try:
        array = np.asarray(result)
    except Exception as error:  # arrays of other libraries may raise anything
        return None, f"a {type(result).__name__}, no array: {first_line(error)}"
    if _is_number(array.dtype):
        return array, ""
    return None, f"a {type(result).__name__}, no array of numbers"


def _is_number(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.number) or jnp.issubdtype(dtype, jnp.bool_)


def called(name: str, a: Any, b: Any) -> str:
    """Say how a map was called."""
    first, second, _ = OPERANDS[name]
    shown = [jax.typeof(array).str_short() for array in (a, b)]
    return f"called as {name}({first}, {second}) with {shown[0]} and {shown[1]}"


def _describe(error: Exception) -> str:
    """Return an exception's type, first line, and where in the map it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_OTHERS)]
    where = f" ({Path(own[0].filename).name}, line {own[0].lineno})" if own else ""
    return first_line(error) + where
