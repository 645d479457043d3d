"""Shapes against lax, and what makes a geometry usable as a static argument."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxconv.conv.geometry import Geometry
from tests.conv.cases import NAMED, named_geometries


@pytest.mark.parametrize("name", NAMED)
def test_out_shape_is_that_of_lax(name):
    x_shape, w_shape, facts = NAMED[name]
    geometry = named_geometries()[name]
    axes = "DHW"[3 - len(geometry.space) :] if geometry.space else ""
    expected = jax.eval_shape(
        lambda x, w: lax.conv_general_dilated(
            x,
            w,
            geometry.strides,
            geometry.padding,
            dimension_numbers=("NC" + axes, "IO" + axes, "NC" + axes),
            feature_group_count=facts.get("groups", 1),
        ),
        jnp.zeros(x_shape),
        jnp.zeros(w_shape),
    )
    assert geometry.out_shape == expected.shape


@pytest.mark.parametrize("padding", ["SAME", "SAME_LOWER", "VALID", "same"])
@pytest.mark.parametrize(("size", "k", "stride"), [(7, 3, 1), (8, 4, 1), (9, 2, 3)])
def test_named_padding_is_that_of_lax(padding, size, k, stride):
    geometry = Geometry.of((1, 1, size), (1, 1, k), strides=stride, padding=padding)
    expected = lax.padtype_to_pads((size,), (k,), (stride,), padding.upper())
    assert geometry.padding == tuple(expected)


@pytest.mark.parametrize(
    ("padding", "pairs"),
    [
        (2, ((2, 2), (2, 2))),
        ((1, 3), ((1, 1), (3, 3))),
        (((1, 2), (3, 4)), ((1, 2), (3, 4))),
        ([(1, 2), 3], ((1, 2), (3, 3))),
        (-1, ((-1, -1), (-1, -1))),
    ],
)
def test_padding_by_numbers(padding, pairs):
    geometry = Geometry.of((1, 1, 9, 9), (1, 1, 3, 3), padding=padding)
    assert geometry.padding == pairs


def test_equal_geometries_share_a_compilation():
    first = Geometry.of((2, 3, 8, 8), (3, 4, 3, 3), padding="SAME")
    second = Geometry.of([2, 3, 8, 8], [3, 4, 3, 3], padding=[(1, 1), (1, 1)])
    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize(
    ("axis", "operand", "shape"),
    [
        ("n", "x_shape", (10, 6, 8)),
        ("groups", "w_shape", (3, 40, 3)),
        ("ci", "w_shape", (15, 8, 3)),
        ("co", "out_shape", (2, 40, 8)),
    ],
)
def test_widen_lengthens_one_axis(axis, operand, shape):
    geometry = Geometry.of((2, 6, 8), (3, 8, 3), groups=2).widen(axis, 5)
    assert getattr(geometry, operand) == shape
