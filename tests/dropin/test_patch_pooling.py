"""`patch` serves `lax.reduce_window` where it pools: lax's numbers, bit for bit."""

import contextlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxconv
from jaxconv.conv.pooling import avg_pool, max_pool
from tests.tiers import fast

MAX, SUM = (-jnp.inf, lax.max), (0.0, lax.add)
X = jnp.arange(2 * 5 * 7 * 3.0).reshape(2, 5, 7, 3) % 11

# The image's shape, the window, the strides and the padding; whole-array settings.
CASES = {
    "3 by 2, SAME": ((2, 6, 7, 3), (1, 3, 3, 1), (1, 2, 2, 1), "SAME"),
    "3 by 2, pairs": (
        (2, 5, 8, 3),
        (1, 3, 3, 1),
        (1, 2, 2, 1),
        ((0, 0), (1, 1), (1, 2), (0, 0)),
    ),
    "2 apart, VALID": ((2, 5, 6, 3), (1, 2, 2, 1), (1, 2, 2, 1), "VALID"),
    "channels first": ((2, 3, 6, 7), (1, 1, 3, 2), (1, 1, 1, 3), "SAME_LOWER"),
    "per example": ((6, 5, 3), (3, 2, 1), (2, 1, 1), "SAME"),
    "one axis": ((2, 9, 3), (1, 4, 1), None, "VALID"),
    "three axes": ((2, 4, 5, 6, 2), (1, 2, 3, 2, 1), (1, 2, 2, 1, 1), "SAME"),
    "strides alone": ((2, 5, 6, 3), (1, 1, 1, 1), (1, 2, 3, 1), "VALID"),
    "5 by 1, many regions": ((1, 6, 7, 2), (1, 5, 5, 1), (1, 1, 1, 1), "SAME"),
    "whole": ((2, 4, 6, 3), (1, 4, 6, 1), (1, 1, 1, 1), "VALID"),
    "no images": ((0, 4, 6, 3), (1, 3, 3, 1), (1, 1, 1, 1), "SAME"),
}


def pool(kind, window, strides, padding, **dilation):
    def run(x):
        return lax.reduce_window(x, *kind, window, strides, padding, **dilation)

    return run


def bits(*arrays):
    return [(a.dtype, a.shape, np.asarray(a).tobytes()) for a in arrays]


def value_and_gradient(function, x, key=1):
    shape = jax.eval_shape(function, x).shape
    g = jax.random.randint(jax.random.key(key), shape, -4, 5).astype(x.dtype)

    def both(x, g):
        y, pull = jax.vjp(function, x)
        return y, pull(g)[0]

    return jax.jit(both)(x, g)


def on_jaxconv(run, *args):
    with jaxconv.patch() as report:
        return run(*args), report


SOME = "3 by 2, SAME"
# Slow to compile in lax, and for one of the two kinds much like others.
NO_MAXIMA = ("per example", "whole", "one axis", "no images")
NO_SUMS = ("3 by 2, pairs", "channels first", "strides alone", "5 by 1, many regions")


def check_bits(case, kind, dtype):
    """Compare where there are many ties: the first of equals takes the gradient."""
    shape, *settings = case
    x = jax.random.randint(jax.random.key(0), shape, -2, 3).astype(dtype)
    function = pool(kind, *settings)
    expected = value_and_gradient(function, x)
    found, report = on_jaxconv(value_and_gradient, function, x)
    assert {call.method for call in report.calls} == {"pooling"}
    assert bits(found[0]) == bits(expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("case", fast([c for c in CASES if c not in NO_SUMS], SOME))
def test_bits_of_sums_are_lax_s(case):
    check_bits(CASES[case], SUM, "float32")


@pytest.mark.parametrize("case", fast([c for c in CASES if c not in NO_MAXIMA], SOME))
def test_bits_of_maxima_are_lax_s(case):
    check_bits(CASES[case], MAX, "float32")


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", [MAX, SUM], ids=["max", "sum"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_bits_are_lax_s_in_half_precision(kind, dtype):
    check_bits(CASES[SOME], kind, dtype)


@pytest.mark.exhaustive
def test_gradients_of_maxima_are_added_in_lax_s_order():
    shape, *settings = CASES["5 by 1, many regions"]
    x = jax.random.normal(jax.random.key(2), shape)

    def gradient(x):
        y, pull = jax.vjp(pool(MAX, *settings), x)
        return pull(jnp.sin(y))[0]

    found, _ = on_jaxconv(gradient, x)
    np.testing.assert_array_equal(found, gradient(x))


@pytest.mark.parametrize("kind", fast([MAX, SUM], SUM), ids=["max", "sum"])
def test_signs_of_zeros_and_nan_are_lax_s(kind):
    x = jnp.where(X % 2 == 0, -0.0, jnp.where(X == 3, jnp.nan, 0.0))
    function = pool(kind, (1, 2, 2, 1), (1,) * 4, "SAME")
    expected = function(x)
    found, _ = on_jaxconv(function, x)
    assert bits(found) == bits(expected)
    assert np.isnan(expected).any()


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", [MAX, SUM], ids=["max", "sum"])
def test_further_derivatives_are_lax_s(kind):
    function = pool(kind, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")

    def loss(x):
        return jnp.sum(function(x**2) ** 2)

    def derivatives(x):
        _, tangent = jax.jvp(function, (x,), (x + 1,))
        return tangent, jax.jvp(jax.grad(loss), (x,), (x + 1,))[1]

    x = jax.random.permutation(jax.random.key(3), X.size).reshape(X.shape) / 8
    expected = derivatives(x)
    found, report = on_jaxconv(derivatives, x)
    assert report.passed_on == []
    for ours, lax_s in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, lax_s, rtol=1e-5)


def test_vmap_of_single_images_is_served():
    """Equinox pools so: an axis for the batch within what is mapped."""
    single = pool(MAX, (1, 2, 2, 1), (1, 1, 1, 1), "VALID")
    mapped = jax.vmap(lambda x: single(x[None])[0], in_axes=3, out_axes=1)
    x = jnp.moveaxis(X, 0, -1)
    found, report = on_jaxconv(mapped, x)
    np.testing.assert_array_equal(found, mapped(x))
    assert [call.lhs for call in report.served] == ["float32[1,5,7,3]"]


def test_jit_compiles_inside_and_outside_apart():
    jitted = jax.jit(pool(MAX, (1, 2, 2, 1), None, "VALID"))
    for inside in (True, False, True):
        with jaxconv.patch() if inside else contextlib.nullcontext():
            text = str(jitted.trace(X).jaxpr)
        assert ("reduce_window_max" not in text) == inside


def test_the_report_has_a_line_for_each_pooling():
    function = pool(MAX, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
    _, report = on_jaxconv(jax.make_jaxpr(function), X)
    assert str(report) == (
        "reduce_window_max  float32[2,5,7,3] window 3x3 strides 2x2  jaxconv, pooling\n"
        "1 served, 0 passed on to lax"
    )


def test_calls_by_position_and_name_are_the_same():
    window = (1, 2, 2, 1)
    with jaxconv.patch("taps") as report:
        text = jax.make_jaxpr(lambda x: lax.reduce_window(x, *MAX, window))(X)
        jax.make_jaxpr(
            lambda x: lax.reduce_window(
                operand=x,
                init_value=np.float32(-np.inf),
                computation=lax.max,
                window_dimensions=list(window),
                padding=[(0, 0)] * 4,
                window_strides=None,
            )
        )(X)
    assert "max_pool" in str(text)
    assert len(report.served) == 2
    assert report.calls[0] == report.calls[1]


PASSED_ON = {
    "whole numbers": (X.astype(int), MAX, (1, 2, 2, 1), "VALID", {}, "int32 has no"),
    "window dilation": (
        X,
        MAX,
        (1, 2, 2, 1),
        "VALID",
        {"window_dilation": (1, 2, 2, 1)},
        r"window_dilation \(1, 2, 2, 1\)",
    ),
    "base dilation": (
        X,
        SUM,
        (1, 2, 2, 1),
        "VALID",
        {"base_dilation": (1, 1, 2, 1)},
        "base_dilation",
    ),
    "negative padding": (
        X,
        SUM,
        (1, 2, 2, 1),
        [(0, 0), (-1, 0), (0, 0), (0, 0)],
        {},
        r"negative padding \(-1, 0\)",
    ),
    "padding alone": (
        X,
        MAX,
        (1, 2, 2, 1),
        [(0, 0), (2, 0), (0, 0), (0, 0)],
        {},
        "wholly in the padding",
    ),
    "no window": (X, MAX, (1, 6, 2, 1), "VALID", {}, "no window fits"),
    "many axes": (X, SUM, (2, 2, 2, 2), "VALID", {}, "windows over 4 axes"),
    "many taps": (X, MAX, (1, 65, 1, 1), "SAME", {}, "maxima of 65 pixels"),
    "long sums": (X, SUM, (1, 65, 1, 1), "SAME", {}, "overlapping sums of 65"),
}


@pytest.mark.parametrize("case", PASSED_ON.values(), ids=PASSED_ON)
def test_what_is_passed_on_is_reported_with_its_reason(case):
    x, kind, window, padding, dilation, reason = case
    function = pool(kind, window, (1,) * 4, padding, **dilation)
    text, report = on_jaxconv(jax.make_jaxpr(function), x)
    assert "reduce_window" in str(text)
    (call,) = report.passed_on
    assert call.method is None
    assert report.served == []
    assert re.search(reason, call.reason)


OTHER_USES = {
    "products": lambda: lax.reduce_window(X, 1.0, lax.mul, (1, 2, 2, 1)),
    "another start": lambda: lax.reduce_window(X, 1.0, lax.add, (1, 2, 2, 1)),
    "maxima from 0": lambda: lax.reduce_window(X, 0.0, lax.max, (1, 2, 2, 1)),
    "another function": lambda: lax.reduce_window(
        X, -jnp.inf, jnp.maximum, (1, 2, 2, 1)
    ),
    "pairs": lambda: lax.reduce_window(
        (X, X), (0.0, 0.0), lambda a, b: (a[0] + b[0], a[1]), (1, 2, 2, 1)
    ),
    "windows of one pixel": lambda: lax.reduce_window(X, *MAX, (1, 1, 1, 1)),
    "start that is traced": lambda: jax.jit(
        lambda start: lax.reduce_window(X, start, lax.max, (1, 2, 2, 1))
    )(1.0),
}


@pytest.mark.parametrize("call", OTHER_USES.values(), ids=OTHER_USES)
def test_other_uses_are_lax_s_and_not_reported(call):
    expected = jax.make_jaxpr(call)()
    found, report = on_jaxconv(jax.make_jaxpr(call))
    assert report.calls == []
    assert "pool" not in str(found)
    assert found.out_avals == expected.out_avals


def test_a_mistake_is_lax_s_and_not_reported():
    with jaxconv.patch() as report:
        with pytest.raises(TypeError, match="window_dimensions"):
            lax.reduce_window(X, *MAX, (1, 2, 2))
        with pytest.raises(TypeError, match="argument"):
            lax.reduce_window(X, *MAX)
    assert report.calls == []


def test_jaxconv_s_own_use_of_lax_is_not_taken_for_a_caller_s():
    """Windows of many taps are lax's, which jaxconv calls as it lowers a program."""
    for pools in (max_pool, avg_pool):
        with jaxconv.patch() as report:
            jax.jit(lambda x, pools=pools: pools(x, (70, 9), strides=1)).lower(
                jnp.ones((1, 1, 80, 9))
            )
        assert report.calls == []


def test_pooling_compiled_in_an_earlier_block_is_counted():
    jitted = jax.jit(pool(SUM, (1, 5, 5, 1), None, "VALID"))
    with jaxconv.patch("loops") as first:
        jitted.trace(X)
    with jaxconv.patch("loops") as second:
        jitted.trace(X)
    assert second.calls == []
    assert second.traced_before == first.traced_before + 1
