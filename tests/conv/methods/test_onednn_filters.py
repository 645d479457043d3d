"""Filters go to `onednn` with their axes in the order in which they are stored."""

import re

import jax
import jax.numpy as jnp
import pytest

import jaxconv
from jaxconv.check.fuzz_cases import check
from jaxconv.check.problems import parse_problem, problem
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import onednn
from tests.conv.methods.needs import needs

LAYOUTS = {
    ("NHWC", "HWIO"): "3x3x32x48",
    ("NHWC", "HWOI"): "3x3x48x32",
    ("NCHW", "IOHW"): "32x48x3x3",
    ("NCHW", "OIHW"): "48x32x3x3",
}


@needs("float32")
@pytest.mark.parametrize(("layout", "stored"), LAYOUTS.items())
def test_output_and_input_gradient_read_filters_as_they_are_stored(layout, stored):
    """To move the axes of large filters takes longer than a small batch."""
    images, filters = layout
    sizes = {"N": 4, "C": 32, "H": 20, "W": 20, "I": 32, "O": 48}
    x = jnp.ones([sizes[axis] for axis in images])
    w = jnp.ones([3 if axis in "HW" else sizes[axis] for axis in filters])

    def convolve(x):
        return jaxconv.conv_general_dilated(
            x, w, (1, 1), "SAME", dimension_numbers=(images, filters, images)
        )

    def both(x):
        y, pull = jax.vjp(convolve, x)
        return pull(y)

    program = jax.jit(both).lower(x).as_text()
    calls = re.findall(r"@__onednn\$convolution.*, tensor<(\w+)xf32>\) ->", program)
    assert calls == [stored, stored]


@needs("float32")
@pytest.mark.parametrize("stored", ["", "of1", "tf1", "of1tf1"])
@pytest.mark.parametrize("groups", ["", "g2"])
def test_all_orders_give_the_same(groups, stored):
    line = f"{groups}mb2ic4oc6ih6iw5kh3kw2sh2ph1{stored}"
    _, problems = check(f"onednn/float32/3/{line}")
    assert problems == []


def test_the_order_is_exchanged_with_the_channels():
    geometry = parse_problem("mb2ic4oc6ih6iw5kh3kw2ph1of1tf1")
    assert problem(geometry).endswith("of1tf1")
    assert not geometry.of_input_grad.outputs_first
    assert geometry.of_input_grad.of_input_grad == geometry
    assert Geometry.of((2, 4, 6), (4, 6, 3)).of_input_grad.outputs_first
    grouped = Geometry.of((2, 4, 6), (2, 6, 3), groups=2)
    assert not grouped.of_input_grad.outputs_first


def test_channels_go_last_where_no_other_order_was_verified():
    for line, dtype in (("ic4oc6", "bfloat16"), ("g2ic4oc6", "float32")):
        geometry = parse_problem(f"mb2{line}ih6kh3")
        assert onednn._stored_channels(geometry, jnp.dtype(dtype)) == (-2, -1)
    assert onednn._stored_channels(parse_problem("ic4oc6ih6kh3"), jnp.float32) == (0, 1)
