"""Which elements of a gradient are wrong, and which mistake they look like."""

from typing import Any

import numpy as np

from jaxconv.check.patterns import recognise
from jaxconv.check.trial import Index, Trial, dot, impulse, index_of, number
from jaxconv.conv.operands import OPERANDS

_MANY = 8  # wrong elements, after which the search stops
_MOST_DERIVATIVES = 2048  # computed one by one, to recognise a pattern


def diagnose(
    trial: Trial, name: str, sums: dict[str, Any], forward: Any
) -> tuple[str, str | None]:
    """Say which elements are wrong, and the mistake it looks like if one is recognised.

    Args:
      trial: the maps and operands.
      name: the gradient map.
      sums: `sum(gradient * operand)` of both gradients.
      forward: `sum(g * output)`, which both sums should equal.
    """
    if sums["input_grad"] == sums["param_grad"] != forward:
        return "both gradients agree with each other and not with the output", None
    found = trial.results[name]
    if np.any(trial.bound(name)) or np.any(trial.bound("output")):
        return "it differs by more than rounding explains", None
    wrong = wrong_elements(trial, name)
    if not wrong:
        return "the sums differ, but no single element does", None
    index, operand = wrong[0], OPERANDS[name][2]
    expected = trial.linear(operand, impulse(found.shape, index))
    problem = f"element {index} is {number(found[index])}, expected {number(expected)}"
    if len(wrong) < _MANY:
        others = f"; so are {', '.join(map(str, wrong[1:]))}" if wrong[1:] else ""
        return f"{problem}{others}; no other of {found.size:,} is wrong", None
    if found.size > _MOST_DERIVATIVES:
        return f"{problem}, and many others of {found.size:,} are wrong", None
    right = trial.gradient(name)
    count = int((found != right).sum())
    pattern = recognise(trial, name, found, right)
    return f"{problem}; {count:,} of {found.size:,} are wrong", pattern


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
