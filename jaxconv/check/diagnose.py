"""Which elements of a gradient are wrong, and which mistake they look like."""

from typing import Any, NamedTuple

import numpy as np

from jaxconv.check.calling import MapError
from jaxconv.check.patterns import Source, locate, recognise
from jaxconv.check.patterns.source import MOST_ROWS
from jaxconv.check.trial import Index, Trial, dot, index_of, number
from jaxconv.conv.operands import OPERANDS

_MANY = 8  # wrong elements, after which the search stops


class Diagnosis(NamedTuple):
    """What is wrong with a gradient, and one of its wrong elements."""

    problem: str
    pattern: str | None = None
    at: Index | None = None
    found: Any = None
    expected: Any = None


def diagnose(trial: Trial, name: str, sums: dict[str, Any], forward: Any) -> Diagnosis:
    """Say which elements are wrong, and the mistake it looks like if one is recognised.

    Args:
      trial: the maps and operands.
      name: the gradient map.
      sums: `sum(gradient * operand)` of the gradients that there are.
      forward: `sum(g * output)`, which both sums should equal.
    """
    found = trial.results[name]
    inexact = np.any(trial.bound(name)) or np.any(trial.bound("output"))
    if len(sums) == 2 and sums["input_grad"] == sums["param_grad"] != forward:
        problem = "both gradients agree with each other and not with the output"
        return Diagnosis(problem, None if inexact else _blame(trial, name))
    if inexact:
        return Diagnosis("it differs by more than rounding explains")
    wrong = wrong_elements(trial, name)
    if not wrong:
        return Diagnosis("the sums differ, but no single element does")
    source = Source(trial, name)
    element = wrong[0], found[wrong[0]], source.at(wrong[0])
    words, pattern = _describe(source, found, wrong)
    problem = f"element {element[0]} is {number(element[1])}, expected "
    return Diagnosis(f"{problem}{number(element[2])}{words}", pattern, *element)


def _describe(
    source: Source, found: np.ndarray, wrong: list[Index]
) -> tuple[str, str | None]:
    """Say which other elements are wrong, and which mistake it looks like."""
    if len(wrong) < _MANY:
        others = f"; so are {', '.join(map(str, wrong[1:]))}" if wrong[1:] else ""
        right = found.copy()
        for at in wrong:
            right[at] = source.at(at)
        pattern = _recognise(Source(source.trial, source.name, right), found)
        return f"{others}; no other of {found.size:,} is wrong", pattern
    if not source.affordable:
        words = (
            f", and many others of {found.size:,} are wrong. On shapes of at most "
            f"{MOST_ROWS:,} elements the mistake may be named"
        )
        return words, None
    count = int((found != source.right).sum())
    where = locate(source, found)
    words = f"; {count:,} of {found.size:,} are wrong"
    words += "" if where is None else f", all at {where}"
    return words, _recognise(source, found)


def _blame(trial: Trial, name: str) -> str | None:
    """Return the mistake that one side makes, if the other makes none that is known."""
    of_gradient = _recognise_if_affordable(trial, name)
    of_output = _recognise_if_affordable(trial, "output")
    if of_output is None:
        return of_gradient
    if of_gradient is None:
        return f"the output is wrong: {of_output}"
    return f"{of_gradient}; or else the output is wrong: {of_output}"


def _recognise_if_affordable(trial: Trial, name: str) -> str | None:
    source = Source(trial, name)
    return _recognise(source, trial.results[name]) if source.affordable else None


def _recognise(source: Source, found: np.ndarray) -> str | None:
    try:
        return recognise(source, found)
    except MapError:  # of operands that it was not called with before
        return None


def wrong_elements(trial: Trial, name: str) -> list[Index]:
    """Bisect the sum down to single wrong elements; stop after `_MANY`."""
    operand = OPERANDS[name][2]
    value, found = trial.operands[operand], trial.results[name]
    wrong: list[Index] = []

    def search(low: int, high: int) -> None:
        part = np.zeros(value.size, value.dtype)
        part[low:high] = value.ravel()[low:high]
        part = part.reshape(value.shape)
        if len(wrong) >= _MANY or dot(found, part) == trial.linear(operand, part):
            return
        if high - low == 1:
            wrong.append(index_of(low, value.shape))
            return
        middle = (low + high) // 2
        search(low, middle)
        search(middle, high)

    search(0, value.size)
    return wrong
