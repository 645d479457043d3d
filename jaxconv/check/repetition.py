"""Check that a map gives the same result for the same arguments.

It is called twice, then after calls with other arguments, then with other numbers in
memory around its arguments and in what it allocates.
"""

import jax
import numpy as np

from jaxconv.check.causes import REPEATED
from jaxconv.check.report import Row
from jaxconv.check.trial import Trial, number, widen
from jaxconv.conv.operands import OPERANDS

_HEAD = "it returns another result for the same arguments"
_RANDOM = f"{_HEAD}: it keeps state between calls, or is random"
_ADDS = (
    f"{_HEAD}: each call adds to the last, so an accumulator is never cleared between "
    "calls"
)
_OTHER = f"{_HEAD} after calls with others: it keeps state between calls"
_BEYOND = f"{_HEAD}: it reads memory before or beyond an argument"
_UNWRITTEN = f"{_HEAD}: it returns memory that it never wrote, as of np.empty"


def check_state(trial: Trial) -> None:
    """Check that no map keeps state or reads memory that is not its own."""
    for name in OPERANDS:
        with trial.guarded():
            if trial.usable(name):
                _check_state(trial, name)


def check_repetition(trial: Trial) -> None:
    """Check that a map still gives the same bits as at first."""
    for name in OPERANDS:
        with trial.guarded():
            if trial.usable(name):
                once, last = trial.results[name], trial.run(name)
                error = 0.0 if _same(once, last) else np.inf
                trial.rows.append(Row(REPEATED, name, once.size, error))
                if error:
                    _fail(trial, name, _RANDOM, once, last)


def check_jit(trial: Trial) -> None:
    """Check that a map gives the same numbers under `jax.jit`."""
    for name, (a, b, _) in OPERANDS.items():
        if not trial.usable(name):
            continue
        if trial.callers[name].numpy:
            trial.skip("under jit", name, "it is written in NumPy")
            continue
        before = trial.results[name]
        try:
            jitted = jax.jit(trial.maps[name])(*trial.arrays(a, b))
            found = trial.read(name, jax.block_until_ready(jitted))
        except Exception as error:  # a callback, or anything that JAX cannot trace
            trial.skip("under jit", name, f"{type(error).__name__} from jax.jit")
            continue
        with trial.guarded():
            trial.compare("under jit", name, found, before, 2.0 * trial.bound(name))


def _check_state(trial: Trial, name: str) -> None:
    """Call a map until a result differs from the first, and say why it does."""
    once, twice = _raw(trial, name), _raw(trial, name)
    results = [once, twice]
    problem = None if _same(once, twice) else _kept(trial, name, once, twice)
    if problem is None:
        _call_with_others(trial)
        if not trial.usable(name):
            return
        results.append(_raw(trial, name))
        problem = None if _same(once, results[-1]) else _OTHER
    if problem is None and trial.callers[name].numpy:
        results.append(_raw(trial, name, around=1, stirred=1))
        if not _same(once, results[-1]):
            beyond = _same(once, _raw(trial, name, stirred=1))
            problem = _BEYOND if beyond else _UNWRITTEN
    last, error = results[-1], 0.0 if problem is None else np.inf
    trial.rows.append(Row(REPEATED, name, once.size * (len(results) - 1), error))
    if problem is not None:
        _fail(trial, name, problem, once, last)
        trial.lost[name] = f"{name} gives another result each time"


def _fail(
    trial: Trial, name: str, problem: str, once: np.ndarray, last: np.ndarray
) -> None:
    """Record that a result differs from an earlier one, and where."""
    at = tuple(map(int, np.argwhere(~_equal(once, last))[0]))
    problem += f"; element {at} was {number(once[at])}, then {number(last[at])}"
    trial.fail(REPEATED, name, problem, None, at, last[at], once[at])


def _kept(trial: Trial, name: str, once: np.ndarray, twice: np.ndarray) -> str:
    """Say why a second call differs from the first."""
    thrice = _raw(trial, name)
    with np.errstate(all="ignore"):
        more = twice - once
        if np.allclose(thrice - twice, more, rtol=1e-4) and np.isfinite(more).all():
            return _ADDS
    return _RANDOM


def _call_with_others(trial: Trial) -> None:
    """Call all maps with other arguments."""
    others = {key: trial.draw(value.shape) for key, value in trial.operands.items()}
    for name, (a, b, _) in OPERANDS.items():
        with trial.guarded():
            if trial.usable(name):
                trial.call(name, others[a], others[b])


def _raw(trial: Trial, name: str, **memory: int) -> np.ndarray:
    a, b, _ = OPERANDS[name]
    return widen(trial.call(name, trial.operands[a], trial.operands[b], **memory))


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(_equal(one, other).all())


def _equal(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one == other) | (np.isnan(one) & np.isnan(other))
