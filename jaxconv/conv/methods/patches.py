"""Patches: for each output position the pixels that the filter reads there."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxconv.conv.geometry import Geometry

_MOST_SLICES = 64  # along one axis


def cut_patches(x: Array, geometry: Geometry) -> Array:
    """Cut (n, groups, ci, *padded) into patches (n, groups, ci * taps, positions).

    One axis after the other, so that a filter of 31 x 31 takes 62 slices and not 961;
    very long ones take one gather, which is slower to run and quick to compile.
    """
    n, groups, channels, *_ = x.shape
    axes = zip(
        geometry.kernel,
        geometry.kernel_dilation,
        geometry.strides,
        geometry.out,
        strict=True,
    )
    for at, (k, d, s, o) in enumerate(axes):
        if k > _MOST_SLICES:
            pixels = np.arange(k)[:, None] * d + np.arange(o) * s
            x = jnp.take(x, pixels, axis=3 + 2 * at, mode="clip")
            x = jnp.moveaxis(x, 3 + 2 * at, 3 + at)
            continue
        # n groups channels, taps and outputs of the axes before, then the axes to come
        taps = [
            lax.slice_in_dim(x, p * d, p * d + (o - 1) * s + 1, s, axis=3 + 2 * at)
            for p in range(k)
        ]
        x = jnp.stack(taps, axis=3 + at)
    return x.reshape(n, groups, channels * geometry.taps, math.prod(geometry.out))
