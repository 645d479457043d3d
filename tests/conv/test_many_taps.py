"""Filters of many taps, which the method `taps` takes in runs: no tap is lost."""

import dataclasses

import pytest

from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import taps
from tests.reference import MAPS, assert_same_bits, operands, three_maps
from tests.tiers import fast

CASES = {
    "a run to each row": ((2, 2, 9, 8), (1, 4, 9, 8), {"groups": 2, "strides": (1, 2)}),
    "runs and a rest": ((2, 2, 70), (1, 2, 67), {"groups": 2}),
    "a run exactly": ((1, 3, 64), (1, 3, 96), {"groups": 3, "padding": 60}),
    "rows longer than a run": (
        (1, 2, 3, 40),
        (2, 3, 2, 35),
        {"kernel_dilation": (2, 1), "padding": (3, 2)},
    ),
}


@pytest.mark.parametrize("name", fast(CASES, "a run exactly", "runs and a rest"))
def test_runs_make_the_whole(name):
    x, w, facts = CASES[name]
    last = name == "a run exactly"  # whether the channels are last
    geometry = dataclasses.replace(Geometry.of(x, w, **facts), channels_last=last)
    arrays = operands(geometry)
    expected = three_maps(*arrays, geometry)
    x, w, g = arrays
    found = (
        taps._output(x, w, geometry),
        taps._input_grad(g, w, geometry),
        taps._param_grad(x, g, geometry),
    )
    for name, ours, sums in zip(MAPS, found, expected, strict=True):
        assert_same_bits(ours, sums, name)
