"""A padded image is pooled region by region, without a padded copy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.conv.pooling import maximum, regions
from jaxconv.conv.pooling.api import avg_pool, max_pool, windows_of
from jaxconv.conv.pooling.regions import Region, regions_along

GRID = itertools.product((1, 2, 4), (1, 2, 3), ((0, 0), (1, 0), (1, 2), (3, 3)), (5, 8))


def windows_along(k, s, pads, size):
    shape = (1, 1, size)
    return windows_of("pool", shape, k, first=2, strides=s, padding=(pads,))


def test_regions_see_what_windows_see():
    for k, s, (low, high), size in GRID:
        if max(low, high) >= k:
            continue
        windows = windows_along(k, s, (low, high), size)
        outputs = [
            (region.output + i, region.tap, region.taps)
            for region in regions_along(windows, 0)
            for i in range(region.outputs)
        ]
        for at, (output, tap, taps) in enumerate(outputs):
            pixels = [j for j in range(k) if 0 <= at * s + j - low < size]
            assert (output, tap, taps) == (at, pixels[0], len(pixels))
        assert len(outputs) == windows.out[0]


def test_an_image_with_a_border_has_three_regions():
    windows = windows_along(3, 2, (1, 1), 9)
    assert regions_along(windows, 0) == [
        Region(0, 1, 1, 2),
        Region(1, 3, 0, 3),
        Region(4, 1, 0, 2),
    ]


@pytest.mark.parametrize("pool", [max_pool, avg_pool])
def test_no_copy_of_the_image_is_padded(pool):
    shape = (1, 8, 8, 2)

    def run(x):
        return pool(x, 3, strides=2, padding=1, channels_last=True)

    text = (
        jax.jit(jax.value_and_grad(lambda x: run(x).sum()))
        .lower(jnp.ones(shape))
        .as_text()
    )
    padded = [line for line in text.splitlines() if "stablehlo.pad" in line]
    assert all("(tensor<1x8x8x2x" not in line for line in padded)


@pytest.mark.exhaustive
def test_many_regions_are_padded_and_give_the_same(monkeypatch):
    x = jnp.asarray(np.random.default_rng(0).integers(-2, 3, (1, 2, 5, 6)), "float32")
    windows = windows_of("pool", x.shape, 3, first=2, strides=1, padding=1)
    y = maximum._max(x, windows=windows)
    winner = maximum._winner(x, y, windows=windows)
    monkeypatch.setattr(regions, "MOST_REGIONS", 8)
    np.testing.assert_array_equal(maximum._max(x, windows=windows), y)
    np.testing.assert_array_equal(maximum._winner(x, y, windows=windows), winner)
