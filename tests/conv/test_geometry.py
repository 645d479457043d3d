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
            geometry.input_dilation,
            geometry.kernel_dilation,
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


def test_causal_outputs_see_nothing_beyond_their_place():
    geometry = Geometry.of((1, 1, 9), (1, 1, 3), padding="CAUSAL", kernel_dilation=2)
    assert geometry.padding == ((4, 0),)
    assert geometry.out == (9,)


def test_same_padding_counts_the_dilated_sizes():
    geometry = Geometry.of(
        (1, 1, 5), (1, 1, 3), strides=2, input_dilation=3, kernel_dilation=2
    )
    assert geometry.out == (7,)  # half of (5 - 1) * 3 + 1 pixels, rounded up


def test_flops_are_two_for_each_product():
    geometry = Geometry.of((2, 6, 5, 7), (3, 8, 3, 2), groups=2, padding="VALID")
    assert geometry.flops == 2 * (2 * 8 * 3 * 6) * 3 * (3 * 2)


@pytest.mark.parametrize("geometry", named_geometries().values(), ids=NAMED)
def test_the_gradients_geometries_have_the_operands_shapes(geometry):
    if geometry.is_empty:
        pytest.skip("no method sees it")
    of_input, of_param = geometry.of_input_grad, geometry.of_param_grad
    assert of_input.out_shape == geometry.x_shape
    assert of_input.x_shape == geometry.out_shape
    assert of_param.out_shape == geometry.w_shape
    assert of_param.w_shape == geometry.out_shape


def test_where_all_is_read_the_input_gradients_input_gradient_is_the_output():
    geometry = Geometry.of(
        (2, 3, 9, 9), (3, 4, 3, 2), input_dilation=(2, 1), strides=(1, 3), padding=1
    )
    assert geometry.of_input_grad.of_input_grad == geometry


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "out_shape"),
    [
        ((2, 3, 4), (3, 5, 6), (2, 5, 0)),
        ((2, 3, 4), (3, 5, 0), (2, 5, 5)),
        ((2, 3, 0), (3, 5, 1), (2, 5, 0)),
        ((2, 0, 4), (0, 5, 2), (2, 5, 3)),
        ((0, 3, 4), (3, 5, 2), (0, 5, 3)),
    ],
    ids=["larger filter", "no taps", "no pixels", "no channels", "no batch"],
)
def test_empty_convolutions_have_lax_shapes(x_shape, w_shape, out_shape):
    geometry = Geometry.of(x_shape, w_shape, padding="VALID", empty_ok=True)
    expected = jax.eval_shape(
        lambda x, w: lax.conv_general_dilated(
            x, w, (1,), "VALID", dimension_numbers=("NCH", "IOH", "NCH")
        ),
        jnp.zeros(x_shape),
        jnp.zeros(w_shape),
    )
    assert geometry.out_shape == expected.shape == out_shape
    assert geometry.is_empty


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
