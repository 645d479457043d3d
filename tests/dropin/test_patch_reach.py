"""Which calls `patch` reaches, and what its report says of those it does not."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.lax import conv_general_dilated, reduce_window

import jaxconv

X, W = jnp.arange(30.0).reshape(1, 2, 15), jnp.arange(18.0).reshape(3, 2, 3)
LINE, TAPS = jnp.arange(9.0), jnp.arange(3.0)


class Layer:
    """Holds lax's function as a layer of Flax NNX does."""

    def __init__(self, function=lax.conv_general_dilated):
        self.function = function

    def __call__(self):
        return self.function(X, W, (1,), "SAME")


LAYER = Layer()
BY_REFERENCE = {
    "imported by name": lambda: conv_general_dilated(X, W, (1,), "SAME"),
    "default argument": lambda: Layer()(),
    "attribute": lambda: LAYER(),
    "partial": functools.partial(lax.conv, X, W, (1,), "SAME"),
    "jnp.convolve": lambda: jnp.convolve(LINE, TAPS),
    "scipy's convolve": lambda: jax.scipy.signal.convolve(LINE, TAPS),
    "scipy's correlate": lambda: jax.scipy.signal.correlate(LINE, TAPS),
    "pooling": lambda: reduce_window(X, -jnp.inf, lax.max, (1, 1, 3)),
    "patches": lambda: lax.conv_general_dilated_patches(X, (3,), (1,), "SAME"),
}


@pytest.mark.parametrize("call", BY_REFERENCE.values(), ids=BY_REFERENCE)
def test_everywhere_reaches_calls_by_reference(call):
    expected = call()
    with jaxconv.patch(everywhere=True) as report:
        y = call()
    np.testing.assert_array_equal(y, expected)
    assert (len(report.served), len(report.passed_on)) == (1, 0)


@pytest.mark.parametrize("call", BY_REFERENCE.values(), ids=BY_REFERENCE)
def test_else_the_report_names_who_was_not_reached(call):
    expected = call()
    with jaxconv.patch() as report:
        y = call()
    np.testing.assert_array_equal(y, expected)
    (passed,) = report.passed_on
    assert "holds a reference to it; patch(everywhere=True) reaches it" in passed.reason
    assert report.served == []


def test_the_report_names_the_caller():
    with jaxconv.patch() as report:
        LAYER()
    assert f"{__name__}.Layer.__call__ holds a reference" in str(report)


def test_derivatives_of_what_lax_is_left_stay_lax_s():
    def loss(w):
        return lax.conv(X, w, (1,), "SAME", precision="F32_F32_F32").sum()

    expected = jax.grad(loss)(W)
    with jaxconv.patch(everywhere=True) as report:
        np.testing.assert_array_equal(jax.grad(loss)(W), expected)
    assert [call.reason is None for call in report.calls] == [False]


def test_complex_numbers_everywhere():
    """lax's lowering calls its own convolution three times on real numbers."""
    with jaxconv.patch("xla", everywhere=True) as report:
        y = lax.conv(lax.complex(X, X), lax.complex(W, 0 * W), (1,), "SAME")
    np.testing.assert_array_equal(y.imag, lax.conv(X, W, (1,), "SAME"))
    assert len(report.calls) == 1


def test_jit_keeps_everywhere_apart():
    jitted = jax.jit(lambda: conv_general_dilated(X, W, (1,), "SAME"))
    for block, inside in (
        (jaxconv.patch(), False),
        (jaxconv.patch(everywhere=True), 1),
    ):
        with block:
            assert ("conv_output" in str(jitted.trace().jaxpr)) == inside


def test_a_wrong_call_raises_as_ever():
    signature = inspect.signature(conv_general_dilated)
    with jaxconv.patch(everywhere=True) as report:
        for function in (conv_general_dilated, lax.conv_general_dilated):
            assert inspect.signature(function) == signature
        for wrong in ((X, W), (X, W, (1,), "SAME", *[None] * 9)):
            with pytest.raises(TypeError, match="argument"):
                conv_general_dilated(*wrong)
        with pytest.raises(TypeError, match="multiple values"):
            conv_general_dilated(X, W, (1,), "SAME", rhs=W)
        with pytest.raises(TypeError, match="unexpected keyword"):
            conv_general_dilated(X, W, (1,), "SAME", stride=2)
    assert report.calls == []


def test_code_that_jit_compiled_in_an_earlier_block_is_reported():
    step = jax.jit(lambda x: lax.conv(x, W, (3,), "VALID"))
    with jaxconv.patch("taps") as other:
        pass
    with jaxconv.patch("loops") as first:
        step(X)
    with jaxconv.patch("loops") as second:
        step(X)
    with jaxconv.patch("taps") as other_again:
        pass
    assert len(first.served) == 1
    assert second.calls == []
    assert second.traced_before == first.traced_before + 1
    assert other_again.traced_before == other.traced_before
    assert "No call was traced in this block." in str(second)
    assert f"{second.traced_before} calls served" in str(second)


def test_eager_calls_are_not_said_to_be_compiled():
    with jaxconv.patch("im2col") as report:
        lax.conv(X, W, (1,), "SAME")
        jax.grad(lambda w: lax.conv(X, w, (1,), "SAME").sum())(W)
    with jaxconv.patch("im2col") as later:
        assert later.traced_before == report.traced_before


@pytest.mark.parametrize("decorate", [jaxconv.patch, jaxconv.patch()])
def test_the_decorator_with_and_without_parentheses(decorate):
    @decorate
    def loss(w):
        """Its words."""
        return "conv_output" in str(
            jax.make_jaxpr(lambda: lax.conv(X, w, (1,), "SAME"))()
        )

    assert loss(W)
    assert loss.__doc__ == "Its words."
