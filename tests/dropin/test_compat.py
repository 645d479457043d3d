"""The drop-ins against lax: any layout, type and setting, forward, gradients, vmap."""

import functools
import re

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxconv
from jaxconv.dropin import compat
from tests.lax_calls import calls, lax_safely
from tests.reference import UNOPTIMISED, assert_same_bits
from tests.tiers import fast


def drawn(call):
    """Small whole numbers of the call's type: their sums are exact."""
    rng = np.random.default_rng(0)
    dtype = np.dtype(call["dtype"])
    low = 0 if dtype.kind in "bu" else -3
    high = 1 if dtype.kind == "b" else 3

    def draw(shape):
        values = rng.integers(low, high + 1, shape)
        if dtype.kind == "c":
            values = values + 1j * rng.integers(low, high + 1, shape)
        return jnp.array(values).astype(dtype)

    return draw(call["lhs_shape"]), draw(call["rhs_shape"])


def everything(function, mapped, lhs, rhs, cotangent_of):
    """The result, both gradients, and the result and gradients under vmap."""
    y = function(lhs, rhs)
    results = [y]
    axes = {"lhs": (0, None), "rhs": (None, 0), "both": (0, 0)}[mapped]
    many = [
        jnp.stack([array, array[::-1] if array.ndim else array]) if at == 0 else array
        for array, at in zip((lhs, rhs), axes, strict=True)
    ]
    batched = jax.vmap(function, axes)
    results.append(batched(*many))
    if jnp.issubdtype(y.dtype, jnp.inexact) and jnp.issubdtype(lhs.dtype, jnp.inexact):
        results += jax.vjp(function, lhs, rhs)[1](cotangent_of(y))
        results += jax.vjp(batched, *many)[1](cotangent_of(results[1]))
    return results


def counting(y):
    """A cotangent that differs everywhere: 0, 1, 2, 3, 4, 0, ..."""
    return (jnp.arange(y.size) % 5).reshape(y.shape).astype(y.dtype)


@functools.partial(jax.jit, static_argnums=(0, 1), compiler_options=UNOPTIMISED)
def run(function, mapped, lhs, rhs):
    return everything(function, mapped, lhs, rhs, counting)


def check_against_lax(call, mapped):
    lhs, rhs = drawn(call)
    given = call["given"]
    ours = run(
        functools.partial(compat.conv_general_dilated, **given), mapped, lhs, rhs
    )
    theirs = run(functools.partial(lax_safely, **given), mapped, lhs, rhs)
    assert_same(ours, theirs)


def assert_same(ours, theirs):
    assert [a.dtype for a in ours] == [a.dtype for a in theirs]
    assert_same_bits(list(ours), list(theirs))


@pytest.mark.parametrize("seed", fast(range(12), 0))
def test_any_call_gives_the_bits_of_lax(seed):
    """Ten random calls for each seed."""

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=10, deadline=None, database=None)
    @hypothesis.given(call=calls(), mapped=st.sampled_from(("lhs", "rhs", "both")))
    def check(call, mapped):
        check_against_lax(call, mapped)

    check()


# Calls by name: layouts, groups, types and edges, compiled as users compile them.

LAYOUT = ("NHWC", "HWIO", "NHWC")
NAMED = {
    "default layout": ((2, 3, 6, 5), (4, 3, 3, 2), {}),
    "channels-last": ((2, 6, 5, 3), (3, 2, 3, 4), {"dimension_numbers": LAYOUT}),
    "by positions": (
        (6, 2, 3, 5),
        (4, 3, 3, 2),
        {
            "dimension_numbers": lax.ConvDimensionNumbers(
                (1, 2, 0, 3), (0, 1, 3, 2), (3, 0, 2, 1)
            )
        },
    ),
    "groups": ((2, 6, 6, 5), (4, 3, 3, 2), {"feature_group_count": 2}),
    "batch groups": ((4, 3, 6, 5), (6, 3, 3, 2), {"batch_group_count": 2}),
    "larger filter": ((2, 3, 2, 5), (4, 3, 3, 2), {"padding": "VALID"}),
    "lower case": ((2, 3, 6, 5), (4, 3, 3, 2), {"padding": "same"}),
}


@pytest.mark.parametrize(
    ("lhs_shape", "rhs_shape", "facts"), NAMED.values(), ids=NAMED.keys()
)
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_named_call_gives_the_bits_of_lax(lhs_shape, rhs_shape, facts, dtype):
    call = {"lhs_shape": lhs_shape, "rhs_shape": rhs_shape, "dtype": dtype}
    given = {"window_strides": (1, 2), "padding": "SAME"} | facts
    optimised = jax.jit(everything, static_argnums=(0, 1, 4))
    ours, theirs = (
        optimised(functools.partial(f, **given), "lhs", *drawn(call), counting)
        for f in (compat.conv_general_dilated, lax.conv_general_dilated)
    )
    assert_same(ours, theirs)


def test_float64_is_served():
    with jax.enable_x64(True):
        lhs, rhs = jnp.full((1, 1, 3), 2.0**30 + 1), jnp.full((1, 1, 3), 2.0**20 + 1)
        y = compat.conv_general_dilated(lhs, rhs, (1,), "VALID")
    assert y.dtype == "float64"
    assert y.item() == 3 * (2**30 + 1) * (2**20 + 1)


@pytest.mark.usefixtures("our_errors")  # the annotations' hook wants sequences
def test_settings_may_be_numpy_arrays():
    lhs, rhs = jnp.ones((1, 2, 8)), jnp.ones((3, 2, 3))
    given = {"window_strides": np.array([2]), "padding": np.array([[1, 2]])}
    given |= {"rhs_dilation": np.array([2]), "lhs_dilation": np.array([1])}
    expected = lax.conv_general_dilated(lhs, rhs, **given)
    y = compat.conv_general_dilated(lhs, rhs, **given)
    np.testing.assert_array_equal(y, expected)


def test_int8_wraps_as_lax_does():
    lhs, rhs = jnp.full((1, 2, 4), 100, "int8"), jnp.full((1, 2, 3), 100, "int8")
    y = compat.conv_general_dilated(lhs, rhs, (1,), "VALID")
    np.testing.assert_array_equal(y, lax.conv_general_dilated(lhs, rhs, (1,), "VALID"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("preferred", [None, "float32"])
def test_random_numbers_are_as_near_as_rounding_allows(dtype, preferred, rng):
    """The bound: 18 roundings of the sum of the 18 products' absolute values."""
    lhs, rhs = (
        jnp.array(rng.normal(size=shape)).astype(dtype)
        for shape in ((2, 3, 6, 5), (4, 3, 3, 2))
    )
    call = functools.partial(
        compat.conv_general_dilated,
        window_strides=(1, 1),
        padding="SAME",
        preferred_element_type=preferred,
    )
    y = call(lhs, rhs).astype("float32")
    exact = np.float64(lax_float64(lhs, rhs))
    sizes = np.float64(lax_float64(jnp.abs(lhs), jnp.abs(rhs)))
    short = dtype == "bfloat16" and preferred is None
    bound = 18 * 2.0**-24 * sizes + (2.0**-8 * np.abs(exact) if short else 0)
    assert (np.abs(y - exact) <= bound).all()


def lax_float64(lhs, rhs):
    with jax.enable_x64(True):
        wide = (np.asarray(array).astype(np.float64) for array in (lhs, rhs))
        return lax.conv_general_dilated(*map(jnp.array, wide), (1, 1), "SAME")


TRANSPOSES = {
    f"{padding}, stride {strides}, spread {spread}, {kernel} taps, {extra}": (
        kernel,
        {"strides": strides, "padding": padding, "rhs_dilation": spread} | extra,
    )
    for padding, extra in (
        ("SAME", {}),
        ("VALID", {"transpose_kernel": True}),
        ("SAME", {"use_consistent_padding": True}),
        (((1, 2), (0, 3)), {}),
        (((1, 0), (0, 1)), {"use_consistent_padding": True, "transpose_kernel": True}),
    )
    for strides, spread, kernel in (
        ((1, 2), (1, 1), (3, 2)),
        ((3, 2), (1, 2), (2, 3)),
        ((2, 4), None, (4, 1)),
    )
}


@pytest.mark.parametrize("name", fast(TRANSPOSES, *list(TRANSPOSES)[::2]))
def test_conv_transpose_gives_the_bits_of_lax(name):
    kernel, given = TRANSPOSES[name]
    channels = (4, 3) if given.get("transpose_kernel") else (3, 4)
    call = {"lhs_shape": (2, 5, 4, 3), "dtype": "float32"}
    call["rhs_shape"] = (*kernel, *channels)
    ours, theirs = (
        run(functools.partial(f, **given), "both", *drawn(call))
        for f in (compat.conv_transpose, lax.conv_transpose)
    )
    assert_same(ours, theirs)


@pytest.mark.parametrize("axes", range(4))
def test_conv_transpose_has_the_layouts_of_lax(axes):
    pixels, kernel = (5, 4, 3)[:axes], (3, 2, 2)[:axes]
    call = {"lhs_shape": (2, *pixels, 3), "rhs_shape": (*kernel, 3, 4)}
    lhs, rhs = drawn(call | {"dtype": "float32"})
    given = {"strides": (2, 1, 3)[:axes], "padding": "SAME"}
    ours = compat.conv_transpose(lhs, rhs, **given)
    np.testing.assert_array_equal(ours, lax.conv_transpose(lhs, rhs, **given))


# What lax does not do itself


def test_a_filter_without_taps_gives_zeros():
    """lax's shape rule allows it; its lowering does not."""
    lhs, rhs = jnp.ones((2, 3, 6, 5)), jnp.ones((4, 3, 0, 2))
    y = compat.conv_general_dilated(lhs, rhs, (1, 1), "VALID")
    np.testing.assert_array_equal(y, jnp.zeros((2, 4, 7, 4)))


def test_a_symbolic_batch_is_left_to_lax():
    (n,) = jax.export.symbolic_shape("n")
    lhs = jax.ShapeDtypeStruct((n, 3, 6, 5), "float32")
    rhs = jnp.ones((4, 3, 3, 2))
    exported = jax.export.export(
        jax.jit(lambda x: compat.conv_general_dilated(x, rhs, (1, 1), "SAME"))
    )(lhs)
    x = jnp.ones((2, 3, 6, 5))
    expected = lax.conv_general_dilated(x, rhs, (1, 1), "SAME")
    np.testing.assert_array_equal(exported.call(x), expected)


@pytest.mark.parametrize(
    "precision", ["F32_F32_F32", lax.DotAlgorithmPreset.F32_F32_F32]
)
def test_an_algorithm_for_products_is_left_to_lax(precision):
    given = {"precision": precision}
    assert "products of matrices" in compat.why_not(jnp.ones(3), jnp.ones(3), given)


def test_a_placed_result_is_left_to_lax():
    given = {"out_sharding": jax.sharding.PartitionSpec()}
    assert "out_sharding" in compat.why_not(jnp.ones(3), jnp.ones(3), given)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_channels_stay_where_they_lie_in_memory(layout):
    """For a depthwise layer, moving the axes costs more than the layer itself.

    Images are so large that their filter gradients are computed one by one.
    """
    shape = (4, 64, 64, 8) if layout == "NHWC" else (4, 8, 64, 64)
    x, w = jnp.ones(shape), jnp.ones((3, 3, 1, 8))

    def run(x, w):
        return jaxconv.conv_general_dilated(
            x,
            w,
            (1, 1),
            "SAME",
            dimension_numbers=(layout, "HWIO", layout),
            feature_group_count=8,
        )

    jaxpr = jax.make_jaxpr(run)(x, w)
    geometries = [e.params["geometry"] for e in jaxpr.eqns if "geometry" in e.params]
    assert [g.channels_last for g in geometries] == [layout == "NHWC"]
    if layout == "NHWC":
        gradients = jax.jit(jax.grad(lambda x, w: run(x, w).sum(), (0, 1)))
        program = gradients.lower(x, w).compile().as_text()
        assert "f32[4,64,64,8]" in program
        assert not re.findall(r"= f32\[4,\S+ transpose\(", program)


def test_the_drop_in_is_an_attribute_of_the_package():
    assert jaxconv.compat.conv_transpose is compat.conv_transpose
    assert jaxconv.compat.conv_general_dilated is jaxconv.conv_general_dilated
