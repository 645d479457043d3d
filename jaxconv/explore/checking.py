"""Check three functions by `check_bilinear`, and show where the first goes wrong."""

import ast
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.check import Failure, Report, check_bilinear

NAMES = ("output", "input_grad", "param_grad")
FILE = "<your code>"  # in tracebacks
_SHAPES = {"x_shape": (8,), "w_shape": (3,)}
_MOST_AXES, _MOST_ELEMENTS = 4, 256
_LONGEST = 20_000  # characters of a report
_MOST_CALLS = 8  # of a map, that are held against the output

Map = Callable[[Any, Any], Any]


class SourceError(ValueError):
    """Code that does not define the three functions, or cannot be run."""


def check_source(source: str) -> dict[str, Any]:
    """Run code that defines three functions, and check them.

    Raises:
      SourceError: it does not define them, or fails before they are called.
    """
    names = _run(source)
    calls: list[tuple[str, np.ndarray, np.ndarray, np.ndarray]] = []
    output, input_grad, param_grad = (
        _recorded(name, names[name], calls) for name in NAMES
    )
    x, w = (_shape(key, names.get(key, usual)) for key, usual in _SHAPES.items())
    report = check_bilinear(output, input_grad, param_grad, x, w)
    return _answer(report, _picture(report, calls, names["output"], (x, w)))


def _run(source: str) -> dict[str, Any]:
    """Return the names that the code defines."""
    names: dict[str, Any] = {"jax": jax, "jnp": jnp, "np": np, "__name__": FILE}
    try:
        exec(compile(ast.parse(source, FILE), FILE, "exec"), names)
    except SyntaxError as error:
        where = f" (line {error.lineno})" if error.lineno else ""
        raise SourceError(f"The code cannot be read: {error.msg}{where}.") from None
    except (Exception, SystemExit) as error:
        raise SourceError(f"The code stops: {_first_line(error)}") from None
    missing = [name for name in NAMES if not callable(names.get(name))]
    if missing:
        raise SourceError(
            "The code must define output(x, w), input_grad(g, w) and param_grad(x, g); "
            f"it lacks {' and '.join(missing)}."
        )
    return names


def _first_line(error: BaseException) -> str:
    line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _shape(name: str, value: Any) -> tuple[int, ...]:
    """Return a shape that the code sets, unless it is too large."""
    sizes = (value,) if type(value) is int else value
    right = (
        isinstance(sizes, tuple | list)
        and 0 < len(sizes) <= _MOST_AXES
        and all(type(n) is int and 0 < n <= _MOST_ELEMENTS for n in sizes)
        and int(np.prod(sizes)) <= _MOST_ELEMENTS
    )
    if not right:
        raise SourceError(
            f"{name} must be 1 to {_MOST_AXES} whole numbers with a product of at most "
            f"{_MOST_ELEMENTS}, got {repr(value)[:60]}."
        )
    return tuple(sizes)


def _recorded(name: str, function: Map, calls: list[Any]) -> Map:
    """Return the function; what it is called with and what it returns is noted."""

    def noted(a, b):
        result = function(a, b)
        if not any(isinstance(one, jax.core.Tracer) for one in (a, b, result)):
            calls.append((name, a, b, result))
        return result

    return noted


def _answer(report: Report, picture: dict[str, Any] | None) -> dict[str, Any]:
    text = str(report)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}\n..."
    failures = [
        {"map": one.map, "problem": one.problem, "pattern": one.pattern}
        for one in report.failures
    ]
    return {"ok": report.ok, "report": text, "failures": failures, "picture": picture}


def _picture(
    report: Report, calls: list[Any], output: Map, shapes: Sequence[tuple[int, ...]]
) -> dict[str, Any] | None:
    """Show a map that failed beside what the output says it should be.

    It is the output if that failed, as the gradients are judged by it, else the first.
    The operands are those of the report: of the calls with the wrong element that it
    names, or else the first but for those with ones only, which count the products.
    What the maps should be follows from the output alone, as it is linear: one call for
    each unit impulse. It is None if the result has another shape, or nothing differs.
    """
    if not report.failures:
        return None
    by_map = {failure.map: failure for failure in reversed(report.failures)}
    failure = by_map.get("output", report.failures[0])
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for name, a, b, result in calls:
        found = _array(result)
        if name != failure.map or found is None or _all_ones(a, b):
            continue
        if pairs and _at(failure.index, found) != failure.found:
            continue
        try:
            expected = _expected(name, _array(a), _array(b), output, shapes)
        except Exception:  # the code's own, or shapes that do not fit
            return None
        pairs.append((found, expected))
        if len(pairs) > _MOST_CALLS or _named(failure, found, expected):
            break
    named = [pair for pair in pairs if _named(failure, *pair)]
    if not pairs:
        return None
    found, expected = (named or pairs)[0]
    if expected.shape != found.shape or np.array_equal(found, expected):
        return None
    shown = {"found": found, "expected": expected, "wrong": found != expected}
    return {"map": failure.map} | {key: _rows(array) for key, array in shown.items()}


def _named(failure: Failure, found: np.ndarray, expected: np.ndarray) -> bool:
    """Return whether both have the numbers of the element that a failure names."""
    numbers = _at(failure.index, found), _at(failure.index, expected)
    return numbers == (failure.found, failure.expected)


def _at(index: Any, array: np.ndarray) -> Any:
    """Return the element at an index; None if there is none."""
    if index is None or len(index) != array.ndim:
        return None
    inside = all(i < size for i, size in zip(index, array.shape, strict=True))
    return array[tuple(index)] if inside else None


def _array(value: Any) -> Any:
    try:
        return np.asarray(value, np.float64)
    except Exception:  # of any kind: the code may return anything
        return None


def _all_ones(*operands: Any) -> bool:
    return all(bool(np.all(np.asarray(one) == 1)) for one in operands)


def _expected(
    name: str,
    a: np.ndarray,
    b: np.ndarray,
    output: Map,
    shapes: Sequence[tuple[int, ...]],
) -> np.ndarray:
    """Return a map's right result: sums of outputs for unit impulses."""
    x_shape, w_shape = shapes

    def at(x: Any, w: Any) -> np.ndarray:
        return np.asarray(output(jnp.float32(x), jnp.float32(w)), np.float64)

    if name == "output":
        pairs = zip(a.ravel(), _units(x_shape), strict=True)
        return sum(value * at(one, b) for value, one in pairs)
    if name == "input_grad":
        each = [np.sum(a * at(one, b)) for one in _units(x_shape)]
        return np.reshape(each, x_shape)
    each = [np.sum(b * at(a, one)) for one in _units(w_shape)]
    return np.reshape(each, w_shape)


def _units(shape: tuple[int, ...]) -> np.ndarray:
    """Return each array of one 1 and else zeros."""
    size = int(np.prod(shape))
    return np.eye(size, dtype=np.float32).reshape(size, *shape)


def _rows(array: np.ndarray) -> list[list[Any]]:
    """Return an array as rows; all axes but the last are counted down the rows."""
    return array.reshape(-1, array.shape[-1] if array.ndim else 1).tolist()
