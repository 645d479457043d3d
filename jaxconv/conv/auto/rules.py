"""Which method `method="auto"` takes for each map, and in what parts."""

import dataclasses
import math
import os
from typing import NamedTuple

import jax.numpy as jnp
from jax.export import is_symbolic_dim
from jax.typing import DTypeLike

from jaxconv.conv.auto import arrangements as arrange
from jaxconv.conv.auto.phases import blocks, has_phases
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import taps
from jaxconv.conv.operands import accumulator

_MOST_NUMBERS = 2**26  # in one image's patches or all transforms: 256 MB of float32
_MANY_CHANNELS = 16  # of the input, in each group
_FEW_INPUTS, _FEW_MAPS, _FEW_TAPS = 3, 16, 32
_FEW_POSITIONS = 2048  # of the output, in the whole batch
_SMALL_IMAGE = 64  # positions of the output
_ENGAGES_CORES = 125_000  # numbers of `g` in a part of a filter gradient
MOST_PARTS = 64  # that a convolution is taken apart into: all take time to compile
_WIDE_ROW = 6_000_000  # operations that XLA shares out among cores
_WORTH_COPYING = 50  # operations for each byte
_MOSTLY_ZEROS = 16  # places for each pixel of a dilated input
_FAR_APART = 16  # pixels from one window to the next


class Choice(NamedTuple):
    """Which method computes a map, and why."""

    method: str
    reason: str
    by: tuple[str, ...] = ()  # the parts that it is computed in, see `arrange.py`
    parts: int = 1  # that each of them may be taken apart into


class _Limits(NamedTuple):
    dtype: jnp.dtype
    most: int  # numbers, of one image's patches or all transforms
    parts: int  # that a convolution may be taken apart into

    def divided(self, count: int) -> "_Limits":
        return self._replace(parts=self.parts // count)


def choose(
    method: str,
    map_name: str,
    geometry: Geometry,
    dtype: DTypeLike,
    platform: str = "cpu",
    parts: int = MOST_PARTS,
) -> Choice:
    """Return what computes a map, "auto" resolved: for each kind of layer the fastest.

    It may be taken apart into `parts`. The rules come from `scripts/bench.py ops
    --methods`, for float32 on CPUs.
    """
    if method != "auto":
        return Choice(method, "it was asked for")
    if platform != "cpu":
        return Choice("xla", f"the library of the {platform} is fast")
    kind, most = jnp.dtype(accumulator(dtype)), _MOST_NUMBERS
    if geometry.memory_limit is not None:
        most = geometry.memory_limit // kind.itemsize
    if is_symbolic_dim(geometry.n):
        return _for_any_batch(map_name, geometry, most)
    limits = _Limits(kind, most, parts)
    if kind == dtype:
        return _fastest(map_name, geometry, limits)
    reason = f"{jnp.dtype(dtype)} is slow"
    return _parted("float32", reason, map_name, geometry, limits)


def _fastest(map_name: str, geometry: Geometry, limits: _Limits) -> Choice:
    # An input gradient is the output of another convolution: that is computed.
    made = geometry.of_input_grad if map_name == "input_grad" else geometry
    name, best, pays = "output", _for_output, _phases_pay(made)
    if map_name == "param_grad":
        name, best, pays = map_name, _for_param_grad, True
    if has_phases(made) and pays:
        split = blocks(made)
        if split:
            largest = max(split, key=lambda block: block.geometry.flops).geometry
            each = limits.divided(len(split))
            return _parted("phases", "no zeros in between", name, largest, each)
    return best(made, limits)


def _for_any_batch(map_name: str, geometry: Geometry, most: int) -> Choice:
    """Return what computes a map for a batch whose size is not known."""
    made = geometry.of_input_grad if map_name == "input_grad" else geometry
    few = taps.has_few_terms(made) and made.taps <= taps._UNROLLED
    if map_name != "param_grad" and made.groups > 1 and few:
        return Choice("taps", "few input channels a group, and any number of images")
    if map_name == "output" and _few_channels(made) and _patches(made) <= most:
        return Choice("im2col", "few channels, and any number of images")
    return Choice("xla", "any number of images")


def _parted(
    by: str, reason: str, map_name: str, part: Geometry, limits: _Limits
) -> Choice:
    inner = _fastest(map_name, part, limits)
    reasons = f"{reason}; {inner.reason}"
    return Choice(inner.method, reasons, (by, *inner.by), limits.parts)


def _for_output(geometry: Geometry, limits: _Limits) -> Choice:
    if _has_one_channel(geometry) and _far_apart(geometry):
        return Choice("xla", "one channel, few outputs: XLA's own is fast")
    if geometry.ci == geometry.co == 1:
        return Choice("taps", "depthwise: element-wise products need no patches")
    few = taps.has_few_terms(geometry) and geometry.taps <= taps._UNROLLED
    if few and geometry.groups > 1:
        return Choice("taps", "few input channels a group: element-wise products")
    if geometry.taps == 1:
        return Choice("taps", "one tap: it is a product of matrices")
    if geometry.groups > 1 and geometry.ci >= _MANY_CHANNELS and _by_eigen(geometry):
        return Choice("xla", "few groups: Eigen is fast")
    apart = _apart("output", geometry, limits)
    if apart is not None:
        return apart
    if _patches(geometry) > limits.most:
        return Choice("xla", "one image's patches would take too much memory")
    if _few_channels(geometry):
        return Choice("im2col", "few channels: XLA's own is slow, products are not")
    if geometry.groups > 1:
        return Choice("im2col", "grouped: XLA's own is slow, products are not")
    if len(geometry.space) > 2:
        return Choice("im2col", "three or more axes: XLA's own is slow")
    if _even_pays(geometry, limits):
        wide = arrange.even(geometry)
        reason = "an odd number of channels is slow"
        return _parted("even", reason, "output", wide, limits)
    if _abreast_pays(geometry, limits):
        wide = arrange.row_of_images(geometry)
        reason = "side by side they engage all cores"
        return _parted("abreast", reason, "output", wide, limits)
    return Choice("xla", "dense: XLA's own cuts patches in its cache")


def _for_param_grad(geometry: Geometry, limits: _Limits) -> Choice:
    if geometry.ci == 1 and geometry.groups > 1 and not _far_apart(geometry):
        return Choice("taps", "depthwise: rows are added up, tap by tap")
    if geometry.channels_last and geometry.taps == geometry.groups == 1:
        return Choice("taps", "one tap, channels last: it is a product of matrices")
    if geometry.ci == geometry.co == 1:
        return Choice("xla", "one channel, or few outputs: XLA's own is fast")
    if geometry.groups == 1 or 1 not in (geometry.taps, geometry.n):
        apart = _apart("param_grad", geometry, limits)
        if apart is not None:
            return apart
    if geometry.groups == 1 and geometry.taps > 1 and len(geometry.space) <= 2:
        dense = _for_dense_param_grad(geometry, limits)
        if dense is not None:
            return dense
    if _patches(geometry) > limits.most:
        return Choice("xla", "one image's patches would take too much memory")
    return Choice("im2col", "large products over batch and positions at once")


def _apart(map_name: str, geometry: Geometry, limits: _Limits) -> Choice | None:
    """Return what computes the map by groups or by planes; None if neither pays."""
    if 1 < geometry.groups <= limits.parts:
        one = dataclasses.replace(geometry, groups=1)
        each = limits.divided(geometry.groups)
        return _parted("groups", "dense groups are faster", map_name, one, each)
    if _planes_pay(geometry, limits):
        plane = arrange.plane(geometry)
        each = limits.divided(geometry.kernel[0])
        return _parted("planes", "two axes are faster", map_name, plane, each)
    return None


def _for_dense_param_grad(geometry: Geometry, limits: _Limits) -> Choice | None:
    if _by_eigen(geometry):
        return Choice("xla", "dense: Eigen is fast")
    positions, one_axis = math.prod(geometry.out), len(geometry.space) == 1
    if positions <= _SMALL_IMAGE and geometry.n * positions <= _FEW_POSITIONS:
        return Choice("xla", "dense, few positions: XLA's own adds up less often")
    if limits.dtype == jnp.float32:
        part = arrange.part(geometry, limits.dtype.itemsize)
        if part == geometry:
            reason = "dense: what XLA reads again and again fits its cache"
            return Choice("xla", reason)
        fast = geometry.co >= 24 or max(geometry.out) <= 64
        whole = part.out == geometry.out  # images, or samples of one axis
        if (
            fast
            and not (one_axis and whole)
            and math.prod(part.out_shape) >= _ENGAGES_CORES
        ):
            reason = "small parts of the batch"
            return _parted("parts", reason, "param_grad", part, limits)
    if one_axis:
        return Choice("xla", "dense, one axis: XLA's own cuts patches in its cache")
    return None


def _has_one_channel(geometry: Geometry) -> bool:
    return geometry.groups == geometry.ci == geometry.co == 1


def _few_channels(geometry: Geometry) -> bool:
    """Return whether a dense layer has too few channels to engage XLA's own."""
    return (
        geometry.groups == 1
        and geometry.ci <= _FEW_INPUTS
        and geometry.co <= _FEW_MAPS
        and geometry.taps <= _FEW_TAPS
    )


def _far_apart(geometry: Geometry) -> bool:
    """Return whether there are many taps and few windows."""
    many = geometry.taps > taps._UNROLLED
    return many and max(geometry.strides) >= _FAR_APART


def _even_pays(geometry: Geometry, limits: _Limits) -> bool:
    """Return whether XLA is slow because the number of channels is odd."""
    return (
        limits.dtype == jnp.float32
        and len(geometry.space) == 2
        and not _by_eigen(geometry)
        and geometry.ci % 2 == 1 < geometry.ci
        and 16 < geometry.co <= 32
    )


def _abreast_pays(geometry: Geometry, limits: _Limits) -> bool:
    """Return whether one row of an image is too little work for several cores.

    From 128 channels on the channels are shared out, and under 24 all is. With strides
    128 are still too few: the row is short.
    """
    most = 128 if max(geometry.strides) > 1 else 127
    pairs = geometry.ci * geometry.co
    row = 2 * pairs * geometry.taps * geometry.out[-1]
    moved = 4 * (math.prod(geometry.x_shape) + math.prod(geometry.out_shape))
    return (
        limits.dtype == jnp.float32
        and len(geometry.space) == 2
        and not _by_eigen(geometry)
        and max(geometry.input_dilation) == 1
        and 24 <= geometry.co <= most
        and geometry.ci >= 8
        and row < _WIDE_ROW <= row * geometry.n
        and geometry.flops >= _WORTH_COPYING * moved
    )


def _planes_pay(geometry: Geometry, limits: _Limits) -> bool:
    """Return whether a convolution of three axes or more is to be taken apart."""
    return (
        len(geometry.space) > 2
        and geometry.groups == 1
        and geometry.kernel[0] <= limits.parts
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


def _phases_pay(geometry: Geometry) -> bool:
    """Return whether to split a dilated input: it is mostly zeros, or splits evenly.

    Where a few taps are shared out unevenly, the parts are too small to be fast, and
    depthwise ones always are.
    """
    if math.prod(geometry.input_dilation) >= _MOSTLY_ZEROS:
        return True
    axes = zip(geometry.kernel, geometry.input_dilation, strict=True)
    depthwise = geometry.ci == geometry.co == 1
    return not depthwise and all(k <= r or k >= 2 * r for k, r in axes)
