"""Proposals in errors for exchanged axes or operands, and for traced settings."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import conv, conv_input_grad, conv_param_grad, conv_transpose, explain

pytestmark = pytest.mark.usefixtures("our_errors")

SWAP = r"Is w \(out, in, \*kernel\)\? Swap its first two: jnp\.swapaxes\(w, 0, 1\)\."
W_LAST = r"Is w \(\*kernel, in, out\)\? .* jnp\.moveaxis\(w, \(-2, -1\), \(0, 1\)\)\."
X_AND_W = r"Are x and w exchanged\? x comes first\.$"
SHAPES = {  # of x and w, groups, and the end of the message
    "depthwise": ((2, 8, 9, 9), (8, 1, 3, 3), 8, SWAP),
    "depthwise, two each": ((2, 8, 9, 9), (16, 1, 3, 3), 8, SWAP),
    "groups": ((2, 8, 9, 9), (6, 4, 3, 3), 2, SWAP),
    "groups, as many out as in": ((2, 8, 9, 9), (8, 4, 3, 3), 2, SWAP),
    "dense": ((2, 8, 9, 9), (6, 8, 3, 3), 1, SWAP),
    "no groups": ((2, 8, 9, 9), (1, 8, 3, 3), 1, r"Is groups=8 missing\?$"),
    "no groups, two": ((2, 8, 9, 9), (4, 6, 3, 3), 1, r"\. Is groups=2 missing\?$"),
    "dense filters": ((2, 8, 9, 9), (8, 6, 3, 3), 2, "w has in // groups = 4 there"),
    "Flax's depthwise": ((2, 8, 9, 9), (3, 3, 1, 8), 8, W_LAST),
    "Keras's depthwise": (
        (2, 8, 9, 9),
        (3, 3, 8, 2),
        8,
        r"Is w \(\*kernel, in, multiplier\), .*reshape\(\*w\.shape\[:-2\], 1, -1\)",
    ),
    "channels of w between": (
        (2, 8, 9, 9),
        (6, 3, 3, 8),
        1,
        r"Is w \(out, \*kernel, in\)\? .*: jnp\.moveaxis\(w, -1, 0\)",
    ),
    "all channels-last": (
        (2, 8, 7, 4),
        (3, 3, 4, 5),
        1,
        r"Are x and w channels-last.*conv_general_dilated with dimension_numbers",
    ),
    "two guesses": ((2, 8, 9, 6), (6, 8, 3, 3), 1, rf"channels-last\?.* Or: {SWAP}"),
    "exchanged": ((3, 4, 3, 3), (2, 3, 8, 8), 1, X_AND_W),
    "exchanged, many": ((1, 32, 5, 5), (60, 1, 28, 28), 1, X_AND_W),
    "exchanged, with groups": ((2, 6, 3), (5, 4, 9), 2, X_AND_W),
    "of one size, not exchanged": ((4, 3, 5, 6), (7, 4, 5, 6), 1, "Filters are"),
    "no groups that fit": ((2, 8, 9, 9), (4, 5, 3, 3), 1, "Filters are"),
    "groups that forbid it": ((3, 5, 3), (2, 6, 9), 2, "Filters are"),
    "nothing likely": ((2, 5, 9, 9), (3, 7, 2, 2), 1, r"Filters are \(in // groups, "),
}


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "groups", "message"), SHAPES.values(), ids=SHAPES.keys()
)
def test_exchanged_axes_are_recognised(x_shape, w_shape, groups, message):
    with pytest.raises(ValueError, match=message):
        explain(x_shape, w_shape, groups=groups)


def test_what_is_proposed_for_keras_depthwise_filters_is_right(rng):
    x, w = rng.normal(size=(2, 5, 6, 4)), rng.normal(size=(3, 2, 4, 2))
    ours = conv(
        jnp.moveaxis(x, -1, 1),
        jnp.moveaxis(w.reshape(*w.shape[:-2], 1, -1), (-2, -1), (0, 1)),
        groups=4,
        method="loops",
    )
    taps = np.pad(x, ((0, 0), (1, 1), (0, 1), (0, 0)))
    right = sum(
        taps[:, p : p + 5, q : q + 6, :, None] * w[p, q]
        for p in range(3)
        for q in range(2)
    )  # (n, h, w, in, multiplier)
    right = np.moveaxis(right.reshape(2, 5, 6, 8), -1, 1)
    np.testing.assert_allclose(ours, right, atol=1e-5)


def zeros(*shape):
    return jnp.zeros(shape)


X, W, G = zeros(2, 3, 8, 8), zeros(3, 4, 3, 3), zeros(2, 4, 8, 8)
MISTAKES = {
    "larger filters, exchanged": (
        lambda: conv(zeros(3, 3, 5, 5), zeros(3, 3, 28, 28), padding="VALID"),
        rf"w is larger than the padded x .*{X_AND_W}",
    ),
    "x and w of a transposed one": (lambda: conv_transpose(W, X), X_AND_W),
    "Keras's transposed filters": (
        lambda: conv_transpose(zeros(2, 8, 9, 9), zeros(3, 3, 4, 8)),
        r"Is w \(\*kernel, out, in\)\? .* jnp\.moveaxis\(w, \(-1, -2\), \(0, 1\)\)",
    ),
    "Flax's transposed filters": (
        lambda: conv_transpose(zeros(2, 8, 9, 9), zeros(3, 3, 8, 4)),
        W_LAST,
    ),
    "g and w": (
        lambda: conv_input_grad(W, G, input_shape=X.shape),
        r"Are g and w exchanged\? g comes first\.$",
    ),
    "x and g": (
        lambda: conv_param_grad(G, X, kernel_shape=W.shape),
        r"are x and g exchanged\? x comes first\.$",
    ),
    "x and g, with groups": (
        lambda: conv_param_grad(
            zeros(2, 4, 8), zeros(2, 6, 8), kernel_shape=(3, 4, 3), groups=2
        ),
        r"Are x and g exchanged\? x comes first\.$",
    ),
    "kernel_shape output-first": (
        lambda: conv_param_grad(X, G, kernel_shape=(4, 3, 3, 3)),
        r"Is kernel_shape \(out, in, \*kernel\)\? Exchange its first two sizes",
    ),
    "kernel_shape with channels last": (
        lambda: conv_param_grad(zeros(2, 8, 8, 3), G, kernel_shape=W.shape),
        r"Are x and g channels-last\? Move their last axis to 1",
    ),
    "an array for a shape": (
        lambda: conv_input_grad(G, W, input_shape=X),
        r"sequence of sizes, got an array of shape \(2, 3, 8, 8\)\. Write x\.shape\.$",
    ),
    "a struct for a shape": (
        lambda: conv_input_grad(
            G, W, input_shape=jax.ShapeDtypeStruct((2,), "float32")
        ),
        r"sequence of sizes, got ShapeDtypeStruct.* Write x\.shape\.$",
    ),
    "strides of all axes": (
        lambda: conv(X, W, strides=(1, 1, 2, 2)),
        r"strides must be .* got \(1, 1, 2, 2\)\. Leave out batch and channels\.$",
    ),
    "padding of all axes": (
        lambda: conv(X, W, padding=((0, 0), (0, 0), (1, 1), (1, 1))),
        r"Leave out batch and channels\.$",
    ),
    "padding, side by side": (
        lambda: conv(X, W, padding=(1, 2, 3, 4)),
        r"Write a \(low, high\) pair for each axis, such as \(\(1, 2\), \(3, 4\)\)\.$",
    ),
    "the sides of a transposed one": (
        lambda: conv_transpose(zeros(1, 1, 5), zeros(1, 1, 3), padding=(1, 2)),
        r"Write a \(low, high\) pair for each axis, such as \(\(1, 2\),\)\.$",
    ),
    "no batch": (
        lambda: conv(zeros(3, 8, 8), W),
        r"Is the batch axis of x missing\? x\[None\] adds it\.$",
    ),
    "an image without channels": (
        lambda: conv(zeros(8, 8), zeros(3, 3)),
        r"Two axes have no pixels: for an image write x\[None, None\]\.$",
    ),
    "a name for PyTorch's padding": (
        lambda: conv_transpose(X, W, padding="SAME"),
        r"got 'SAME'\. Names are of convention=\"keras\", \"lax\" or \"onnx\"\.$",
    ),
    "bytes for a name": (lambda: conv(X, W, padding=b"SAME"), r"got b'SAME'\.$"),
    "an array of floats": (lambda: conv(X, W, strides=np.ones((2, 2))), "shape .2, 2."),
    "a generator": (lambda: conv(X, W, strides=(s for s in (1, 2))), "got <generator"),
    "padding of nothing": (
        lambda: conv(X, W, padding=None),
        r'got None\. For no padding write 0 or "VALID"\.$',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(call, message):
    with pytest.raises(ValueError, match=message):
        call()


TRACED = {
    "strides": (conv, 2),
    "padding": (conv, ((1, 1), (2, 2))),
    "groups": (conv, 1),
    "input_dilation": (conv, 1),
    "kernel_dilation": (conv, (1, 1)),
    "memory_limit": (conv, 100),
    "preferred_element_type": (conv, 1),
    "input_shape": (lambda x, w, **given: conv_input_grad(x, w, **given), X.shape),
    "kernel_shape": (lambda x, w, **given: conv_param_grad(x, w, **given), W.shape),
    "output_padding": (conv_transpose, 1),
    "output_shape": (conv_transpose, 9),
    "dilation": (conv_transpose, 1),
}


@pytest.mark.parametrize(
    ("name", "function", "value"),
    [(name, *pair) for name, pair in TRACED.items()]
    + [(name, conv_transpose, 1) for name in ("strides", "padding", "groups")],
)
def test_a_traced_setting_must_be_static(name, function, value):
    def traced(x, w, value):
        return function(x, w, **{name: value})

    message = r"must be static under jit, vmap and grad, got the traced value .*Tracer"
    with pytest.raises(ValueError, match=message) as caught:
        jax.eval_shape(traced, X, W, value)
    of = {"input_shape": "the shape of x", "kernel_shape": "the shape of w"}
    assert f": {of.get(name, name)} " in str(caught.value)
    assert "static_argnames" in str(caught.value)


def test_a_setting_bound_before_jit_or_marked_as_static_is_taken():
    bound = jax.jit(functools.partial(conv, strides=2))
    marked = jax.jit(conv, static_argnames="strides")
    x, w = zeros(1, 1, 4), zeros(1, 1, 1)
    assert bound(x, w).shape == marked(x, w, strides=(2,)).shape == (1, 1, 2)


def test_pairs_of_arrays_are_pairs():
    pads = [np.array([1, 0]), (jnp.int32(2), 1)]
    right = conv(X, W, padding=((1, 0), (2, 1)))
    assert conv(X, W, padding=pads).shape == right.shape


@pytest.mark.parametrize("of", [np.array, jnp.array])
@pytest.mark.parametrize("name", ["strides", "padding", "kernel_dilation"])
def test_a_setting_may_be_any_array_whose_values_are_known(name, of):
    def shape(value):
        return jax.eval_shape(functools.partial(conv, **{name: value}), X, W).shape

    assert shape(of(2)) == shape(of([2, 2])) == shape(2)
