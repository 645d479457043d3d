"""The filter gradient by tiles: it is the whole sum, however the batch divides."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxconv.check.problems import random_geometry
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import depthwise_grad as tiles
from tests import reference
from tests.reference import UNOPTIMISED, pair

DEPTHWISE = {
    "all sizes divide": ((8, 3, 12, 5), 1, (3, 3), {"padding": 1}),
    "primes": ((5, 3, 7, 4), 1, (3, 2), {}),
    "one image": ((1, 2, 40, 6), 1, (2, 3), {"padding": ((0, 1), (2, 0))}),
    "one row": ((20, 3, 1, 9), 1, (1, 2), {"padding": 0}),
    "two filters a channel": ((6, 3, 8, 5), 2, (3, 3), {"strides": (2, 1)}),
    "many taps, strided, cropped": (
        (4, 3, 21, 18),
        1,
        (5, 5),
        {"strides": (2, 3), "padding": ((-1, 2), (3, -2))},
    ),
    "dilated both": (
        (16, 2, 6, 5),
        1,
        (2, 3),
        {"kernel_dilation": (3, 2), "input_dilation": (2, 3), "padding": 2},
    ),
    "1-D, in rows": ((2, 3, 1024), 1, (4,), {"padding": ((3, 0),)}),
    "1-D, of prime length": ((3, 2, 131), 2, (4,), {"strides": 2}),
    "3-D": ((2, 3, 8, 4, 5), 1, (3, 2, 2), {"padding": 1, "strides": (1, 2, 1)}),
}


def depthwise(name: str) -> Geometry:
    x, each, kernel, facts = DEPTHWISE[name]
    return Geometry.of(x, (1, each * x[1], *kernel), groups=x[1], **facts)


def each_layout():
    """Every case in both layouts, one of them with --exhaustive only, in turn."""
    for i, name in enumerate(DEPTHWISE):
        for last in (False, True):
            marks = [pytest.mark.exhaustive] if last == i % 2 else []
            yield pytest.param(name, last, marks=marks)


@pytest.mark.parametrize(("name", "last"), list(each_layout()))
def test_tiles_make_the_whole(name, last):
    geometry = dataclasses.replace(depthwise(name), channels_last=last)
    x, g = pair("param_grad", geometry)
    compiled = jax.jit(
        lambda x, g: tiles.param_grad(x, g, geometry), compiler_options=UNOPTIMISED
    )
    np.testing.assert_array_equal(compiled(x, g), reference.param_grad(x, g, geometry))


def test_tiles_fit_and_compile_soon():
    rng = np.random.default_rng(0)
    for _ in range(300):
        case = random_geometry(rng)
        n, channels = int(rng.integers(1, 70)), int(rng.integers(1, 300))
        geometry = dataclasses.replace(case, n=n, groups=channels, ci=1)
        if geometry.is_empty or not geometry.out:
            continue
        tile = tiles._tile(geometry)
        assert n % (tile.images * tile.abreast) == 0
        assert geometry.out[0] % (tile.rows * tile.height) == 0
        products = tile.rows * tile.images * geometry.taps
        assert products <= max(tiles._MOST_PRODUCTS, 16 * geometry.taps)


@pytest.mark.parametrize(
    ("n", "size", "kernel"),
    [(1, 32, 3), (4, 16, 3), (8, 56, 3), (16, 7, 3), (32, 32, 5), (32, 28, 7)],
)
def test_common_layers_have_rows_enough_and_a_loop_over_them(n, size, kernel):
    shapes = (n, 64, size, size), (1, 64, kernel, kernel)
    tile = tiles._tile(Geometry.of(*shapes, groups=64, padding=kernel // 2))
    assert tile.rows * tile.images >= tiles._FEWEST_ROWS
    assert 2 * tile.rows <= size
