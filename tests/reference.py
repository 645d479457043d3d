"""The oracle: a convolution in int64 NumPy that pads nothing, on whole numbers.

It takes the sizes from `Geometry`, whose shapes are tested against lax, and nothing
else from jaxconv: outputs, pixels and taps are matched one by one, and a pixel outside
the image counts as zero. Sums of small whole numbers are exact in any order, so that
results are compared bit for bit.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.conv.geometry import Geometry

MAPS = "output", "input_grad", "param_grad"

# For many small programs: what they compute is at stake, not their speed.
UNOPTIMISED = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
}


def _meetings(geometry: Geometry):
    """Yield output position, tap and the pixel of the unpadded input they meet at."""
    for o in itertools.product(*map(range, geometry.out)):
        for p in itertools.product(*map(range, geometry.kernel)):
            places = [
                position * stride + tap * spread - low
                for position, stride, tap, spread, (low, _) in zip(
                    o,
                    geometry.strides,
                    p,
                    geometry.kernel_dilation,
                    geometry.padding,
                    strict=True,
                )
            ]
            if all(map(_holds_a_pixel, places, *_axes(geometry))):
                gaps = geometry.input_dilation
                yield (
                    o,
                    p,
                    tuple(at // gap for at, gap in zip(places, gaps, strict=True)),
                )


def _axes(geometry: Geometry):
    return geometry.space, geometry.input_dilation, geometry.padding


def _holds_a_pixel(place: int, size: int, gap: int, pad: tuple[int, int]) -> bool:
    """Whether there is a pixel at `place`: not a gap, not cropped away."""
    low, high = pad
    last = (size - 1) * gap
    return (
        place % gap == 0
        and max(0, -low) <= place <= last - max(0, -high)
        and 0 <= place // gap < size
    )


def _grouped(geometry: Geometry):
    for group in range(geometry.groups):
        inputs = slice(group * geometry.ci, (group + 1) * geometry.ci)
        outputs = slice(group * geometry.co, (group + 1) * geometry.co)
        yield inputs, outputs


def output(x, w, geometry: Geometry) -> np.ndarray:
    x, w = np.asarray(x, np.int64), np.asarray(w, np.int64)
    y = np.zeros(geometry.out_shape, np.int64)
    for o, p, pixel in _meetings(geometry):
        for ci, co in _grouped(geometry):
            y[:, co, *o] += x[:, ci, *pixel] @ w[:, co, *p]
    return y


def input_grad(g, w, geometry: Geometry) -> np.ndarray:
    g, w = np.asarray(g, np.int64), np.asarray(w, np.int64)
    grad = np.zeros(geometry.x_shape, np.int64)
    for o, p, pixel in _meetings(geometry):
        for ci, co in _grouped(geometry):
            grad[:, ci, *pixel] += g[:, co, *o] @ w[:, co, *p].T
    return grad


def param_grad(x, g, geometry: Geometry) -> np.ndarray:
    x, g = np.asarray(x, np.int64), np.asarray(g, np.int64)
    grad = np.zeros(geometry.w_shape, np.int64)
    for o, p, pixel in _meetings(geometry):
        for ci, co in _grouped(geometry):
            grad[:, co, *p] += x[:, ci, *pixel].T @ g[:, co, *o]
    return grad


def three_maps(x, w, g, geometry: Geometry) -> tuple[np.ndarray, ...]:
    return (
        output(x, w, geometry),
        input_grad(g, w, geometry),
        param_grad(x, g, geometry),
    )


# Operands, and how results are compared


def integers(rng: np.random.Generator, shape, low: int = -4, high: int = 4):
    """Small whole numbers as float32: their products and sums are exact."""
    return rng.integers(low, high + 1, shape).astype(np.float32)


def arrays(*shapes, seed: int = 0, most: int = 3) -> tuple[jax.Array, ...]:
    """Return arrays of whole numbers from -most to most, the same for one seed."""
    rng = np.random.default_rng(seed)
    return tuple(jnp.array(integers(rng, shape, -most, most)) for shape in shapes)


def operands(geometry: Geometry, seed: int = 0, most: int = 4) -> tuple[jax.Array, ...]:
    """Return x, w and g of a convolution."""
    shapes = geometry.x_shape, geometry.w_shape, geometry.out_shape
    return arrays(*shapes, seed=seed, most=most)


def pair(map_name: str, geometry: Geometry) -> tuple[jax.Array, jax.Array]:
    """Return the two operands of one of the three maps."""
    x, w, g = operands(geometry)
    return {"output": (x, w), "input_grad": (g, w), "param_grad": (x, g)}[map_name]


def assert_same_bits(ours: Any, theirs: Any, where: str = "") -> None:
    """Compare trees of arrays: the same shapes, the same numbers in the same places."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs), where

    def same(path, a, b):
        at = f"{where}{jax.tree_util.keystr(path)}"
        assert np.shape(a) == np.shape(b), f"{at}: {np.shape(a)}, not {np.shape(b)}"
        np.testing.assert_array_equal(a, b, err_msg=at)

    jax.tree_util.tree_map_with_path(same, ours, theirs)
