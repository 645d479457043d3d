"""Call a map as its author would, and say what went wrong if it fails.

A map that raises, or does not return an array, takes no further part. The report then
says how it was called, and whether it works with its arguments exchanged.
"""

import inspect
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.check.causes import SHAPE
from jaxconv.check.handing import misuse_of, stir, surround
from jaxconv.check.limits import TimeLimitError, within
from jaxconv.check.modes import first_line
from jaxconv.check.report import Failure, Report, Row
from jaxconv.conv.operands import OPERANDS

Map = Callable[[Any, Any], Any]
Shape = tuple[int, ...]

GRADIENTS = ("input_grad", "param_grad")
EXCHANGED = "are the two exchanged?"  # said of both gradients

_OTHERS = (  # folders whose frames in a traceback are not the map's own
    *(str(Path(inspect.getfile(module)).parent) for module in (jax, np)),
    str(Path(__file__).parent.parent),
)
_OF_JAX = ("ArrayImpl", "read-only", "jax.Array")  # words of errors about JAX's arrays


class MapError(Exception):
    """A map raised, or did not return an array."""

    def __init__(
        self, name: str, problem: str, check: str = "runs", found: Shape | None = None
    ) -> None:
        """Keep the map's name and what happened; `found` is a wrong shape."""
        super().__init__(f"{name} {problem}")
        self.found = found
        self.row = Row(check, name, 1, np.inf)
        self.failure = Failure(check, name, problem)

    @property
    def report(self) -> Report:
        """The failure alone."""
        return Report((self.row,), (self.failure,))


class Caller:
    """Calls one map, with JAX's arrays or with copies in NumPy."""

    def __init__(
        self, maps: Mapping[str, Map], name: str, timeout: float | int | None = None
    ) -> None:
        """Take JAX's arrays, until `meet` finds out more."""
        self.maps, self.name, self.timeout = maps, name, timeout
        self.numpy = False
        self.dtype_by_numpy: Any = None  # of what it returns in NumPy for NumPy's
        self.misuse: tuple[str, str] | None = None  # of its arguments

    def __call__(
        self,
        a: np.ndarray,
        b: np.ndarray,
        dtype: Any,
        shape: Shape | None = None,
        around: int = 0,
        stirred: int = 0,
    ) -> Any:
        """Call the map; `around` and `stirred` choose what else memory holds.

        Raises:
          MapError: it raised, or did not return an array.
        """
        if not self.numpy:
            first, second = (jnp.asarray(array, dtype) for array in (a, b))
            return call_map(self.maps, self.name, first, second, shape, self.timeout)
        copies = surround(a, dtype, around), surround(b, dtype, around)
        if shape is not None:
            stir(int(np.prod(shape)) * copies[0].itemsize, stirred)
        result = call_map(self.maps, self.name, *copies, shape, self.timeout)
        self.misuse = self.misuse or misuse_of(self.name, (a, b), copies, result)
        return result

    def meet(
        self,
        a: np.ndarray,
        b: np.ndarray,
        dtype: Any,
        shape: Shape | None = None,
        jax_has_it: bool = True,
    ) -> Any:
        """Call the map for the first time, and find out which arrays it takes.

        They are JAX's if it returns them; else NumPy's, if it takes those. A type that
        JAX has not switched on is tried with NumPy alone.

        Raises:
          MapError: it raised with both, or did not return an array.
        """
        result, refusal = None, None
        if jax_has_it:
            try:
                result = self(a, b, dtype, shape)
            except MapError as error:
                if isinstance(error.__cause__, TimeLimitError):
                    raise
                refusal = error
        self.numpy = True
        try:
            found = self(a, b, dtype, shape)
        except MapError as error:
            self.numpy = False
            if refusal is not None:
                raise refusal if _is_of_the_map(refusal, error) else error from None
            if result is None:
                raise
            return result
        if not isinstance(found, jax.Array):
            self.dtype_by_numpy = found.dtype
        if isinstance(result, jax.Array):
            self.numpy = False
            return result
        return found


def _is_of_the_map(by_jax: MapError, by_numpy: MapError) -> bool:
    """Return whether the error with JAX's arrays tells more than that with NumPy's."""
    text = by_jax.failure.problem
    return not any(words in text for words in _OF_JAX)


def call_map(
    maps: Mapping[str, Map],
    name: str,
    a: Any,
    b: Any,
    shape: Shape | None = None,
    timeout: float | int | None = None,
) -> Any:
    """Call a map and return its result, an array.

    `shape` is the shape that the result should have, for hints; None if unknown.
    `timeout` is the number of seconds that it may take; None is without limit.

    Raises:
      MapError: the map raised, did not return an array, or took too long.
    """
    try:
        result, what = within(timeout, lambda: _as_array(maps[name](a, b)))
    except TimeLimitError as error:
        problem = f"{error}, {called(name, a, b)}. Does a loop in it ever end?"
        raise MapError(name, problem) from error
    except (Exception, SystemExit) as error:
        problem = f"raised {_describe(error)}, {called(name, a, b)}"
        problem += hint(maps, name, a, b, shape, timeout)
        raise MapError(name, problem) from error
    if result is None:
        problem = f"returned {what}, {called(name, a, b)}"
        raise MapError(name, problem + hint(maps, name, a, b, shape, timeout))
    if shape is not None and result.shape != shape:
        problem = (
            f"the result is {result.dtype}{result.shape}, not {a.dtype}{shape}, "
            f"{called(name, a, b)}{hint(maps, name, a, b, shape, timeout)}"
        )
        raise MapError(name, problem, SHAPE, result.shape)
    return result


def hint(
    maps: Mapping[str, Map],
    name: str,
    a: Any,
    b: Any,
    shape: Shape | None,
    timeout: float | int | None = None,
) -> str:
    """Say if a map works once its arguments, or both gradients, are exchanged."""
    first, second, _ = OPERANDS[name]

    def works(other: str, one: Any, two: Any) -> bool:
        return other in maps and _works(maps[other], one, two, shape, timeout)

    if works(name, b, a):
        what = "an array" if shape is None else "the right shape"
        return (
            f". With its arguments exchanged it returns {what}: it is called as "
            f"{name}({first}, {second})"
        )
    if name in GRADIENTS and shape is not None:
        (other,) = set(GRADIENTS) - {name}
        if works(other, a, b) or works(other, b, a):
            return f". {other} does what {name} should: {EXCHANGED}"
    return ""


def _works(
    function: Map, a: Any, b: Any, shape: Shape | None, timeout: float | int | None
) -> bool:
    given = [
        array.copy() if isinstance(array, np.ndarray) else array for array in (a, b)
    ]
    try:
        array, _ = within(timeout, lambda: _as_array(function(*given)))
    except (Exception, SystemExit):  # it does not
        return False
    return array is not None and shape in (None, array.shape)


def _as_array(result: Any) -> tuple[Any, str]:
    """Return a result as an array of numbers, or None and what it is instead."""
    if isinstance(result, jax.Array) and _is_number(result.dtype):
        return jax.block_until_ready(result), ""  # a callback raises here
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
    shown = [f"{array.dtype}[{','.join(map(str, array.shape))}]" for array in (a, b)]
    return f"called as {name}({first}, {second}) with {shown[0]} and {shown[1]}"


def _describe(error: BaseException) -> str:
    """Return an exception's type, first line, and where in the map it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_OTHERS)]
    own = [frame for frame in own if "/threading.py" not in frame.filename]
    where = f" ({Path(own[0].filename).name}, line {own[0].lineno})" if own else ""
    return first_line(error) + where
