"""The custom calls that oneDNN answers inside jaxlib, with their configurations.

Source: XLA's `onednn_config.proto` and `onednn_convolution.cc` for the fields.
"""

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.onednn_region import depthwise, in_region


def convolution(
    x: Array, w: Array, geometry: Geometry, channels: tuple[int, int] = (-2, -1)
) -> Array:
    """Convolve a channels-last image, (n, *space, c), with filters.

    `channels` are the axes of `w` that hold ci and co; the others are the kernel's.
    """
    if not in_region(geometry):
        raise ValueError(f"onednn: {geometry} is outside of the verified region.")
    x, w, geometry = _in_pairs(x, w, geometry, channels[0])
    n, features, *out = geometry.out_shape
    shape = (n, *out, features)
    return _custom_call("convolution", x, w, shape, _config(geometry, channels))


def matmul(a: Array, b: Array) -> Array:
    """Multiply the transpose of `a`, (k, m), by `b`, (k, n)."""
    config = {"onednn_matmul_config": {"transpose_a": True, "transpose_b": False}}
    return _custom_call("matmul", a, b, (a.shape[1], b.shape[1]), config)


def _in_pairs(
    x: Array, w: Array, geometry: Geometry, axis: int
) -> tuple[Array, Array, Geometry]:
    """Append a channel of zeros to an odd number of bfloat16, which go in pairs.

    Filters get it along `axis`, that of their input channels. The last one's partner
    would be the next pixel, times 0: an inf there gives nan.
    """
    odd = geometry.ci % 2 and not depthwise(geometry)
    if x.dtype != jnp.bfloat16 or not odd:
        return x, w, geometry
    pixels = x.reshape(*x.shape[:-1], geometry.groups, geometry.ci)
    even = dataclasses.replace(geometry, ci=geometry.ci + 1)
    x = _one_more(pixels, -1).reshape(*x.shape[:-1], geometry.groups * even.ci)
    return x, _one_more(w, axis), even


def _one_more(array: Array, axis: int) -> Array:
    pads = [(0, 0)] * array.ndim
    pads[axis] = (0, 1)
    return jnp.pad(array, pads)


def _custom_call(
    name: str, a: Array, b: Array, shape: tuple[int, ...], config: dict[str, Any]
) -> Array:
    """Have oneDNN compute an array of this shape from two."""
    call = jax.ffi.ffi_call(
        f"__onednn${name}",
        jax.ShapeDtypeStruct(shape, a.dtype),
        custom_call_api_version=2,
        legacy_backend_config=json.dumps(config),
    )
    return call(a, b)


def _config(geometry: Geometry, channels: tuple[int, int]) -> dict[str, Any]:
    """Say which axis is which, counted from 0, and what the window does."""
    axes = len(geometry.space)
    inputs, outputs = (axis % (axes + 2) for axis in channels)
    image = {
        "batch_dim": "0",
        "feature_dim": str(axes + 1),
        "spatial_dims": _words(range(1, axes + 1)),
    }
    filters = {
        "input_feature_dim": str(inputs),
        "output_feature_dim": str(outputs),
        "spatial_dims": _words(
            i for i in range(axes + 2) if i not in (inputs, outputs)
        ),
    }
    window = {
        "pad_left": _words(low for low, _ in geometry.padding),
        "pad_right": _words(high for _, high in geometry.padding),
        "strides": _words(geometry.strides),
        "window_dilations": _words(geometry.kernel_dilation),
    }
    return {
        "onednn_conv_config": {
            "dims": str(axes + 2),
            "feature_groups": str(geometry.groups),
            "input": {"data": image},
            "kernel": {"filter": filters},
            "output": {"data": image},
            "window": window,
        }
    }


def _words(numbers: Any) -> list[str]:
    return [str(number) for number in numbers]
