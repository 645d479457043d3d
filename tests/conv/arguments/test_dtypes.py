"""Types of number: what is computed in, what comes out, and that nothing wraps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import conv, conv_input_grad, conv_param_grad
from tests.methods import UNIVERSAL
from tests.conv.cases import named_geometries
from tests.reference import assert_same_bits, three_maps

methods = pytest.mark.parametrize("method", UNIVERSAL)
SHORT = ("int8", "uint8", "int16", "uint16", "bool")


def ones(shape, dtype):
    return jnp.ones(shape, dtype)


@methods
@pytest.mark.parametrize("dtype", SHORT[:4])
def test_short_whole_numbers_do_not_wrap(method, dtype):
    largest = np.iinfo(dtype).max
    x = jnp.full((1, 2, 4), largest, dtype)
    y = conv(x, jnp.full((2, 1, 3), 100, dtype), padding="VALID", method=method)
    assert y.dtype == "int32"
    assert y.tolist() == [[[6 * 100 * largest] * 2]]


@pytest.mark.usefixtures("our_errors")
def test_booleans_are_counted():
    x = jnp.array([[[True, False, True, True]]])
    y = conv(x, jnp.ones((1, 1, 3), bool), padding="VALID")
    assert y.dtype == "int32"
    assert y.tolist() == [[[2, 2]]]


@methods
@pytest.mark.parametrize("dtype", ["int32", "uint32"])
def test_whole_numbers_give_the_maps_of_numpy(method, dtype, rng):
    geometry = named_geometries()["grouped"]
    shapes = geometry.x_shape, geometry.w_shape, geometry.out_shape
    x, w, g = (jnp.array(rng.integers(0, 5, shape)).astype(dtype) for shape in shapes)
    facts = {"strides": geometry.strides, "groups": geometry.groups, "method": method}
    results = (
        conv(x, w, **facts),
        conv_input_grad(g, w, input_shape=x.shape, **facts),
        conv_param_grad(x, g, kernel_shape=w.shape, **facts),
    )
    assert {result.dtype for result in results} == {jnp.dtype(dtype)}
    assert_same_bits(results, three_maps(x, w, g, geometry))


@pytest.mark.parametrize(
    ("x_type", "w_type", "result"),
    [
        ("bfloat16", "float32", "float32"),
        ("bfloat16", "float16", "float32"),
        ("int8", "float16", "float16"),
        ("int8", "int16", "int32"),
        ("uint8", "int8", "int32"),
        ("float32", "complex64", "complex64"),
        ("int32", "bfloat16", "bfloat16"),
    ],
)
def test_mixed_operands_are_promoted_as_jax_promotes(x_type, w_type, result):
    with jax.numpy_dtype_promotion("standard"):
        y = conv(ones((1, 2, 5), x_type), ones((2, 3, 3), w_type))
    assert y.dtype == result
    assert y[0, 0].tolist() == [4, 6, 6, 6, 4]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8"])
def test_preferred_element_type_is_computed_in_and_returned(dtype):
    """300 ones: more than bfloat16 or int8 can count."""
    x, w = ones((1, 1, 301), dtype), ones((1, 1, 301), dtype)
    y = conv(x, w, padding="VALID", preferred_element_type="float32")
    assert y.dtype == "float32"
    assert y.item() == 301


def test_gradients_have_the_operands_types():
    x, w = ones((1, 2, 5), "bfloat16"), ones((2, 3, 3), "bfloat16")

    def loss(x, w):
        return conv(x, w, preferred_element_type="float32").sum()

    dx, dw = jax.grad(loss, (0, 1))(x, w)
    assert dx.dtype == dw.dtype == "bfloat16"


@methods
def test_float8_is_added_up_in_float32(method):
    x, w = ones((1, 1, 40), "float8_e4m3fn"), ones((1, 1, 40), "float8_e4m3fn")
    y = conv(x, w, padding="VALID", method=method)
    assert y.dtype == "float8_e4m3fn"
    assert float(y.item()) == 40  # above 16 that type counts by twos


@methods
@pytest.mark.parametrize("precision", ["highest", ("high", "highest"), None])
def test_precision_reaches_every_product(method, precision):
    def maps(x, w):
        y, vjp = jax.vjp(
            lambda x, w: conv(x, w, method=method, precision=precision), x, w
        )
        return vjp(y)

    with jax.default_matmul_precision("high"):
        lowered = jax.jit(maps).lower(
            ones((2, 3, 5), "float32"), ones((3, 4, 3), "float32")
        )
        text = lowered.as_text()
    expected = "HIGH" if precision is None else "HIGHEST"
    assert f"precision = [{expected}, {expected}]" in text or f"{expected}>" in text
    assert "DEFAULT" not in text


@pytest.mark.parametrize("method", ["im2col", "xla"])
def test_an_algorithm_for_products_set_for_all_is_no_precision_of_ours(method):
    with jax.default_matmul_precision("BF16_BF16_F32"):
        y = conv(ones((1, 2, 5), "float32"), ones((2, 3, 3), "float32"), method=method)
    assert y[0, 0].tolist() == [4, 6, 6, 6, 4]


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize("dtype", ["float8_e8m0fnu", "float4_e2m1fn"])
def test_types_without_a_zero_or_product_are_refused(dtype):
    with pytest.raises(ValueError, match=f"x is of {dtype}, .* Convert it to bfloat16"):
        conv(ones((1, 1, 5), dtype), ones((1, 1, 3), dtype))


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"precision": "exact"}, "precision must be None, .* got 'exact'"),
        ({"precision": ("high",) * 3}, "precision must be None, .* got"),
        ({"precision": (None, "high")}, "precision must be None, .* got"),
        (
            {"preferred_element_type": "bfloat16"},
            "must hold what the operands hold, got "
            "bfloat16 for x float32 and w float32. Use float32",
        ),
        ({"preferred_element_type": "int32"}, "must hold what the operands hold"),
        ({"preferred_element_type": "wide"}, "must be a type of number, got 'wide'"),
        (
            {"preferred_element_type": bool},
            "must be a type of number, got dtype\\('bool'\\)",
        ),
    ],
    ids=[
        "no such precision",
        "three precisions",
        "half a precision",
        "narrower type",
        "whole numbers",
        "no such type",
        "no number",
    ],
)
def test_mistake(arguments, message):
    with pytest.raises(ValueError, match=message):
        conv(ones((1, 2, 5), "float32"), ones((2, 3, 3), "float32"), **arguments)


@pytest.mark.usefixtures("our_errors")
def test_keys_are_no_numbers():
    with pytest.raises(ValueError, match=r"x must be an array of numbers, got .*key"):
        conv(jax.random.split(jax.random.key(0), (1, 1, 5)), ones((1, 1, 3), "float32"))
