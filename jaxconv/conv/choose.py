"""The methods by name, and which one `method="auto"` takes."""

import math
from typing import Literal, Protocol, get_args

from jax import Array
from jax.lax import Precision
from jax.typing import DTypeLike

from jaxconv.conv import im2col, loops, taps, xla
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.rounding import Rounding

Method = Literal["auto", "im2col", "loops", "taps", "xla"]


_MOST_PATCHES = 2**26  # numbers in the patches of one image: 256 MB of float32


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


METHODS: dict[str, Algorithm] = {
    "im2col": im2col,
    "loops": loops,
    "taps": taps,
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


def choose(method: str, map_name: str, geometry: Geometry) -> str:
    """Return the name of the method that computes a map, "auto" resolved.

    Depthwise outputs and input gradients go to `taps`; what would need large patches of
    a single image to `xla`; everything else to `im2col`.
    """
    if method != "auto":
        return method
    if map_name != "param_grad" and geometry.ci == geometry.co == 1:
        return "taps"
    over = geometry.of_input_grad if map_name == "input_grad" else geometry
    patches = over.groups * over.ci * over.taps * math.prod(over.out)
    return "xla" if patches > _MOST_PATCHES else "im2col"
