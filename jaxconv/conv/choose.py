"""The methods by name, and which one `method="auto"` takes."""

import math
from typing import Literal, NamedTuple, Protocol, get_args

from jax import Array
from jax.lax import Precision
from jax.typing import DTypeLike

from jaxconv.conv import im2col, loops, taps, xla
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.phases import has_phases, phases
from jaxconv.conv.rounding import Rounding

Method = Literal["auto", "im2col", "loops", "taps", "xla"]


_MOST_PATCHES = 2**26  # numbers in the patches of one image: 256 MB of float32
_MOST_PHASES = 256  # of a dilated input: each is sliced, and all take time to compile


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


class Choice(NamedTuple):
    """Which method computes a map, and why."""

    method: str
    reason: str
    by_phases: bool = False  # a dilated input is split, see `phases.py`


def choose(
    method: str, map_name: str, geometry: Geometry, platform: str = "cpu"
) -> Choice:
    """Return what computes a map, "auto" resolved: for each kind of layer the fastest.

    The rules come from `scripts/bench.py ops --methods`, for float32 on CPUs.
    """
    if method != "auto":
        return Choice(method, "it was asked for")
    if platform != "cpu":
        return Choice("xla", f"the library of the {platform} is fast")
    # An input gradient is the output of another convolution: that is computed.
    made = geometry.of_input_grad if map_name == "input_grad" else geometry
    best, pays = _for_output, _phases_are_even(made)
    if map_name == "param_grad":
        best, pays = _for_param_grad, True
    few = math.prod(made.input_dilation) <= _MOST_PHASES
    if not (pays and few and has_phases(made) and phases(made)):
        return best(made)
    choice = best(next(iter(phases(made))))
    return Choice(choice.method, f"in phases, without zeros; {choice.reason}", True)


def _for_output(geometry: Geometry) -> Choice:
    if geometry.ci == geometry.co == 1:
        return Choice("taps", "depthwise: element-wise products need no patches")
    if geometry.ci == 1 and geometry.groups > 1 and geometry.taps <= 64:
        return Choice("taps", "one input channel a group: element-wise products")
    if geometry.taps == 1:
        return Choice("taps", "one tap: it is a product of matrices")
    if _patches(geometry) > _MOST_PATCHES:
        return Choice("xla", "one image's patches would take too much memory")
    if geometry.groups > 1:
        return Choice("im2col", "grouped: XLA's own is slow, products are not")
    if len(geometry.space) > 2:
        return Choice("im2col", "three or more axes: XLA's own is slow")
    return Choice("xla", "dense: XLA's own cuts patches in its cache")


def _for_param_grad(geometry: Geometry) -> Choice:
    if geometry.ci == 1 and geometry.groups > 1 and geometry.taps <= 64:
        return Choice("taps", "depthwise: whole images are added up, tap by tap")
    if geometry.ci == geometry.co == 1:
        return Choice("xla", "depthwise, many taps: XLA's own is fast")
    if _patches(geometry) > _MOST_PATCHES:
        return Choice("xla", "one image's patches would take too much memory")
    dense = geometry.groups == 1 and geometry.taps > 1
    if dense and len(geometry.space) == 1:
        return Choice("xla", "dense, one axis: XLA's own cuts patches in its cache")
    positions = geometry.n * math.prod(geometry.out)
    if dense and len(geometry.space) == 2 and positions <= 2048:
        return Choice("xla", "dense, few positions: XLA's own adds up less often")
    return Choice("im2col", "large products over batch and positions at once")


def _patches(geometry: Geometry) -> int:
    channels = geometry.groups * geometry.ci
    return channels * geometry.taps * math.prod(geometry.out)


def _phases_are_even(geometry: Geometry) -> bool:
    """Return whether splitting pays: phases have as many taps, or only one each.

    Where a few taps are shared out unevenly, the parts are too small to be fast.
    """
    axes = zip(geometry.kernel, geometry.input_dilation, strict=True)
    depthwise = geometry.ci == geometry.co == 1
    return not depthwise and all(k <= r or k >= 2 * r for k, r in axes)
