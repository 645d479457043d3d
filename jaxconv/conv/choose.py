"""The methods by name, and which one `method="auto"` takes."""

import dataclasses
import math
import os
from typing import Literal, NamedTuple, Protocol, get_args

import jax.numpy as jnp
from jax import Array
from jax.lax import Precision
from jax.typing import DTypeLike

from jaxconv.conv import arrange, fft, im2col, loops, taps, winograd, xla
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.operands import accumulator
from jaxconv.conv.phases import all_alike, has_phases, phases
from jaxconv.conv.rounding import Rounding

Method = Literal[
    "auto", "fft", "im2col", "loops", "taps", "winograd", "winograd4", "xla"
]

_MOST_NUMBERS = 2**26  # in one image's patches or all transforms: 256 MB of float32
_MANY_CHANNELS = 16  # of the input, in each group
_FEW_POSITIONS = 2048  # of the output, in the whole batch
_MOST_PARTS = 64  # that a convolution is taken apart into: all take time to compile
_WIDE_ROW = 6_000_000  # operations that XLA shares out among cores
_WORTH_COPYING = 50  # operations for each byte
_LARGEST_ERROR = 1e-4  # relative, that a method may have which does not add up products
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


class Choice(NamedTuple):
    """Which method computes a map, and why."""

    method: str
    reason: str
    by: tuple[str, ...] = ()  # the parts that it is computed in, see `arrange.py`


class _Limits(NamedTuple):
    dtype: jnp.dtype
    most: int  # numbers, of one image's patches or all transforms


def choose(
    method: str,
    map_name: str,
    geometry: Geometry,
    dtype: DTypeLike,
    platform: str = "cpu",
) -> Choice:
    """Return what computes a map, "auto" resolved: for each kind of layer the fastest.

    The rules come from `scripts/bench.py ops --methods`, for float32 on CPUs.
    """
    if method != "auto":
        return Choice(method, "it was asked for")
    if platform != "cpu":
        return Choice("xla", f"the library of the {platform} is fast")
    kind, most = jnp.dtype(dtype), _MOST_NUMBERS
    if geometry.memory_limit is not None:
        most = geometry.memory_limit // kind.itemsize
    return _fastest(map_name, geometry, _Limits(kind, most))


def _fastest(map_name: str, geometry: Geometry, limits: _Limits) -> Choice:
    if _fft_pays(map_name, geometry, limits):
        return Choice("fft", "so many taps that transforms take less work")
    # An input gradient is the output of another convolution: that is computed.
    made = geometry.of_input_grad if map_name == "input_grad" else geometry
    name, best, pays = "output", _for_output, _phases_are_even(made)
    if map_name == "param_grad":
        name, best, pays = map_name, _for_param_grad, True
    if has_phases(made) and pays and _compiles_soon(made):
        split = phases(made)
        if split:
            first = next(iter(split))
            return _parted("phases", "no zeros in between", name, first, limits)
    return best(made, limits)


def _parted(
    by: str, reason: str, map_name: str, part: Geometry, limits: _Limits
) -> Choice:
    inner = _fastest(map_name, part, limits)
    return Choice(inner.method, f"{reason}; {inner.reason}", (by, *inner.by))


def _for_output(geometry: Geometry, limits: _Limits) -> Choice:
    if geometry.ci == geometry.co == 1:
        return Choice("taps", "depthwise: element-wise products need no patches")
    few = taps.has_few_terms(geometry) and geometry.taps <= taps._UNROLLED
    if few and geometry.groups > 1:
        return Choice("taps", "few input channels a group: element-wise products")
    if geometry.taps == 1:
        return Choice("taps", "one tap: it is a product of matrices")
    if geometry.groups > 1 and geometry.ci >= _MANY_CHANNELS and _by_eigen(geometry):
        return Choice("xla", "few groups: Eigen is fast")
    if 1 < geometry.groups <= _MOST_PARTS:
        one = dataclasses.replace(geometry, groups=1)
        return _parted("groups", "dense groups are faster", "output", one, limits)
    if _planes_pay(geometry, limits):
        plane = arrange.plane(geometry)
        return _parted("planes", "two axes are faster", "output", plane, limits)
    if _patches(geometry) > limits.most:
        return Choice("xla", "one image's patches would take too much memory")
    if geometry.groups > 1:
        return Choice("im2col", "grouped: XLA's own is slow, products are not")
    if len(geometry.space) > 2:
        return Choice("im2col", "three or more axes: XLA's own is slow")
    if _abreast_pays(geometry, limits):
        wide = arrange.row_of_images(geometry)
        reason = "side by side they engage all cores"
        return _parted("abreast", reason, "output", wide, limits)
    return Choice("xla", "dense: XLA's own cuts patches in its cache")


def _for_param_grad(geometry: Geometry, limits: _Limits) -> Choice:
    if geometry.ci == 1 and geometry.groups > 1 and geometry.taps <= taps._UNROLLED:
        return Choice("taps", "depthwise: whole images are added up, tap by tap")
    if geometry.channels_last and geometry.taps == geometry.groups == 1:
        return Choice("taps", "one tap, channels last: it is a product of matrices")
    if geometry.ci == geometry.co == 1:
        return Choice("xla", "depthwise, many taps: XLA's own is fast")
    if 1 < geometry.groups <= _MOST_PARTS and 1 not in (geometry.taps, geometry.n):
        one = dataclasses.replace(geometry, groups=1)
        return _parted("groups", "dense groups are faster", "param_grad", one, limits)
    if _planes_pay(geometry, limits):
        plane = arrange.plane(geometry)
        return _parted("planes", "two axes are faster", "param_grad", plane, limits)
    if _patches(geometry) > limits.most:
        return Choice("xla", "one image's patches would take too much memory")
    if geometry.groups == 1 and geometry.taps > 1 and len(geometry.space) <= 2:
        return _for_dense_param_grad(geometry, limits)
    return Choice("im2col", "large products over batch and positions at once")


def _for_dense_param_grad(geometry: Geometry, limits: _Limits) -> Choice:
    if len(geometry.space) == 1:
        return Choice("xla", "dense, one axis: XLA's own cuts patches in its cache")
    if _by_eigen(geometry):
        return Choice("xla", "dense: Eigen is fast")
    if geometry.n * math.prod(geometry.out) <= _FEW_POSITIONS:
        return Choice("xla", "dense, few positions: XLA's own adds up less often")
    size = arrange.part_of_batch(geometry, limits.dtype.itemsize)
    if limits.dtype == jnp.float32 and size > 1:
        if size == geometry.n:
            return Choice("xla", "dense: what XLA reads again and again fits its cache")
        if geometry.n // size <= _MOST_PARTS:
            part = dataclasses.replace(geometry, n=size)
            reason = "small parts of the batch"
            return _parted("parts", reason, "param_grad", part, limits)
    return Choice("im2col", "large products over batch and positions at once")


def _fft_pays(map_name: str, geometry: Geometry, limits: _Limits) -> bool:
    """Return whether transforms are faster, fit, and are exact enough."""
    if geometry.is_empty or limits.dtype != jnp.float32:
        return False
    if geometry.taps <= taps._UNROLLED:
        return False
    if {*geometry.strides, *geometry.input_dilation, *geometry.kernel_dilation} != {1}:
        return False
    pixels = math.prod(geometry.padded)
    products = geometry.taps * math.prod(geometry.out) / pixels  # for each pixel
    n, ci, co = geometry.n, geometry.ci, geometry.co
    numbers = pixels * geometry.groups * (n * ci + ci * co + n * co)
    return (
        products >= (40 if geometry.ci == geometry.co == 1 else 100)
        and numbers <= limits.most
        and refusal("fft", geometry, limits.dtype) is None
        and fft._rounding(map_name, geometry, limits.dtype).relative < _LARGEST_ERROR
    )


def _abreast_pays(geometry: Geometry, limits: _Limits) -> bool:
    """Return whether one row of an image is too little work for several cores.

    From 128 channels on the channels are shared out, and under 24 all is.
    """
    pairs = geometry.ci * geometry.co
    row = 2 * pairs * geometry.taps * geometry.out[-1]
    moved = 4 * (math.prod(geometry.x_shape) + math.prod(geometry.out_shape))
    return (
        limits.dtype == jnp.float32
        and len(geometry.space) == 2
        and not geometry.is_empty
        and not _by_eigen(geometry)
        and max(geometry.input_dilation) == 1
        and 24 <= geometry.co < 128
        and row < _WIDE_ROW <= row * geometry.n
        and geometry.flops >= _WORTH_COPYING * moved
    )


def _planes_pay(geometry: Geometry, limits: _Limits) -> bool:
    """Return whether a convolution of three axes or more is to be taken apart.

    Partial sums are rounded to the type of the result: shorter types lose by it.
    """
    return (
        len(geometry.space) > 2
        and geometry.groups == 1
        and geometry.kernel[0] <= _MOST_PARTS
        and accumulator(limits.dtype) == limits.dtype
    )


def _by_eigen(geometry: Geometry) -> bool:
    """Return whether XLA_FLAGS leave convolutions of up to two axes to Eigen.

    Without flags they are YNNPACK's.
    """
    asked = "ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT" in os.environ.get("XLA_FLAGS", "")
    return asked and len(geometry.space) <= 2


def _patches(geometry: Geometry) -> int:
    channels = geometry.groups * geometry.ci
    return channels * geometry.taps * math.prod(geometry.out)


def _compiles_soon(geometry: Geometry) -> bool:
    return math.prod(geometry.input_dilation) <= _MOST_PHASES or all_alike(geometry)


def _phases_are_even(geometry: Geometry) -> bool:
    """Return whether splitting pays: phases have as many taps, or only one each.

    Where a few taps are shared out unevenly, the parts are too small to be fast.
    """
    axes = zip(geometry.kernel, geometry.input_dilation, strict=True)
    depthwise = geometry.ci == geometry.co == 1
    return not depthwise and all(k <= r or k >= 2 * r for k, r in axes)
