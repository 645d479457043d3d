"""The adjoint identity: three sums that are equal if the gradients are right."""

from typing import Any

import numpy as np

from jaxconv.check.calling import GRADIENTS
from jaxconv.check.diagnose import Diagnosis, diagnose
from jaxconv.check.report import Row
from jaxconv.check.trial import Trial, dot, number
from jaxconv.conv.operands import OPERANDS

_CHECK = "adjoint identity"
_OUTPUT = "the output is wrong: "  # how a diagnosis blames it


def check_adjoint(trial: Trial) -> None:
    """Check that the three sums of the adjoint identity are equal."""
    for name in GRADIENTS:
        if not trial.usable(name):
            trial.skip(_CHECK, name, trial.lost[name])
    there = [name for name in GRADIENTS if trial.usable(name)]
    if not trial.usable("output"):
        trial.skip(_CHECK, "output", trial.lost["output"])
        if len(there) == 2:
            _check_gradients_agree(trial)
        return
    g = trial.operands["g"]
    forward = dot(g, trial.results["output"])
    slack = np.sum(trial.bound("output") * np.abs(g))
    sums, wrong = {}, []
    for name in there:
        value = trial.operands[OPERANDS[name][2]]
        sums[name] = dot(trial.results[name], value)
        bound = slack + np.sum(trial.bound(name) * np.abs(value))
        ratio = _ratio(abs(sums[name] - forward), bound)
        trial.rows.append(Row(_CHECK, name, value.size, ratio))
        wrong += [name] if ratio > 1 else []
    for name in wrong:
        with trial.guarded():
            problem, pattern, *element = _diagnose(trial, name, sums, forward)
            if pattern is not None and pattern.startswith(_OUTPUT):
                name, pattern = "output", pattern.removeprefix(_OUTPUT)
            if pattern is None and len(sums) == 2 and len(set(sums.values())) == 1:
                problem += ": either it is wrong, or both of them are alike"
            if name == "param_grad" and "the batch size" in (pattern or ""):
                problem += '. If that is meant, pass scale="batch"'
            trial.fail(_CHECK, name, problem, pattern, *element)


def _diagnose(trial: Trial, name: str, sums: dict[str, Any], forward: Any) -> Diagnosis:
    """Say what is wrong; with rounding taken out, where else nothing is recognised."""
    try:
        found = diagnose(trial, name, sums, forward)
    except (ArithmeticError, ValueError):  # of results that are not finite, elsewhere
        return Diagnosis("the sums differ, and some results are not finite")
    exact = trial.exactly() if found.pattern is None else None
    return found if exact is None else found._replace(pattern=_pattern_of(exact, name))


def _pattern_of(trial: Trial, name: str) -> str | None:
    """Return the mistake that a map looks like in another trial of it."""
    if not trial.usable("output", name):
        return None
    check_adjoint(trial)
    patterns = {failure.map: failure.pattern for failure in trial.failures}
    blamed = patterns.get("output")
    return patterns.get(name) or (None if blamed is None else _OUTPUT + blamed)


def _check_gradients_agree(trial: Trial) -> None:
    """Check the gradients against each other, where the output takes no part."""
    sums, slack = {}, 0.0
    for name in GRADIENTS:
        value = trial.operands[OPERANDS[name][2]]
        sums[name] = dot(trial.results[name], value)
        slack += np.sum(trial.bound(name) * np.abs(value))
    one, other = sums.values()
    ratio = _ratio(abs(one - other), slack)
    for name in GRADIENTS:
        trial.rows.append(Row(_CHECK, name, 1, ratio))
        if ratio > 1:
            problem = (
                "the two gradients do not agree with each other, and the output cannot "
                f"tell which is wrong: sum(input_grad(g, w) * x) is {number(one)}, "
                f"sum(param_grad(x, g) * w) is {number(other)}"
            )
            trial.fail(_CHECK, name, problem)


def _ratio(error: float, bound: float) -> float:
    return 0.0 if error == 0 else np.inf if bound == 0 else float(error / bound)
