"""The method `xla`: the convolution that JAX ships, and both gradients by it too.

    output     = lax(x, w)
    input_grad = lax(g dilated by the stride, turned w)      Geometry.of_input_grad
    param_grad = lax(x with batch and channels exchanged, g) Geometry.of_param_grad

The gradients are convolutions of rearranged operands, derived in `geometry.py`; JAX is
not asked to differentiate.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jax import Array, lax
from jax.lax import Precision

from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.rounding import of_sum
from jaxconv.conv.operands import (
    accumulator,
    batch_as_channels,
    merge_groups,
    split_groups,
    turned,
)
from jaxconv.conv.padding import pad_input

_rounding = of_sum

# Bound here, so that whatever stands in for it in `jax.lax` later is not called.
_conv_general_dilated = lax.conv_general_dilated
_DOUBLE = (jnp.float64, jnp.complex128)


def _output(
    x: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Convolve by lax, after cropping: on the CPU it misreads negative padding.

    In double precision each group apart: there XLA multiplies the other groups by zeros
    and adds them, so that an inf in one would spread to all.
    """
    if geometry.groups > 1 and x.dtype in _DOUBLE:
        return _by_group(x, w, geometry, precision)
    return _by_lax(x, w, geometry, precision, feature_group_count=geometry.groups)


def _by_group(
    x: Array, w: Array, geometry: Geometry, precision: Precision | None
) -> Array:
    single = dataclasses.replace(geometry, groups=1)
    xs = jnp.moveaxis(split_groups(x, "x", geometry), 1, 0)
    ws = jnp.moveaxis(split_groups(w, "w", geometry), 1, 0)
    ys = lax.map(lambda pair: _output(pair[0], pair[1], single, precision), (xs, ws))
    return merge_groups(jnp.moveaxis(ys, 0, 1))


def _input_grad(
    g: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Convolve the dilated gradient with the turned filters."""
    return _output(g, turned(w, geometry), geometry.of_input_grad, precision)


def _param_grad(
    x: Array, g: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Convolve the input, its batch as channels, with the gradient as the filter."""
    own, groups = geometry.of_param_grad, geometry.groups
    if groups == 1:
        return _by_lax(x, g, own, precision, exchanged=True)
    depthwise = geometry.ci == geometry.co == 1
    if depthwise and x.dtype not in _DOUBLE:  # as groups of a batch it is faster
        return _by_lax(x, g, own, precision, exchanged=True, batch_group_count=groups)
    return _output(batch_as_channels(x, geometry), g, own, precision)


def _by_lax(
    x: Array,
    w: Array,
    geometry: Geometry,
    precision: Precision | None,
    exchanged: bool = False,
    **groups: Any,
) -> Array:
    """Call lax after cropping; `exchanged` takes the batch for the channels.

    The axes are put in the order that XLA's CPU wants. It does so itself, but not
    within a loop, where it takes another order to plain loops over numbers.
    """
    if any(side < 0 for pair in geometry.padding for side in pair):
        x, geometry = pad_input(x, geometry), geometry.once_padded
    image, last = (0, *range(2, x.ndim), 1), x.ndim - 1
    exchanged_image = (1, *range(2, x.ndim), 0)
    y = _conv_general_dilated(
        x.transpose(exchanged_image if exchanged else image),
        w.transpose(*range(2, w.ndim), 0, 1),
        geometry.strides,
        geometry.padding,
        geometry.input_dilation,
        geometry.kernel_dilation,
        _channels_last(x.ndim),
        **groups,
        precision=precision,
        preferred_element_type=jnp.dtype(accumulator(x.dtype)),
    )
    return y.astype(x.dtype).transpose(0, last, *range(1, last))


def _channels_last(ndim: int) -> lax.ConvDimensionNumbers:
    image = (0, ndim - 1, *range(1, ndim - 1))
    return lax.ConvDimensionNumbers(
        image, (ndim - 1, ndim - 2, *range(ndim - 2)), image
    )
