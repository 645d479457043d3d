"""What "auto" takes: two tables, read from top to bottom; the first match wins.

`OUTPUTS` serves both the output and the input gradient, which is the output of another
convolution. `take` names a method, or an arrangement that takes the convolution apart;
its parts are then looked up in the same table.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax.export import is_symbolic_dim

from jaxconv.conv.auto import arrangements, numbers, phases
from jaxconv.conv.auto.target import Target
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import depthwise_grad, onednn, taps
from jaxconv.conv.operands import accumulator


class Case(NamedTuple):
    """What the rules decide by."""

    geometry: Geometry
    dtype: jnp.dtype
    target: Target
    convolutions: int  # that it may be taken apart into


class Rule(NamedTuple):
    """Take a method or an arrangement where `applies` holds."""

    applies: Callable[[Case], bool]
    take: str
    because: str


def _elsewhere(case: Case) -> bool:
    return case.target.platform != "cpu"


def _onednn(case: Case) -> bool:
    """Return whether oneDNN serves the case, in a type whose fuzzing was clean."""
    served = case.dtype.name in case.target.onednn
    return served and onednn.unsuitable(case.geometry, case.dtype) is None


def _for_onednn(case: Case) -> bool:
    return _onednn(case) and max(case.geometry.input_dilation) == 1


def _onednn_outputs(case: Case) -> bool:
    """Return whether oneDNN is fast at an output: each call has costs of its own."""
    if not _for_onednn(case):
        return False
    return _one_input_channel(case) or case.geometry.flops >= numbers.FEWEST_OPERATIONS


def _short(case: Case) -> bool:
    return accumulator(case.dtype) != case.dtype


def _short_outputs(case: Case) -> bool:
    served = _onednn_outputs(case) or (_onednn(case) and _phases_pay(case))
    return _short(case) and not served


def _short_grads(case: Case) -> bool:
    served = _onednn_grads(case) or (_onednn(case) and _has_phases(case))
    return _short(case) and not served


def _any_batch(case: Case) -> bool:
    return is_symbolic_dim(case.geometry.n)


def _phases_pay(case: Case) -> bool:
    """Return whether to split a dilated input: it is mostly zeros, or splits evenly.

    Where few taps split unevenly, the parts are too small for XLA, not for oneDNN;
    parts of one channel in and out are too small for both.
    """
    geometry = case.geometry
    if not _has_phases(case):
        return False
    if math.prod(geometry.input_dilation) >= numbers.MOSTLY_ZEROS:
        return True
    axes = zip(geometry.kernel, geometry.input_dilation, strict=True)
    even = all(k <= r or k >= 2 * r for k, r in axes)
    return (even or _onednn(case)) and not geometry.ci == geometry.co == 1


def _has_phases(case: Case) -> bool:
    geometry = case.geometry
    if _any_batch(case) or not phases.has_phases(geometry):
        return False
    return 0 < len(phases.blocks(geometry)) <= case.convolutions


def _one_input_channel(case: Case) -> bool:
    return case.geometry.ci == 1 and case.geometry.groups > 1


def _few_terms(case: Case) -> bool:
    """Return whether an output adds up so few products that all are spelt out."""
    geometry = case.geometry
    if geometry.ci == geometry.co == 1:
        return True
    grouped = geometry.groups > 1 and geometry.taps <= taps.MOST_UNROLLED
    return grouped and taps.has_few_terms(geometry)


def _one_tap(case: Case) -> bool:
    """Return whether one tap is a product of matrices, in a type that XLA adds up in.

    With groups only for one channel in and out each: each pixel times a number.
    """
    geometry = case.geometry
    one = geometry.groups == 1 or geometry.ci == geometry.co == 1
    return geometry.taps == 1 and one and not _short(case)


def _few_channels(case: Case) -> bool:
    geometry = case.geometry
    few = geometry.ci <= numbers.FEW_INPUTS and geometry.co <= numbers.FEW_OUTPUTS
    dense = geometry.groups == 1 and geometry.taps <= numbers.FEW_TAPS
    return few and dense and _patches_fit(case)


def _patches_fit(case: Case) -> bool:
    geometry = case.geometry
    channels = geometry.groups * geometry.ci
    limit = geometry.memory_limit
    most = numbers.MOST_PATCH_NUMBERS
    if limit is not None:
        most = limit // case.dtype.itemsize
    return channels * geometry.taps * math.prod(geometry.out) <= most


def _few_groups(case: Case) -> bool:
    return 1 < case.geometry.groups <= case.convolutions


def _three_axes(case: Case) -> bool:
    deep = len(case.geometry.space) > 2 and case.geometry.groups == 1
    return deep and case.geometry.kernel[0] <= case.convolutions


def _onednn_grads(case: Case) -> bool:
    """Return whether oneDNN is fast at a filter gradient.

    It is for depthwise filters whose channels are last in memory, or worth moving
    there; else where images and input channels suffice for products of matrices.
    """
    geometry = case.geometry
    if onednn.has_channels_apart(geometry):
        move = geometry.taps >= depthwise_grad.WORTH_MOVING
        return (geometry.channels_last or move) and _for_onednn(case)
    if geometry.taps == geometry.groups == 1:
        return _for_onednn(case)
    if len(geometry.space) == 3 or geometry.taps == 1 or not _for_onednn(case):
        return False
    return _fills_vectors(case)


def _fills_vectors(case: Case) -> bool:
    """Return whether a filter gradient has images and channels enough for oneDNN."""
    geometry = case.geometry
    n, ci = geometry.n, geometry.ci
    if case.target.avx512:
        return n >= numbers.FEWEST_IMAGES and ci >= numbers.FEWEST_INPUTS
    if len(geometry.space) == 1 or n < numbers.AVX2_IMAGES:
        return False
    thin = geometry.groups > 1 and geometry.co < numbers.AVX2_GROUP_OUTPUTS
    if thin and n >= numbers.AVX2_XLA_IMAGES:
        return False
    enough = numbers.AVX2_OPERATIONS[geometry.channels_last]
    many = geometry.flops >= enough
    return ci >= (numbers.AVX2_INPUTS if many else numbers.FEWEST_INPUTS)


def _products_pay(case: Case) -> bool:
    """Return whether products over patches beat XLA's convolution, without AVX-512."""
    geometry = case.geometry
    deep = geometry.ci >= numbers.AVX2_PATCH_INPUTS and len(geometry.space) == 2
    if case.target.avx512 or not deep or not _patches_fit(case):
        return False
    if geometry.n < numbers.AVX2_XLA_IMAGES:
        return True
    large = _gradient_bytes(case) > numbers.SMALL_GRADIENT_BYTES
    return large and geometry.co >= numbers.AVX2_PATCH_OUTPUTS


def _gradient_bytes(case: Case) -> int:
    return math.prod(case.geometry.out_shape) * case.dtype.itemsize


def _gradient_fits_cache(case: Case) -> bool:
    """Return whether `g`, which XLA reads again and again, fits a cache."""
    geometry = case.geometry
    dense = geometry.groups == 1 < geometry.taps and len(geometry.space) < 3
    line = len(geometry.space) == 1 and geometry.kernel_dilation == (1,)
    most = numbers.WHOLE_GRADIENT_BYTES
    if line and not case.target.avx512:
        most = numbers.LINE_GRADIENT_BYTES
    return dense and _gradient_bytes(case) <= most


def _large_batch(case: Case) -> bool:
    """Return whether to cut `g`, which XLA rereads, into parts that fit a cache."""
    geometry = case.geometry
    if geometry.groups > 1 or len(geometry.space) > 2 or case.dtype != jnp.float32:
        return False
    if geometry.taps == 1:
        return False
    part = arrangements.part(geometry, case.dtype.itemsize)
    enough = math.prod(part.out_shape) >= numbers.FEWEST_GRADIENT_NUMBERS
    return part != geometry and enough


def _always(case: Case) -> bool:
    return True


OUTPUTS = (
    Rule(_elsewhere, "xla", "the device's own library is fast"),
    Rule(_short_outputs, "float32", "short floats are slow"),
    Rule(_phases_pay, "phases", "no products with zeros"),
    Rule(_one_tap, "taps", "one tap: a product of matrices"),
    Rule(_onednn_outputs, "onednn", "oneDNN is fast"),
    Rule(_few_terms, "taps", "few input channels a group: element-wise products"),
    Rule(_few_channels, "im2col", "few channels: XLA's own is slow"),
    Rule(_few_groups, "groups", "each group by itself is faster"),
    Rule(_three_axes, "planes", "two axes are faster"),
    Rule(_always, "xla", "XLA's own is fast"),
)
PARAM_GRADS = (
    Rule(_elsewhere, "xla", "the device's own library is fast"),
    Rule(_any_batch, "xla", "any number of images"),
    Rule(_short_grads, "float32", "short floats are slow"),
    Rule(_has_phases, "phases", "no products with zeros"),
    Rule(_onednn_grads, "onednn", "oneDNN is fast"),
    Rule(_one_input_channel, "taps", "depthwise: rows are added up, tap by tap"),
    Rule(_few_groups, "groups", "each group by itself is faster"),
    Rule(_three_axes, "planes", "two axes are faster"),
    Rule(_products_pay, "im2col", "without AVX-512 products over patches win"),
    Rule(_gradient_fits_cache, "xla", "what XLA reads again and again fits a cache"),
    Rule(_large_batch, "parts", "parts of the batch fit a cache"),
    Rule(_patches_fit, "im2col", "large products over batch and positions"),
    Rule(_always, "xla", "one image's patches would take too much memory"),
)
