"""A kernel of the gallery: three maps as somebody might write them, and their fault."""

import dataclasses
from collections.abc import Callable
from typing import Any

from jaxconv.check.bilinear import check_bilinear
from jaxconv.check.report import Report

Map = Callable[[Any, Any], Any]
Backward = Callable[[Any, Any, Any], tuple[Any, Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kernel:
    """A convolution with hand-written gradients, in NumPy.

    Its gradients are two functions, or `backward(x, w, g) -> (dx, dw)`.
    """

    name: str
    x_shape: tuple[int, ...]
    w_shape: tuple[int, ...]
    output: Map
    input_grad: Map | None = None
    param_grad: Map | None = None
    backward: Backward | None = None
    layout: str | None = "NCHW/OIHW"
    scale: str | None = None
    fault: str = ""  # what is wrong with it; "" if nothing is
    expected: str = ""  # words of the report that name the fault

    def check(self, **options: Any) -> Report:
        """Check the kernel."""
        return check_bilinear(
            self.output,
            self.input_grad,
            self.param_grad,
            self.x_shape,
            self.w_shape,
            backward=self.backward,
            layout=self.layout,
            scale=self.scale,
            **options,
        )

    def gradients(self, x: Any, w: Any, g: Any) -> tuple[Any, Any]:
        """Return both gradients."""
        if self.backward is not None:
            return self.backward(x, w, g)
        assert self.input_grad is not None
        assert self.param_grad is not None
        return self.input_grad(g, w), self.param_grad(x, g)
