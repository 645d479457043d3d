"""What each gradient checker says of the kernels of the gallery."""

import importlib
import importlib.util
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.check.gallery import RIGHT, WRONG, Kernel


class Verdicts(NamedTuple):
    """What the checkers say of one kernel."""

    kernel: Kernel
    ok: bool  # what check_bilinear finds
    named: bool  # whether its report names the fault
    cause: str  # the words that it begins with; "" if it finds nothing
    check_grads: bool  # whether `jax.test_util.check_grads` raises an alarm
    gradcheck: bool | None  # `torch.autograd.gradcheck`; None without torch

    @property
    def right(self) -> bool:
        """Whether check_bilinear names the fault, or finds none in a right kernel."""
        return self.named if self.kernel.fault else self.ok


def compare(kernels: Iterable[Kernel] = (*WRONG, *RIGHT)) -> Iterator[Verdicts]:
    """Run each checker on each kernel."""
    torch: Any = None
    if importlib.util.find_spec("torch"):
        torch = importlib.import_module("torch")
    for kernel in kernels:
        report = kernel.check()
        text = str(report)
        yield Verdicts(
            kernel,
            report.ok,
            bool(kernel.expected) and kernel.expected in text,
            "" if report.ok else text.splitlines()[0],
            _check_grads_finds(kernel),
            torch and _gradcheck_finds(torch, kernel),
        )


def _point(kernel: Kernel) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in (kernel.x_shape, kernel.w_shape)]


def _called(kernel: Kernel) -> tuple[Any, Any]:
    """Return the kernel as functions that JAX can trace."""
    x, w = (np.asarray(a, np.float32) for a in _point(kernel))
    y = jax.ShapeDtypeStruct(kernel.output(x, w).shape, np.float32)
    gradients = tuple(jax.ShapeDtypeStruct(a.shape, np.float32) for a in (x, w))

    def output(x: Any, w: Any) -> Any:
        def call(*arrays: Any) -> Any:
            return np.asarray(kernel.output(*map(np.array, arrays)), np.float32)

        return jax.pure_callback(call, y, x, w)

    def backward(saved: Any, g: Any) -> Any:
        def call(*arrays: Any) -> Any:
            found = kernel.gradients(*map(np.array, arrays))
            return tuple(np.asarray(a, np.float32) for a in found)

        return jax.pure_callback(call, gradients, *saved, g)

    return output, backward


def _check_grads_finds(kernel: Kernel) -> bool:
    from jax.test_util import check_grads

    output, backward = _called(kernel)
    function = jax.custom_vjp(output)
    function.defvjp(lambda x, w: (output(x, w), (x, w)), backward)
    np.random.seed(0)  # which check_grads draws its directions from
    try:
        operands = [jnp.asarray(a, "float32") for a in _point(kernel)]
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
