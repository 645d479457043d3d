"""Wrong shapes, and what shapes tell of a layout."""

import numpy as np
import pytest

from jaxconv.check.layout import Layout
from jaxconv.check.patterns import recognise_shape
from jaxconv.check.patterns.names import count_groups, find_axes, name_axes
from jaxconv.check.trial import Trial
from tests.check.small_maps import PLAIN, W, X

SHAPES = {
    "cut from the wrong axes": (
        (2, 9, 6, 1), (2, 7, 6, 3), "axis 1 is 2 too long and axis 3 is 2 too short, as"
    ),
    "not cut": ((2, 3, 9, 8), (2, 3, 7, 6), "axes 2 and 3 are 2 too long, as if the"),
    "cut once too often": ((2, 3, 5, 4), (2, 3, 7, 6), "axes 2 and 3 are 2 too short"),
    "exchanged": ((4, 3, 5, 5), (3, 4, 5, 5), "axes 0 and 1 are exchanged"),
    "in another order": ((5, 6, 3, 4), (3, 4, 5, 6), "axes lie in the order (2, 3, 0"),
    "one for each example": ((2, 4, 3, 5), (4, 3, 5), "the batch is not summed"),
    "of one example": ((3, 7, 6), (2, 3, 7, 6), "axis 0, of size 2, is missing"),
    "without channels": ((2, 7, 6), (2, 3, 7, 6), "axis 1, of size 3, is missing"),
    "squeezed": ((2, 7, 6), (2, 1, 7, 6), "axes of size 1 are missing"),
}  # fmt: skip


@pytest.mark.parametrize(("found", "right", "words"), SHAPES.values(), ids=SHAPES)
def test_wrong_shapes_are_recognised(found, right, words):
    assert words in recognise_shape(found, right, batch=2)


def test_a_shape_like_no_other_is_left_alone():
    assert recognise_shape((2, 3), (7, 8, 9, 10)) is None
    assert recognise_shape((3, 9, 5), (4, 5, 6)) is None


LAYOUTS = {  # w's shape beside images of (2, 3, 8, 7) or (2, 8, 7, 3), and its layout
    "in, out": ((2, 3, 8, 7), (3, 4, 3, 2), (2, 4, 6, 6), 0),
    "out, in": ((2, 3, 8, 7), (4, 3, 3, 2), (2, 4, 6, 6), 1),
    "channels last": ((2, 8, 7, 3), (3, 2, 3, 4), (2, 6, 6, 4), 2),
    "no batch": ((3, 8, 7), (4, 3, 3, 2), (4, 6, 6), 1),
}


@pytest.mark.parametrize(("x", "w", "g", "place"), LAYOUTS.values(), ids=LAYOUTS)
def test_shapes_tell_the_layout(x, w, g, place):
    trial = Trial(PLAIN, X, W, "float32", seed=0)
    trial.operands = {"x": np.ones(x), "w": np.ones(w), "g": np.ones(g)}
    assert find_axes(trial, "w").channels == place
    assert count_groups(trial) == 1
    kinds = [axis.kind for axis in name_axes(trial, "x")]
    assert kinds.count("input channel") == 1


def test_a_layout_given_goes_first():
    trial = Trial(PLAIN, X, W, "float32", seed=0)
    trial.layout = Layout.parse("CNHW/OIHW")
    assert find_axes(trial, "x").batch == 1
