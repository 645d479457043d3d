"""Check the three maps of a bilinear operation against each other, exactly.

With `T(x, w, g) = sum(g * output(x, w))`, linear in each of its arguments, the maps are
its derivatives, and each determines the others:

    sum(g * output(x, w)) = sum(input_grad(g, w) * x) = sum(param_grad(x, g) * w)

On small whole numbers without zeros all sums are exact, so one wrong element of a
gradient breaks an identity however large the array is, and bisecting the sum finds the
element. There is no truncation error either: the finite difference with step 1 is the
derivative.

Where sums are not exact, errors must stay within the bounds of
`conv/methods/rounding.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.typing import DTypeLike

from jaxconv.check import options
from jaxconv.check.adapters import from_backward
from jaxconv.check.adjoint import check_adjoint
from jaxconv.check.calling import GRADIENTS, Map
from jaxconv.check.causes import SHAPE, TYPE
from jaxconv.check.containment import check_containment
from jaxconv.check.derivatives import check_derivatives
from jaxconv.check.foreign import ForeignTrial
from jaxconv.check.layout import Layout, axes_of
from jaxconv.check.repetition import check_jit, check_repetition
from jaxconv.check.report import Report, Row
from jaxconv.check.trial import Index, Trial, dot, impulse
from jaxconv.conv.arguments.keywords import names_arguments
from jaxconv.conv.arguments.settings import as_shape
from jaxconv.conv.operands import OPERANDS

_CALLER = "check_bilinear"


@names_arguments
def check_bilinear(
    output: Map,
    input_grad: Map | None = None,
    param_grad: Map | None = None,
    x_shape: Sequence[int] | None = None,
    w_shape: Sequence[int] | None = None,
    *,
    backward: Callable[..., Any] | None = None,
    layout: str | None = None,
    scale: str | None = None,
    timeout: float | int | None = None,
    dtype: DTypeLike | None = None,
    seed: int = 0,
    entries: int = 128,
    order: int = 1,
    amplification: int | float | None = None,
) -> Report:
    """Check that `input_grad` and `param_grad` are the derivatives of `output`.

    The functions may be anything that takes and returns arrays: JAX, NumPy, a compiled
    kernel, a callback into PyTorch. Those that do not return JAX's arrays for JAX's are
    handed copies in NumPy. Whatever a function does is a failure in the report.

    Args:
      output: `(x, w) -> y`, linear in each argument but for a constant: a bias
        `output(0, w)` is subtracted, and noted.
      input_grad: `(g, w) -> dx`, the gradient of `sum(g * output(x, w))` at `x`.
      param_grad: `(x, g) -> dw`, the gradient at `w`. Either gradient may be None; the
        other is checked.
      x_shape: the shape of `x`.
      w_shape: the shape of `w`.
      backward: `(x, w, g) -> (dx, dw)`, in place of both gradients.
      layout: the axes of x and g, and those of w, as "NHWC/HWIO", which let the report
        name them; without N, images have no batch. None: (batch, channels, *space) and
        (in, out, *kernel), or as the shapes suggest.
      scale: "batch" if `param_grad` is divided or multiplied by the number of examples
        on purpose.
      timeout: seconds that one call may take; None is without limit.
      dtype: the type of the arguments, floating-point or complex; the results must have
        it too. None: float32, but float64 if all functions take NumPy's arrays and one
        returns float64 for float32.
      seed: seeds the random whole numbers.
      entries: the largest number of derivatives compared one by one; of more, a random
        choice.
      order: the highest order, 1 to 3, of JAX's own derivatives of `output` to check.
        The first is enough unless `output` has rules of its own (`jax.custom_vjp`, or a
        primitive's): above it the three maps give all derivatives in closed form.
      amplification: None if the maps only add up products, in any order: they must then
        be exact on small whole numbers. For other algorithms (transforms) the largest
        error accepted, in units of the type's unit roundoff times the largest sum of
        absolute products.

    Returns:
      A report: `print` it, ask `.ok`, or call `.raise_on_failure()`. Its failures are
      in order, the most specific first.

    Raises:
      ValueError: an option is out of its range, `dtype` is not floating-point or
        complex, or no gradient is given.

    >>> import jaxconv
    >>> report = check_bilinear(
    ...     jaxconv.conv,
    ...     lambda g, w: jaxconv.conv_input_grad(g, w, input_shape=(2, 3, 5)),
    ...     lambda x, g: jaxconv.conv_param_grad(x, g, kernel_shape=(3, 4, 2)),
    ...     (2, 3, 5),
    ...     (3, 4, 2),
    ... )
    >>> report.ok
    True
    """
    maps = {"output": output, "input_grad": input_grad, "param_grad": param_grad}
    options.check_gradients_given(_CALLER, input_grad, param_grad, backward)
    for name, function in maps.items():
        if function is not None or name == "output":
            arguments = f"({', '.join(OPERANDS[name][:2])})"
            options.check_callable(_CALLER, name, function, arguments)
    for operand, given in (("x", x_shape), ("w", w_shape)):
        options.check_shape_given(_CALLER, operand, given)
    shapes = as_shape("x", x_shape, _CALLER), as_shape("w", w_shape, _CALLER)
    options.check_sizes(_CALLER, "the shapes of x and w", *shapes)
    axes = None if layout is None else Layout.parse(layout, _CALLER)
    if axes is not None:
        axes.check_shapes(*shapes, _CALLER)
    batch = axes_of(axes, "x", len(shapes[0])).batch
    options.check_scale(_CALLER, scale, batch is not None)
    options.check_timeout(_CALLER, timeout)
    kind = None if dtype is None else options.as_inexact(_CALLER, dtype)
    options.check_seed(_CALLER, seed)
    options.check_count(_CALLER, "entries", entries)
    options.check_count(_CALLER, "order", order, most=3)
    options.check_amplification(_CALLER, amplification)
    if backward is not None:
        gradients = from_backward(backward, *shapes)
        maps |= zip(GRADIENTS, gradients, strict=True)
    trial = ForeignTrial(
        maps,
        *shapes,
        kind,
        seed,
        amplification=amplification,
        layout=axes,
        scale=scale,
        timeout=timeout,
        jax_has_it=kind is None or options.is_switched_on(kind),
    )
    check_trial(trial, entries, order)
    return trial.report


def check_trial(trial: Trial, entries: int, order: int, under_jit: bool = True) -> None:
    """Run all checks on the maps and operands of a trial.

    A map that fails takes no further part, and the others are checked.
    `under_jit=False` is for maps that compile themselves: they are not compiled again.
    """
    _check_results(trial)
    if trial.others or not trial.failures:
        with trial.guarded():
            check_adjoint(trial)
        with trial.guarded():
            _check_steps(trial, entries)
        _check_impulses(trial, entries)
        check_derivatives(trial, order)
        _check_linearity(trial)
        check_containment(trial)
        check_repetition(trial)
        if under_jit:
            check_jit(trial)
    for name, caller in trial.callers.items():
        if caller.misuse is not None:
            check, problem = caller.misuse
            trial.rows.append(Row(check, name, 1, np.inf))
            trial.fail(check, name, problem)


def _check_results(trial: Trial) -> None:
    """Check that each result has the shape and type of its operand in `OPERANDS`."""
    for name, (a, b, result) in OPERANDS.items():
        if not trial.usable(name):
            continue
        with trial.guarded():
            got = trial.call(name, trial.operands[a], trial.operands[b])
            trial.results[name] = trial.read(name, got)
            trial.rows.append(Row(SHAPE, name, 1, 0.0))
            right = got.dtype == trial.dtype
            trial.rows.append(Row(TYPE, name, 1, 0.0 if right else np.inf))
            if not right:
                shape = trial.operands[result].shape
                problem = (
                    f"the result is {got.dtype}{shape}, not {trial.dtype}{shape}, as "
                    "the arguments are"
                )
                trial.fail(TYPE, name, problem)


def _check_steps(trial: Trial, entries: int) -> None:
    """Check derivatives against finite differences with step 1, which are exact."""
    if not trial.usable("output"):
        return
    g = trial.operands["g"]
    start = dot(g, trial.results["output"])
    slack = 2 * np.sum(trial.bound("output", 2) * np.abs(g))
    for name in filter(trial.usable, GRADIENTS):
        operand = OPERANDS[name][2]
        value = trial.operands[operand]
        indices = trial.some(value.shape, entries)
        steps = [value + impulse(value.shape, at) for at in indices]
        with trial.guarded():
            after = np.array([trial.linear(operand, step) for step in steps])
            found = np.array([trial.results[name][at] for at in indices])
            bound = slack + np.max(trial.bound(name), initial=0)
            trial.compare("step of 1", name, found, after - start, bound, indices)


def _check_impulses(trial: Trial, entries: int) -> None:
    """Check that output and gradient map give the same entries of the Jacobian."""
    if not trial.usable("output"):
        return
    columns = trial.some(trial.operands["g"].shape, entries)
    for name in GRADIENTS:
        with trial.guarded():
            if trial.usable("output", name):
                _check_jacobian(trial, name, columns, entries)


def _check_jacobian(
    trial: Trial, name: str, columns: Sequence[Index], entries: int
) -> None:
    out, operand = trial.operands["g"].shape, OPERANDS[name][2]
    shape = trial.operands[operand].shape
    rows = trial.some(shape, entries)
    forward = np.array(
        [
            _at(trial.run("output", **{operand: impulse(shape, i)}), columns)
            for i in rows
        ]
    )
    backward = np.array(
        [_at(trial.run(name, g=impulse(out, j)), rows) for j in columns]
    )
    bound = np.max(trial.bound(name), initial=0)
    bound += np.max(trial.bound("output"), initial=0)
    trial.compare("unit impulses", name, backward.T, forward, bound, rows)


def _check_linearity(trial: Trial) -> None:
    """Check that f(a + 2 b) = f(a) + 2 f(b) for each map f, in each operand."""
    for name, arguments in OPERANDS.items():
        for operand in arguments[:2]:
            with trial.guarded():
                if not trial.usable(name):
                    continue
                value = trial.operands[operand]
                other = trial.draw(value.shape)
                both = trial.run(name, **{operand: value + 2 * other})
                apart = trial.results[name] + 2 * trial.run(name, **{operand: other})
                bound = 2.0 * trial.bound(name, 3)
                trial.compare(f"linear in {operand}", name, both, apart, bound)


def _at(array: np.ndarray, indices: Sequence[Index]) -> np.ndarray:
    """Return some elements, by NumPy's advanced indexing: one array an axis."""
    return array[tuple(np.array(indices).T)].reshape(len(indices))
