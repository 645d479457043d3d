"""The methods by name, and which convolutions each serves."""

from typing import Literal, Protocol, get_args

from jax import Array
from jax.lax import Precision
from jax.typing import DTypeLike

from jaxconv.conv.geometry import Geometry, Shape
from jaxconv.conv.methods import fft, im2col, loops, onednn, taps, winograd, xla
from jaxconv.conv.methods.rounding import Rounding

Method = Literal[
    "auto",
    "portable",
    "fft",
    "im2col",
    "loops",
    "onednn",
    "taps",
    "winograd",
    "winograd4",
    "xla",
]


class Algorithm(Protocol):
    """What every method's file defines: three hand-written maps, and their bound.

    The names keep the underscore of the project's vocabulary, that of the book which it
    follows; who computes a map reaches it through `ALGORITHMS` alone. A method that
    does not serve every convolution also has `_refusal(geometry, dtype)`, which returns
    why not, or None.

    `x` is (n, groups * ci, *space), `w` (ci, groups * co, *kernel), `g` shaped like the
    output (n, groups * co, *out); see `Geometry`. All, none of them empty, have one
    type of number.
    """

    def _output(
        self, x: Array, w: Array, geometry: Geometry, precision: Precision | None
    ) -> Array: ...

    def _input_grad(
        self, g: Array, w: Array, geometry: Geometry, precision: Precision | None
    ) -> Array: ...

    def _param_grad(
        self, x: Array, g: Array, geometry: Geometry, precision: Precision | None
    ) -> Array: ...

    def _rounding(
        self, map_name: str, geometry: Geometry, dtype: DTypeLike
    ) -> Rounding: ...


ALGORITHMS: dict[str, Algorithm] = {
    "fft": fft,
    "im2col": im2col,
    "loops": loops,
    "onednn": onednn,
    "taps": taps,
    "winograd": winograd.F2,
    "winograd4": winograd.F4,
    "xla": xla,
}


def check_method(method: str, caller: str) -> str:
    """Return `method` if there is one of that name.

    Raises:
      ValueError: there is none.
    """
    if not isinstance(method, str) or method not in get_args(Method):
        names = ", ".join(f'"{name}"' for name in get_args(Method))
        raise ValueError(f"{caller}: method must be one of {names}, got {method!r}.")
    return method


class MethodError(ValueError):
    """The method that was asked for does not serve this convolution."""


def refusal(method: str, geometry: Geometry, dtype: DTypeLike) -> str | None:
    """Return why `method` does not serve a convolution; None if it does."""
    refuses = getattr(ALGORITHMS.get(method), "_refusal", None)
    return None if refuses is None or geometry.is_empty else refuses(geometry, dtype)


def check_served(
    method: str,
    geometry: Geometry,
    dtype: DTypeLike,
    caller: str,
    shapes: tuple[Shape, Shape] | None = None,
    layout: str = "(in // groups, out, *kernel)",
) -> None:
    """Raise unless `method` serves a convolution.

    `shapes`, of x and w, are as the caller has them, if they are not the geometry's;
    `layout` names the axes of that w.

    Raises:
      MethodError: it does not; the message says why, and which does.
    """
    why = refusal(method, geometry, dtype)
    if why is not None:
        x_shape, w_shape = shapes or (geometry.x_shape, geometry.w_shape)
        raise MethodError(
            f'{caller}: method "{method}" does not serve x {x_shape} with w {w_shape} '
            f'{layout}: {why}. Use method="auto" or "im2col".'
        )
