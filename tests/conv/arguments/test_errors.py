"""One row for each mistake, and the error that it gets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import conv, conv_input_grad, conv_param_grad

pytestmark = pytest.mark.usefixtures("our_errors")


def zeros(*shape, dtype="float32"):
    return jnp.zeros(shape, dtype)


X, W = zeros(60, 1, 28, 28), zeros(1, 32, 5, 5)
MISTAKES = {
    "channels-last": (
        lambda: conv(zeros(60, 28, 28, 1), W),
        r"conv: x has 28 channels \(axis 1 of \(60, 28, 28, 1\)\) but w takes 1 "
        r"\(axis 0 of \(1, 32, 5, 5\)\)\. Is x channels-last\? Move its last axis to 1",
    ),
    "filters output-first": (
        lambda: conv(zeros(2, 3, 8, 8), zeros(16, 3, 5, 5)),
        r"x has 3 channels .* but w takes 16 .*Is w \(out, in, \*kernel\)\? Swap",
    ),
    "groups forgotten in the filters": (
        lambda: conv(zeros(2, 4, 8, 8), zeros(4, 6, 3, 3), groups=2),
        r"x has 4 channels .* but w takes 2 groups of 4 .*w has in // groups = 2 there",
    ),
    "groups that do not divide": (
        lambda: conv(zeros(2, 4, 8, 8), zeros(2, 5, 3, 3), groups=2),
        r"groups must divide the output channels, got 2 groups and 5 channels",
    ),
    "groups of no number": (
        lambda: conv(X, W, groups=0),
        r"groups must be an int of at least 1, got 0",
    ),
    "no batch axis": (
        lambda: conv(zeros(1, 28, 28), W),
        r"w must have as many axes as x.*got 4 axes .* to 3 axes \(1, 28, 28\)",
    ),
    "no channel axis": (
        lambda: conv(zeros(5), zeros(3)),
        r"x must be \(batch, channels, \*space\), got shape \(5,\)",
    ),
    "filter larger than the padded input": (
        lambda: conv(zeros(2, 1, 9, 4), zeros(1, 1, 3, 7), padding=(0, (1, 1))),
        r"w is larger than the padded x along axis 3: 7 taps .* are 6 \(4 of",
    ),
    "empty filter": (
        lambda: conv(X, zeros(1, 32, 0, 5)),
        r"w must have at least one tap on each spatial axis, got \(0, 5\)",
    ),
    "stride 0": (
        lambda: conv(X, W, strides=0),
        r"strides must be an int of at least 1, or one for each of the 2 spatial axes",
    ),
    "a stride that XLA cannot count": (
        lambda: conv(X, W, strides=2**31),
        r"strides must be an int of at least 1 and below 2\*\*31, or one for each",
    ),
    "groups that do not divide the input's": (
        lambda: conv(zeros(2, 4, 8, 8), zeros(4, 6, 3, 3), groups=3),
        r"groups must divide the 4 channels of x",
    ),
    "three strides": (
        lambda: conv(X, W, strides=(1, 2, 3)),
        r"strides must be .* got \(1, 2, 3\)",
    ),
    "padding by a wrong name": (
        lambda: conv(X, W, padding="full"),
        r'padding must be "SAME", "SAME_LOWER", "VALID", "CAUSAL", .* got \'full\'',
    ),
    "padding with three sides": (
        lambda: conv(X, W, padding=((1, 1, 1), 0)),
        r"padding must be .* got \(\(1, 1, 1\), 0\)",
    ),
    "one pair for two axes": (
        lambda: conv(zeros(2, 1, 9), zeros(1, 1, 3), padding=(2, 1)),
        r"padding must be .* for each of the 1 spatial axes, got \(2, 1\)",
    ),
    "unknown method": (
        lambda: conv(X, W, method="strassen"),
        r'method must be one of "auto", "portable", "fft", .* got \'strassen\'',
    ),
    "a method of no name": (
        lambda: conv(X, W, method=["loops"]),
        r'method must be one of "auto", "portable", "fft", .* got \[',
    ),
    "text for an array": (
        lambda: conv("x", W),
        r"conv: x must be an array of numbers, got strings \('x'\)",
    ),
    "nothing for an array": (
        lambda: conv(X, None),
        r"conv: w must be an array of numbers, got None",
    ),
    "padding beyond what can be counted": (
        lambda: conv(X, W, padding=2**31),
        r"padding and dilation must keep axis 2 below 2\*\*31 pixels, got \d+ \(28",
    ),
    "a symbolic height": (
        lambda: jax.export.export(jax.jit(lambda x: conv(x, W)))(
            jax.ShapeDtypeStruct(jax.export.symbolic_shape("n, 1, h, 28"), "float32")
        ),
        r"the shape of x must be a sequence of sizes, .* The batch of x alone may be",
    ),
    "input_shape by one number": (
        lambda: conv_input_grad(zeros(60, 32, 28, 28), W, input_shape=60),
        r"conv_input_grad: the shape of x must be a sequence of sizes, got 60",
    ),
    "kernel_shape below 0": (
        lambda: conv_param_grad(X, X, kernel_shape=(1, 32, -3, 5)),
        r"conv_param_grad: the shape of w must be a sequence of sizes, got \(1, 32, -3",
    ),
    "keys for numbers": (
        lambda: conv(jax.random.split(jax.random.key(0), (1, 1, 5, 5)), W),
        r"conv: x must be an array of numbers, got one of key<",
    ),
    "filters with channels last": (
        lambda: conv(zeros(2, 3, 8, 8), zeros(5, 5, 3, 16)),
        r"Is w \(\*kernel, in, out\)\? Move its last two axes to the front",
    ),
    "channels-last, with groups": (
        lambda: conv(zeros(2, 9, 9, 6), zeros(3, 4, 3, 3), groups=2),
        r"Is x channels-last\?",
    ),
    "filters output-first, with groups": (
        lambda: conv(zeros(2, 4, 8, 8), zeros(6, 2, 3, 3), groups=2),
        r"Is w \(out, in, \*kernel\)\? Swap",
    ),
    "a truth value for a stride": (
        lambda: conv(X, W, strides=True),
        r"strides must be an int of at least 1, .* got True",
    ),
    "a stride beyond what can be counted": (
        lambda: conv(X, W, strides=2**31),
        r"strides must be an int of at least 1",
    ),
    "padding beyond on both sides": (
        lambda: conv(X, W, padding=2**30),
        r"must keep axis 2 below 2\*\*31 pixels",
    ),
    "dilation beyond what can be counted": (
        lambda: conv(X, W, kernel_dilation=2**30, padding=0),
        r"must keep axis 2 below 2\*\*31 pixels",
    ),
    "input_dilation 0": (
        lambda: conv(X, W, input_dilation=0),
        r"input_dilation must be an int of at least 1, .* got 0",
    ),
    "one kernel_dilation for two axes": (
        lambda: conv(X, W, kernel_dilation=(2,)),
        r"kernel_dilation must be .* one for each of the 2 spatial axes, got \(2,\)",
    ),
    "filter spread beyond the padded input": (
        lambda: conv(zeros(2, 1, 9), zeros(1, 1, 3), kernel_dilation=5, padding=0),
        r"3 taps of \(1, 1, 3\) reach over 11 pixels where there are 9 ",
    ),
    "more cropped than there is": (
        lambda: conv(zeros(2, 1, 9), zeros(1, 1, 3), padding=((-5, -5),)),
        r"padding \(-5, -5\) crops axis 2 of \(2, 1, 9\) by more pixels than it has",
    ),
    "gradient of another shape": (
        lambda: conv_input_grad(zeros(60, 32, 24, 24), W, input_shape=X.shape),
        r"conv_input_grad: g must be shaped like the output .*, \(60, 32, 28, 28\), "
        r"got \(60, 32, 24, 24\)",
    ),
    "gradient with other channels": (
        lambda: conv_param_grad(X, zeros(60, 16, 28, 28), kernel_shape=W.shape),
        r"conv_param_grad: g must be shaped like the output",
    ),
    "input_shape without the batch": (
        lambda: conv_input_grad(X, W, input_shape=(1, 28, 28)),
        r"conv_input_grad: w must have as many axes as x",
    ),
}


@pytest.mark.parametrize(("call", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_settings_may_be_numpy_arrays():
    facts = {"strides": np.array([2, 1]), "padding": np.array([[1, 0], [2, 2]])}
    g = conv(X, W, **facts)
    grad = conv_input_grad(g, W, input_shape=np.array(X.shape), **facts)
    assert grad.shape == X.shape


def test_lists_and_numpy_arrays_are_taken():
    assert conv([[[1.0, 2.0, 3.0]]], [[[1.0, 1.0, 1.0]]]).tolist() == [[[3, 6, 5]]]


def test_operands_are_promoted_like_jax_does():
    with jax.numpy_dtype_promotion("standard"):
        y = conv(zeros(2, 1, 8, dtype="bfloat16"), zeros(1, 1, 3))
    assert y.dtype == "float32"
