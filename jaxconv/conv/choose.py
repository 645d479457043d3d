"""The methods by name, and which one `method="auto"` takes."""

from typing import Literal, Protocol, get_args

from jax import Array

from jaxconv.conv import im2col, loops
from jaxconv.conv.geometry import Geometry

Method = Literal["auto", "im2col", "loops"]


class Algorithm(Protocol):
    """The three hand-written maps that every method's file defines.

    `x` is (n, groups * ci, *space), `w` (ci, groups * co, *kernel), `g` shaped like the
    output (n, groups * co, *out); see `Geometry`. All three have one float type.
    """

    def _output(self, x: Array, w: Array, geometry: Geometry) -> Array: ...

    def _input_grad(self, g: Array, w: Array, geometry: Geometry) -> Array: ...

    def _param_grad(self, x: Array, g: Array, geometry: Geometry) -> Array: ...


METHODS: dict[str, Algorithm] = {"im2col": im2col, "loops": loops}


def choose(method: str, caller: str) -> str:
    """Return the name of the method to use; "auto" is im2col.

    Raises:
      ValueError: there is no such method.
    """
    if method == "auto":
        return "im2col"
    if not isinstance(method, str) or method not in METHODS:
        names = ", ".join(f'"{name}"' for name in get_args(Method))
        raise ValueError(f"{caller}: method must be one of {names}, got {method!r}.")
    return method
