"""JAX's derivatives of a bilinear operation, of any order, against closed forms.

`T(x, w, g) = sum(g * output(x, w))` is linear in each argument, so all its derivatives
are the three maps again. Along directions (x1, w1, g1) and (x2, w2, g2) the derivatives
of the gradient at the input are

    order 1    input_grad(g, w)
    order 2    input_grad(g, w1) + input_grad(g1, w)
    order 3    input_grad(g1, w2) + input_grad(g2, w1)

and zero beyond; likewise at the filters and at g. Each derivative along a direction is
taken in forward mode (`jvp`) and in reverse mode (`vjp` of the gradient, whose own
derivative is symmetric): both must give the same.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.check.calling import GRADIENTS
from jaxconv.check.modes import first_line, why_missing
from jaxconv.check.report import Row
from jaxconv.check.trial import Trial, widen
from jaxconv.conv.operands import OPERANDS

Operands = dict[str, np.ndarray]
Function = Callable[..., Any]


def check_derivatives(trial: Trial, order: int) -> None:
    """Compare JAX's derivatives of `output`, up to `order` (1 to 3), with the maps."""
    if not trial.usable("output"):
        return
    if trial.callers["output"].numpy:
        for name in filter(trial.usable, GRADIENTS):
            trial.skip("autodiff", name, "the output is written in NumPy")
        return
    points = [trial.operands]
    points += [{k: trial.draw(v.shape) for k, v in points[0].items()} for _ in "12"]
    start, one, two = (_arrays(trial, point) for point in points)
    gradient = _gradient(trial.maps["output"])
    try:
        found = jax.block_until_ready(gradient(*start))
    except Exception as error:
        _refuse(trial, "autodiff", error, start)
        return
    for name, value in zip(GRADIENTS, found, strict=False):
        with trial.guarded():
            if trial.usable(name):
                bound = 2.0 * trial.bound(name)
                wide = trial.snapped(name, widen(value))
                trial.compare("autodiff", name, wide, trial.results[name], bound)
    for mode, along in (("forward", _forward), ("reverse", _reverse)):
        second = along(gradient, one)
        third = along(second, two)
        if order >= 2:
            _compare(trial, f"order 2, {mode}", second, start, points[0], points[1])
        if order >= 3:
            _compare(trial, f"order 3, {mode}", third, start, points[1], points[2])


def _refuse(trial: Trial, check: str, error: Exception, start: tuple) -> None:
    """Record why JAX takes no derivative: it cannot, or a rule of the map fails."""
    why = why_missing(error)
    if why is None and not _is_traceable(trial.maps["output"], *start[:2]):
        why = f"{type(error).__name__} from jax.vjp"  # a callback, NumPy, a kernel
    if why is not None:
        for name in filter(trial.usable, GRADIENTS):
            trial.skip(check, name, why)
        return
    trial.rows.append(Row(check, "output", 1, np.inf))
    trial.fail(check, "output", f"its derivative raised {first_line(error)}")


def _is_traceable(output: Function, x: Any, w: Any) -> bool:
    try:
        jax.eval_shape(output, x, w)
    except Exception:  # it is not
        return False
    return True


def _gradient(output: Function) -> Function:
    """Return the gradient of `T` at x, w and g, as a function of them."""

    def gradient(x: Any, w: Any, g: Any) -> tuple[Any, Any, Any]:
        y, pull = jax.vjp(output, x, w)
        return *pull(g), y

    return gradient


def _forward(function: Function, direction: tuple) -> Function:
    return lambda *at: jax.jvp(function, at, direction)[1]


def _reverse(function: Function, direction: tuple) -> Function:
    return lambda *at: jax.vjp(function, *at)[1](direction)


def _compare(
    trial: Trial,
    check: str,
    derivative: Function,
    start: tuple,
    one: Operands,
    two: Operands,
) -> None:
    """Compare the derivatives at x, w and g with the maps of mixed operands."""
    try:
        found = jax.block_until_ready(derivative(*start))
    except Exception as error:
        _refuse(trial, check, error, start)
        return
    for name, value in zip((*GRADIENTS, "output"), found, strict=True):
        a, b, _ = OPERANDS[name]
        mixed = {a: one[a], b: two[b]}, {a: two[a], b: one[b]}
        with trial.guarded():
            if not trial.usable(name):
                continue
            first, second = (trial.run(name, **operands) for operands in mixed)
            bound = 2.0 * sum(trial.bound(name, 2, **operands) for operands in mixed)
            wide = trial.snapped(name, widen(value))
            trial.compare(check, name, wide, first + second, bound)


def _arrays(trial: Trial, operands: Operands) -> tuple:
    return tuple(jnp.asarray(operands[key], trial.dtype) for key in "xwg")
