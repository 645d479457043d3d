"""What each gradient checker says of the kernels of the gallery."""

import importlib
import importlib.util
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.check.gallery import RIGHT, WRONG, Kernel
from jaxconv.check.gallery.random_right import random_kernels
from jaxconv.check.report import Report

HEADER = """\
| kernel | its fault | check_bilinear says | check_grads | gradcheck |
|---|---|---|---|---|"""


class Verdicts(NamedTuple):
    """What the checkers say of one kernel."""

    kernel: Kernel
    ok: bool  # whether check_bilinear finds nothing
    named: bool  # whether its report names the fault
    says: str  # the mistake that it recognises, or what it finds wrong
    check_grads: bool  # whether `jax.test_util.check_grads` raises an alarm
    gradcheck: bool | None  # `torch.autograd.gradcheck`; None without torch


def compare(kernels: Iterable[Kernel] = (*WRONG, *RIGHT)) -> Iterator[Verdicts]:
    """Run each checker on each kernel; the others in float64."""
    torch: Any = None
    if importlib.util.find_spec("torch"):
        torch = importlib.import_module("torch")
    for kernel in kernels:
        report = kernel.check()
        yield Verdicts(
            kernel,
            report.ok,
            names_fault(kernel, report),
            _leads(report),
            _check_grads_finds(kernel),
            torch and _gradcheck_finds(torch, kernel),
        )


def false_alarms(count: int, seed: int) -> Iterator[str]:
    """Check random right kernels; yield what is said of those with an alarm."""
    for i, kernel in enumerate(itertools.islice(random_kernels(seed), count)):
        report = kernel.check(entries=8, seed=seed + i)
        if not report.ok:
            layout = f" {kernel.layout}" if kernel.layout else ""
            yield f"{i}: {kernel.name}{layout}: {str(report).splitlines()[0]}"


def names_fault(kernel: Kernel, report: Report) -> bool:
    """Return whether a report names the fault of a kernel."""
    return bool(kernel.expected) and kernel.expected in str(report)


def _leads(report: Report) -> str:
    """Return the most specific words of a report."""
    patterns = [failure.pattern for failure in report.failures if failure.pattern]
    problems = [failure.problem for failure in report.failures]
    return next(iter([*patterns, *problems]), "")


def line(verdicts: Verdicts) -> str:
    """Return the line of a Markdown table."""
    kernel, says = verdicts.kernel, verdicts.says.replace("|", "\\|")
    fault = kernel.fault or "none"
    if kernel.fault and not verdicts.named:
        says = f"not named: {says or 'ok'}"
    alarms = verdicts.check_grads, verdicts.gradcheck
    others = ["-" if alarm is None else "wrong" if alarm else "ok" for alarm in alarms]
    cells = kernel.name, fault, says or "ok", *others
    return f"| {' | '.join(cells)} |"


def summary(said: Sequence[Verdicts]) -> str:
    """Count what each checker found."""
    wrong = [verdicts for verdicts in said if verdicts.kernel.fault]
    right = [verdicts for verdicts in said if not verdicts.kernel.fault]
    named = sum(verdicts.named for verdicts in wrong)
    lines = [
        f"{len(wrong)} wrong kernels and {len(right)} right ones: check_bilinear names "
        f"the cause of {named}."
    ]
    for checker, finds in (
        ("check_bilinear", lambda verdicts: not verdicts.ok),
        ("check_grads", lambda verdicts: verdicts.check_grads),
        ("gradcheck", lambda verdicts: verdicts.gradcheck),
    ):
        if None in map(finds, said):
            continue
        found, alarms = sum(map(finds, wrong)), sum(map(finds, right))
        lines.append(f"{checker} finds {found} wrong; {alarms} false alarms.")
    return "\n".join(lines)


def as_json(verdicts: Verdicts) -> dict[str, Any]:
    """Return what was said, for a file."""
    kernel = verdicts.kernel
    named = {"kernel": kernel.name, "fault": kernel.fault}
    return named | {k: v for k, v in verdicts._asdict().items() if k != "kernel"}


def _point(kernel: Kernel) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in (kernel.x_shape, kernel.w_shape)]


def _called(kernel: Kernel) -> tuple[Any, Any]:
    """Return the kernel as functions that JAX can trace."""
    x, w = _point(kernel)
    y = jax.ShapeDtypeStruct(kernel.output(x, w).shape, np.float64)
    gradients = tuple(jax.ShapeDtypeStruct(a.shape, np.float64) for a in (x, w))

    def output(x: Any, w: Any) -> Any:
        def call(*arrays: Any) -> Any:
            return np.asarray(kernel.output(*map(np.array, arrays)), np.float64)

        return jax.pure_callback(call, y, x, w)

    def backward(saved: Any, g: Any) -> Any:
        def call(*arrays: Any) -> Any:
            found = kernel.gradients(*map(np.array, arrays))
            return tuple(np.asarray(a, np.float64) for a in found)

        return jax.pure_callback(call, gradients, *saved, g)

    return output, backward


def _check_grads_finds(kernel: Kernel) -> bool:
    from jax.test_util import check_grads

    np.random.seed(0)  # which check_grads draws its directions from
    try:
        with jax.enable_x64(True):
            output, backward = _called(kernel)
            function = jax.custom_vjp(output)
            function.defvjp(lambda x, w: (output(x, w), (x, w)), backward)
            operands = [jnp.asarray(a) for a in _point(kernel)]
            check_grads(function, operands, order=1, modes=("rev",))
    except Exception:  # an assertion, or the refusal of a wrong shape
        return True
    return False


def _gradcheck_finds(torch: Any, kernel: Kernel) -> bool:
    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            ctx.save_for_backward(x, w)
            return _torch(torch, kernel.output(_numpy(x), _numpy(w)))

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, w = map(_numpy, ctx.saved_tensors)
            return tuple(_torch(torch, a) for a in kernel.gradients(x, w, _numpy(g)))

    operands = [torch.from_numpy(a).requires_grad_() for a in _point(kernel)]
    try:
        torch.autograd.gradcheck(Function.apply, operands)
    except Exception:  # its own error, or the refusal of a wrong shape
        return True
    return False


def _numpy(tensor: Any) -> np.ndarray:
    return np.array(tensor.detach().numpy())


def _torch(torch: Any, array: Any) -> Any:
    return torch.from_numpy(np.array(array, np.float64))
