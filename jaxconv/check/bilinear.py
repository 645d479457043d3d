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

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxconv.check import options
from jaxconv.check.calling import GRADIENTS, Map, MapError, called, hint
from jaxconv.check.derivatives import check_derivatives
from jaxconv.check.diagnose import diagnose
from jaxconv.check.report import Report, Row
from jaxconv.check.trial import Trial, dot, impulse, widen
from jaxconv.conv.arguments.keywords import names_arguments
from jaxconv.conv.arguments.settings import as_shape
from jaxconv.conv.methods.rounding import Rounding, unit_roundoff
from jaxconv.conv.operands import OPERANDS

_CALLER = "check_bilinear"


@names_arguments
def check_bilinear(
    output: Map,
    input_grad: Map,
    param_grad: Map,
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    *,
    dtype: DTypeLike = "float32",
    seed: int = 0,
    entries: int = 128,
    order: int = 1,
    amplification: int | float | None = None,
) -> Report:
    """Check that `input_grad` and `param_grad` are the derivatives of `output`.

    The functions may be anything that takes and returns arrays: JAX, a compiled kernel,
    a callback into NumPy or PyTorch.

    Args:
      output: `(x, w) -> y`, linear in each argument.
      input_grad: `(g, w) -> dx`, the gradient of `sum(g * output(x, w))` at `x`.
      param_grad: `(x, g) -> dw`, the gradient at `w`.
      x_shape: the shape of `x`.
      w_shape: the shape of `w`.
      dtype: the type of the arguments, floating-point or complex; the results must have
        it too.
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
      A report: `print` it, ask `.ok`, or call `.raise_on_failure()`.

    Raises:
      ValueError: an option is out of its range, or `dtype` is not floating-point or
        complex.

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
    for name, function in maps.items():
        options.check_callable(
            _CALLER, name, function, f"({', '.join(OPERANDS[name][:2])})"
        )
    shapes = as_shape("x", x_shape, _CALLER), as_shape("w", w_shape, _CALLER)
    options.check_sizes(_CALLER, "the shapes of x and w", *shapes)
    kind = options.as_inexact(_CALLER, dtype)
    options.check_seed(_CALLER, seed)
    options.check_count(_CALLER, "entries", entries)
    options.check_count(_CALLER, "order", order, most=3)
    options.check_amplification(_CALLER, amplification)
    rounding = None
    if amplification is not None:
        stated = Rounding(amplification * unit_roundoff(kind), "largest")
        rounding = lambda name: stated  # noqa: E731
    try:
        trial = Trial(maps, *shapes, kind, seed, rounding)
    except MapError as error:
        return error.report
    check_trial(trial, entries, order)
    return trial.report


def check_trial(trial: Trial, entries: int, order: int, under_jit: bool = True) -> None:
    """Run all checks on the maps and operands of a trial.

    `under_jit=False` is for maps that compile themselves: they are not compiled again.
    """
    try:
        _check_shapes(trial)
        if not trial.failures:
            _check_adjoint(trial)
            _check_steps(trial, entries)
            _check_impulses(trial, entries)
            check_derivatives(trial, order)
            _check_linearity(trial)
            _check_containment(trial)
            _check_repetition(trial, under_jit)
    except MapError as error:
        trial.rows.append(error.row)
        trial.failures.append(error.failure)


def _check_shapes(trial: Trial) -> None:
    """Check that each result has the shape and type of its operand in `OPERANDS`."""
    for name, (a, b, result) in OPERANDS.items():
        got = trial.call(name, trial.operands[a], trial.operands[b])
        shape, kind = trial.operands[result].shape, jnp.result_type(got)
        right = np.shape(got) == shape and kind == trial.dtype
        row = Row("shape and type", name, 1, 0.0)
        if right:
            trial.results[name] = widen(got)
        else:
            row = dataclasses.replace(row, error=np.inf)
            problem = f"the result is {kind}{np.shape(got)}, not {trial.dtype}{shape}"
            if np.shape(got) != shape:
                first, second = trial.arrays(a, b)
                problem += f", {called(name, first, second)}"
                problem += hint(trial.maps, name, first, second, shape)
            trial.fail(row.check, name, problem)
        trial.rows.append(row)


def _check_adjoint(trial: Trial) -> None:
    """Check that the three sums of the adjoint identity are equal."""
    g = trial.operands["g"]
    forward = dot(g, trial.results["output"])
    slack = np.sum(trial.bound("output") * np.abs(g))
    sums = {}
    for name in GRADIENTS:
        value = trial.operands[OPERANDS[name][2]]
        sums[name] = dot(trial.results[name], value)
        bound = slack + np.sum(trial.bound(name) * np.abs(value))
        error = abs(sums[name] - forward)
        ratio = 0.0 if error == 0 else np.inf if bound == 0 else float(error / bound)
        trial.rows.append(Row("adjoint identity", name, value.size, ratio))
    for row in trial.rows[-2:]:
        if row.error > 1:
            trial.fail(row.check, row.map, *diagnose(trial, row.map, sums, forward))


def _check_steps(trial: Trial, entries: int) -> None:
    """Check derivatives against finite differences with step 1, which are exact."""
    g = trial.operands["g"]
    start = dot(g, trial.results["output"])
    slack = 2 * np.sum(trial.bound("output", 2) * np.abs(g))
    for name in GRADIENTS:
        operand = OPERANDS[name][2]
        value = trial.operands[operand]
        indices = trial.some(value.shape, entries)
        steps = [value + impulse(value.shape, at) for at in indices]
        after = np.array([trial.linear(operand, step) for step in steps])
        found = np.array([trial.results[name][at] for at in indices])
        bound = slack + np.max(trial.bound(name), initial=0)
        trial.compare("step of 1", name, found, after - start, bound, indices)


def _check_impulses(trial: Trial, entries: int) -> None:
    """Check that output and gradient map give the same entries of the Jacobian."""
    out = trial.operands["g"].shape
    columns = trial.some(out, entries)
    for name in GRADIENTS:
        operand = OPERANDS[name][2]
        shape = trial.operands[operand].shape
        rows = trial.some(shape, entries)
        forward = np.array(
            [
                trial.run("output", **{operand: impulse(shape, i)})[_many(columns)]
                for i in rows
            ]
        )
        backward = np.array(
            [trial.run(name, g=impulse(out, j))[_many(rows)] for j in columns]
        )
        bound = np.max(trial.bound(name), initial=0)
        bound += np.max(trial.bound("output"), initial=0)
        trial.compare("unit impulses", name, backward.T, forward, bound, rows)


def _check_linearity(trial: Trial) -> None:
    """Check that f(a + 2 b) = f(a) + 2 f(b) for each map f, in each operand."""
    for name, arguments in OPERANDS.items():
        for operand in arguments[:2]:
            value = trial.operands[operand]
            other = trial.draw(value.shape)
            both = trial.run(name, **{operand: value + 2 * other})
            apart = trial.results[name] + 2 * trial.run(name, **{operand: other})
            bound = 2.0 * trial.bound(name, 3)
            trial.compare(f"linear in {operand}", name, both, apart, bound)


def _check_containment(trial: Trial) -> None:
    """Check that an inf reaches what depends on it.

    If the maps add up products, it must reach nothing else.
    """
    sizes = {key: np.abs(value) for key, value in trial.operands.items()}
    for name, operand in (("output", "x"), ("input_grad", "g"), ("param_grad", "x")):
        value = trial.operands[operand]
        for at in trial.some(value.shape, 1):
            spoiled = value.copy()
            spoiled[at] = np.inf
            hit = ~np.isfinite(trial.run(name, **{operand: spoiled}))
            one = impulse(value.shape, at)
            # All operands are nonzero whole numbers: what depends on the one is >= 1.
            reached = np.abs(trial.run(name, **sizes | {operand: one})) > 0.5
            wrong = np.argwhere(hit != reached if trial.adds_up else reached & ~hit)
            error = np.inf if len(wrong) else 0.0
            trial.rows.append(Row("inf contained", name, hit.size, error))
            if len(wrong):
                index = tuple(map(int, wrong[0]))
                which = (
                    "is not finite, but does not depend on"
                    if hit[index]
                    else "is finite, but depends on"
                )
                problem = f"element {index} {which} the inf at {operand}{list(at)}"
                trial.fail("inf contained", name, problem)


def _check_repetition(trial: Trial, under_jit: bool) -> None:
    """Check that a second call gives the same bits, and `jax.jit` the same numbers."""
    for name, (a, b, _) in OPERANDS.items():
        before = trial.results[name]
        trial.compare("once more", name, trial.run(name), before)
        if not under_jit:
            continue
        try:
            jitted = jax.jit(trial.maps[name])(*trial.arrays(a, b))
        except Exception as error:  # a callback, or anything that JAX cannot trace
            trial.skip("under jit", name, f"{type(error).__name__} from jax.jit")
            continue
        wide, bound = np.asarray(jitted, before.dtype), 2.0 * trial.bound(name)
        trial.compare("under jit", name, wide, before, bound)


def _many(indices: Sequence[tuple[int, ...]]) -> tuple:
    """Return indices in the form of NumPy's advanced indexing: one array an axis."""
    return tuple(np.array(indices).T)
