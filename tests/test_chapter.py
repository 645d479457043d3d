"""Every number of the chapter, gradients of its plain loops, and mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import chapter
from tests.reference import integers

INPUT = jnp.array([1.0, 2, 3, 4, 5])
PARAM = jnp.array([1.0, 1, 1])
BATCH = jnp.array([[0.0, 1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7]])


# One dimension


def test_pad_1d():
    assert chapter.pad_1d(INPUT, 1).tolist() == [0, 1, 2, 3, 4, 5, 0]


def test_pad_2d_pads_rows_and_columns():
    image = jnp.array([[[1.0, 2]]])
    assert chapter.pad_2d(image, 1).tolist() == [[[0] * 4, [0, 1, 2, 0], [0] * 4]]
    assert chapter.pad_2d(image, (0, 2)).tolist() == [[[0, 0, 1, 2, 0, 0]]]


def test_conv_1d():
    assert chapter.conv_1d(INPUT, PARAM).tolist() == [3, 6, 9, 12, 9]


@pytest.mark.parametrize(
    ("inp", "param", "total"),
    [
        ([1, 2, 3, 4, 5], [1, 1, 1], 39),
        ([1, 2, 3, 4, 6], [1, 1, 1], 41),
        ([1, 2, 3, 4, 5], [2, 1, 1], 49),
    ],
)
def test_conv_1d_sum(inp, param, total):
    inp, param = jnp.array(inp, jnp.float32), jnp.array(param, jnp.float32)
    assert chapter.conv_1d_sum(inp, param) == total


def test_input_grad_1d():
    assert chapter.input_grad_1d(INPUT, PARAM).tolist() == [2, 3, 3, 3, 2]


def test_param_grad_1d():
    assert chapter.param_grad_1d(INPUT, PARAM).tolist() == [10, 15, 14]


def test_conv_1d_does_not_turn_the_filter():
    out = chapter.conv_1d(INPUT, jnp.array([0.0, 0, 1]))
    assert out.tolist() == [2, 3, 4, 5, 0]


# With a batch


def test_conv_1d_batch():
    assert chapter.conv_1d_batch(BATCH, PARAM).tolist() == [
        [1, 3, 6, 9, 12, 15, 11],
        [3, 6, 9, 12, 15, 18, 13],
    ]


def test_conv_1d_batch_sum():
    assert chapter.conv_1d_batch_sum(BATCH, PARAM) == 133


def test_input_grad_1d_batch():
    grad = chapter.input_grad_1d_batch(BATCH, PARAM)
    assert grad.tolist() == [[2, 3, 3, 3, 3, 3, 2]] * 2


def test_param_grad_1d_batch():
    assert chapter.param_grad_1d_batch(BATCH, PARAM).tolist() == [36, 49, 48]


def test_raising_the_last_weight_by_1_raises_the_batch_sum_by_48():
    raised = chapter.conv_1d_batch_sum(BATCH, PARAM.at[2].add(1))
    assert raised - chapter.conv_1d_batch_sum(BATCH, PARAM) == 48


# Detectors


def test_the_laplacian_marks_a_corner_and_is_silent_on_a_plain():
    laplacian = jnp.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
    image = jnp.zeros((1, 6, 7)).at[:, 2:, 3:].set(1.0)
    marks = chapter.conv_2d(image, laplacian)[0]
    assert marks[2, 3] == -2  # a corner
    assert marks[2, 5] == -1  # an edge
    assert marks[4, 5] == 0  # inside
    assert marks[0, 1] == 0  # outside


# Gradients against JAX's own, of the plain loops

FAMILIES = {
    "1-D": ("conv_1d", "input_grad_1d", "param_grad_1d", (7,), (3,)),
    "1-D, filter longer": ("conv_1d", "input_grad_1d", "param_grad_1d", (2,), (5,)),
    "1-D batch": (
        "conv_1d_batch",
        "input_grad_1d_batch",
        "param_grad_1d_batch",
        (3, 6),
        (5,),
    ),
    "2-D": ("conv_2d", "input_grad_2d", "param_grad_2d", (2, 6, 5), (3, 5)),
    "2-D, one row": ("conv_2d", "input_grad_2d", "param_grad_2d", (3, 1, 8), (1, 3)),
}


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_hand_written_gradients_equal_autodiff(family, jit, rng):
    forward, input_grad, param_grad, x_shape, w_shape = family
    wrap = jax.jit if jit else lambda f: f
    x, w, g = (jnp.array(integers(rng, s)) for s in (x_shape, w_shape, x_shape))
    dx, dw = jax.vjp(getattr(chapter, forward), x, w)[1](g)
    np.testing.assert_array_equal(wrap(getattr(chapter, input_grad))(x, w, g), dx)
    np.testing.assert_array_equal(wrap(getattr(chapter, param_grad))(x, w, g), dw)


def test_output_grad_defaults_to_ones(rng):
    x, w = jnp.array(integers(rng, (2, 5, 6))), jnp.array(integers(rng, (3, 3)))
    expected = chapter.input_grad_2d(x, w, jnp.ones((2, 5, 6)))
    np.testing.assert_array_equal(chapter.input_grad_2d(x, w), expected)


# Float types


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_any_float_type_is_kept(dtype):
    with jax.enable_x64(dtype == "float64"):
        inp, param = INPUT.astype(dtype), PARAM.astype(dtype)
        for function, expected in [
            (chapter.conv_1d, [3, 6, 9, 12, 9]),
            (chapter.input_grad_1d, [2, 3, 3, 3, 2]),
            (chapter.param_grad_1d, [10, 15, 14]),
        ]:
            result = function(inp, param)
            assert result.dtype == dtype
            assert result.tolist() == expected


# Errors


def zeros(*shape):
    return jnp.zeros(shape)


IMAGES, FILTERS = zeros(2, 3, 8, 6), zeros(3, 4, 3, 5)
MISTAKES = {
    "even filter": (
        lambda: chapter.conv_1d(INPUT, zeros(2)),
        r"conv_1d: param must have an odd filter width, got 2 .*use jaxconv\.conv",
    ),
    "even filter height": (
        lambda: chapter._output(IMAGES, zeros(3, 4, 4, 5)),
        r"_output: param must have an odd filter height, got 4 \(axis 2 of \(3, 4, 4",
    ),
    "even filter in a gradient": (
        lambda: chapter.param_grad_2d(zeros(2, 8, 6), zeros(3, 2)),
        r"param_grad_2d: param must have an odd filter width, got 2",
    ),
    "a batch where there is none": (
        lambda: chapter.conv_1d(BATCH, PARAM),
        r"conv_1d: inp must be 1-D \(width\), got 2-D of shape \(2, 7\)",
    ),
    "channels differ": (
        lambda: chapter._output(IMAGES, zeros(2, 4, 3, 5)),
        r"_output: inp has 3 channels \(axis 1 of \(2, 3, 8, 6\)\) but param takes 2",
    ),
    "gradient and filter exchanged": (
        lambda: chapter._input_grad(IMAGES, FILTERS, zeros(2, 4, 8, 6)),
        r"_input_grad: inp has 3 channels",
    ),
    "output_grad of another shape": (
        lambda: chapter._param_grad(IMAGES, zeros(2, 4, 8, 5), FILTERS),
        r"_param_grad: output_grad must be shaped like the output, \(2, 4, 8, 6\), got",
    ),
    "no pixels": (
        lambda: chapter.conv_1d_batch(zeros(2, 0), PARAM),
        r"conv_1d_batch: inp must have a width of at least 1, got 0 \(axis 1 of",
    ),
    "padding by a fraction": (
        lambda: chapter.pad_1d(INPUT, 1.0),
        r"pad_1d: num must be a number of zeros.* got 1\.0",
    ),
    "negative padding": (
        lambda: chapter.pad_1d(INPUT, -1),
        r"pad_1d: num must be a number of zeros, 0 or more.* got -1",
    ),
    "three paddings for two axes": (
        lambda: chapter.pad_2d(zeros(2, 8, 6), (1, 2, 3)),
        r"pad_2d: num must be .* or 2 of them, got \(1, 2, 3\)",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(("call", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(call, message):
    with pytest.raises(ValueError, match=message):
        call()
