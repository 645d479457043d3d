"""Errors for operands that are no arrays of numbers; shapes in place of operands."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import conv, explain
from jaxconv.conv.arguments.dtypes import common_type

pytestmark = pytest.mark.usefixtures("our_errors")

W = jnp.ones((1, 1, 1))


class Stubborn:
    """Raises as another library's array does that cannot leave its device."""

    def __array__(self, *given, **facts):
        raise RuntimeError("move it to the host first")


VALUES = {
    "ragged": ([[[1.0, 2], [1]]], r"a ragged list, .* lengths 1 and 2 on axis 2\."),
    "ragged rows": ([[[1.0], [2]], [[1]]], r"lengths 1 and 2 on axis 1\. Make them eq"),
    "a number among rows": ([[[1.0, 2], 3]], r"ragged list, .* lengths 0 and 2 on"),
    "ragged arrays": ([np.ones(2), np.ones(3)], "lengths 2 and 3 on axis 1"),
    "strings": (np.array([[["a"]]]), r"got strings \('a'\)"),
    "bytes": ([[[b"a"]]], "got strings"),
    "objects": (np.array([[[None, 1]]], object), r"got objects \(NoneType, int\)\."),
    "nothing in a list": ([[[None]]], r"got objects \(NoneType\)"),
    "None": (None, r"conv: x must be an array of numbers, got None\."),
    "a dict": ({"w": 1}, r"got a dict with the keys \['w'\]\. Give one of its arrays"),
    "a shape and type": (
        jax.ShapeDtypeStruct((1, 1, 3), "float32"),
        r"got a ShapeDtypeStruct, which has no values\. Use jax\.eval_shape",
    ),
    "dates": (np.zeros((1, 1, 3), "M8[s]"), r"got an array of datetime64\[s\]"),
    "of another library": (Stubborn(), r"Stubborn\. It says: move it to the host"),
    "masked": (np.ma.masked_array(np.ones((1, 1, 3))), "MaskedArray. It says: .*fill"),
    "a function": (len, r"got a builtin_function_or_method\. It says"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "message"), VALUES.values(), ids=VALUES.keys())
def test_mistake(value, message):
    with pytest.raises(ValueError, match=message):
        conv(value, W)


@pytest.mark.parametrize("name", ["float64", "complex128"])
def test_long_types_need_64_bits(name):
    message = rf"conv: preferred_element_type {name} needs .*jax_enable_x64.*or use "
    with pytest.raises(ValueError, match=message):
        conv(W, W, preferred_element_type=name)
    with jax.enable_x64(True):
        x, _ = common_type("conv", name, x=W, w=W)
    assert x.dtype == name


def test_pythons_own_types_are_those_that_jax_takes_by_default():
    x, _ = common_type("conv", float, x=W, w=W)
    assert x.dtype == "float32"


@pytest.fixture
def not_planned(monkeypatch):
    """Collect the facts in place of compiling the three maps."""
    module = sys.modules[explain.__module__]
    monkeypatch.setattr(module, "_plan", lambda name, facts, *given: facts)


SHAPE = (2, 3, 8)
STRUCT = jax.ShapeDtypeStruct(SHAPE, "float32")
STAND_INS = {
    "tuple": SHAPE,
    "list": list(SHAPE),
    "NumPy's sizes": tuple(np.array(SHAPE)),
    "struct": STRUCT,
    "array": jnp.ones(SHAPE),
    "NumPy": np.ones(SHAPE, "float64"),  # JAX makes it float32
    "nested list": np.ones(SHAPE).tolist(),
    "type": jax.typeof(jnp.ones(SHAPE)),
}


@pytest.mark.parametrize("x", STAND_INS.values(), ids=STAND_INS.keys())
def test_explain_takes_shapes_and_all_that_conv_takes(x, not_planned):
    found = explain(x, (3, 4, 1), padding=0)
    assert (found.geometry.x_shape, found.dtype) == (SHAPE, "float32")


def test_explain_says_what_it_takes():
    message = r"explain: x must be .*, got None\. Or give its shape, such as \(8, 3, 32"
    with pytest.raises(ValueError, match=message):
        explain(None, W)


@pytest.mark.parametrize(
    ("dtype", "preferred", "computed"),
    [("int8", None, "int32"), ("bool", None, "int32"), ("int8", "float32", "float32")],
)
def test_explain_names_the_type_that_is_computed_in(
    dtype, preferred, computed, not_planned
):
    x = jax.ShapeDtypeStruct(SHAPE, dtype)
    w = jax.ShapeDtypeStruct((3, 4, 1), dtype)
    found = explain(x, w, preferred_element_type=preferred)
    assert found.dtype == computed
    assert conv(
        jnp.zeros(x.shape, dtype), jnp.zeros(w.shape, dtype),
        preferred_element_type=preferred,
    ).dtype == computed  # fmt: skip


def test_explain_takes_the_padding_mode(not_planned):
    plan, *_ = explain(SHAPE, (3, 4, 3), padding_mode="reflect").plans
    assert plan["geometry"].space == (10,)  # the mirrored pixels are pixels
