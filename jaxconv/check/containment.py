"""Check that an inf reaches what depends on it, and nothing else."""

import numpy as np

from jaxconv.check.causes import CONTAINED
from jaxconv.check.report import Row
from jaxconv.check.trial import Index, Trial, impulse


def check_containment(trial: Trial) -> None:
    """Check that an inf reaches what depends on it.

    If the maps add up products, it must reach nothing else; but a zero that a kernel
    inserts (for a stride, a dilation) times the inf is NaN, and of other people's
    kernels that is a note.
    """
    for name, operand in (("output", "x"), ("input_grad", "g"), ("param_grad", "x")):
        value = trial.operands.get(operand)
        if value is None or not trial.usable(name):
            continue
        for at in trial.some(value.shape, 1):
            with trial.guarded():
                _check(trial, name, operand, at)


def _check(trial: Trial, name: str, operand: str, at: Index) -> None:
    value = trial.operands[operand]
    spoiled = value.copy()
    spoiled[at] = np.inf
    hit = ~np.isfinite(trial.run(name, **{operand: spoiled}))
    one = impulse(value.shape, at)
    sizes = {key: np.abs(value) for key, value in trial.operands.items()}
    # All operands are nonzero whole numbers: what depends on the one is >= 1.
    reached = np.abs(trial.run(name, **sizes | {operand: one})) > 0.5
    spread = hit & ~reached
    if trial.others and spread.any() and _is_of_zeros(trial, name, operand, at, spread):
        trial.notes.append(
            f"{name}: an inf at {operand}{list(at)} spreads through inserted zeros "
            f"(stride, dilation, padding), since 0 * inf is NaN, to {spread.sum():,} "
            f"elements that do not depend on it"
        )
        hit = hit & ~spread
    wrong = np.argwhere(hit != reached if trial.adds_up else reached & ~hit)
    error = np.inf if len(wrong) else 0.0
    trial.rows.append(Row(CONTAINED, name, hit.size, error))
    if len(wrong):
        index = tuple(map(int, wrong[0]))
        which = (
            "is not finite, but does not depend on"
            if hit[index]
            else "is finite, but depends on"
        )
        problem = f"element {index} {which} the inf at {operand}{list(at)}"
        trial.fail(CONTAINED, name, problem, None, index)


def _is_of_zeros(
    trial: Trial, name: str, operand: str, at: Index, spread: np.ndarray
) -> bool:
    """Return whether elements that an inf spreads to are multiplied by exact zeros.

    Then a large number in its place does not change them; a transform would.
    """
    value = trial.operands[operand]
    results = []
    for size in (0.0, trial.large):
        changed = value.copy()
        changed[at] = size
        results.append(trial.run(name, **{operand: changed}))
    return bool(np.array_equal(results[0][spread], results[1][spread]))
