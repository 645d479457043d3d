"""The methods by name, and which convolutions each serves."""

from typing import Literal, Protocol, get_args

from jax import Array
from jax.lax import Precision
from jax.typing import DTypeLike

from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import fft, im2col, loops, taps, winograd, xla
from jaxconv.conv.methods.rounding import Rounding

Method = Literal[
    "auto", "fft", "im2col", "loops", "taps", "winograd", "winograd4", "xla"
]


class Algorithm(Protocol):
    """The three hand-written maps that every method's file defines, and their bound.

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


class Transform(Algorithm, Protocol):
    """A method that serves some convolutions only."""

    def _refusal(self, geometry: Geometry, dtype: DTypeLike) -> str | None: ...


METHODS: dict[str, Algorithm] = {  # that add up products, as they are written down
    "im2col": im2col,
    "loops": loops,
    "taps": taps,
    "xla": xla,
}
TRANSFORMS: dict[str, Transform] = {
    "fft": fft,
    "winograd": winograd.F2,
    "winograd4": winograd.F4,
}
ALGORITHMS: dict[str, Algorithm] = {**METHODS, **TRANSFORMS}


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
    if method not in TRANSFORMS or geometry.is_empty:
        return None
    return TRANSFORMS[method]._refusal(geometry, dtype)


def check_served(
    method: str, geometry: Geometry, dtype: DTypeLike, caller: str
) -> None:
    """Raise unless `method` serves a convolution.

    Raises:
      MethodError: it does not; the message says why, and which does.
    """
    why = refusal(method, geometry, dtype)
    if why is not None:
        raise MethodError(
            f'{caller}: method "{method}" does not serve x {geometry.x_shape} with w '
            f"{geometry.w_shape} (in // groups, out, *kernel): {why}. Use "
            'method="auto" or "im2col".'
        )
