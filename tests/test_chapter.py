"""Every number of the chapter, then the multi-channel trio, also at its size."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import chapter
from jaxconv.conv.geometry import Geometry
from tests import reference
from tests.reference import assert_same_bits, integers, operands, three_maps
from tests.tiers import fast

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


# Channels, small and at the chapter's own size: there a loop takes 12 million steps,
# so each is run once and every test looks at what it gave.

SIZES = {
    "small": ((3, 2, 7, 6), (2, 4, 5, 3)),
    "the chapter's": ((10, 3, 32, 32), (3, 16, 5, 5)),
}


class Trio:
    """Operands of one size and, computed when first asked for, the three maps."""

    def __init__(self, x_shape, w_shape):
        self.geometry = Geometry.of(x_shape, w_shape)
        self.x, self.w, self.g = operands(self.geometry)
        self.ones = jnp.ones(self.geometry.out_shape)

    @functools.cached_property
    def output(self):
        return run_output(self.x, self.w)

    @functools.cached_property
    def input_grad(self):
        return run_input_grad(self.x, self.g, self.w)

    @functools.cached_property
    def param_grad(self):
        return run_param_grad(self.x, self.g, self.w)

    @functools.cached_property
    def input_grad_of_ones(self):
        return run_input_grad(self.x, self.ones, self.w)

    @functools.cached_property
    def param_grad_of_ones(self):
        return run_param_grad(self.x, self.ones, self.w)


run_output = jax.jit(chapter._output)
run_input_grad = jax.jit(chapter._input_grad)
run_param_grad = jax.jit(chapter._param_grad)


@pytest.fixture(scope="module", params=fast(SIZES, "small"))
def trio(request):
    return Trio(*SIZES[request.param])


def test_output_equals_numpy_bit_for_bit(trio):
    expected = reference.output(trio.x, trio.w, trio.geometry)
    np.testing.assert_array_equal(trio.output, expected)


def test_input_grad_equals_numpy_bit_for_bit(trio):
    expected = reference.input_grad(trio.g, trio.w, trio.geometry)
    np.testing.assert_array_equal(trio.input_grad, expected)


def test_param_grad_equals_numpy_bit_for_bit(trio):
    expected = reference.param_grad(trio.x, trio.g, trio.geometry)
    np.testing.assert_array_equal(trio.param_grad, expected)


def test_channel_gradients_equal_autodiff_of_the_loops(trio):
    """JAX differentiates the seven loops for each of two images; their parts add up."""
    x, g = trio.x[:2], trio.g[:2]
    geometry = dataclasses.replace(trio.geometry, n=len(x))

    @jax.jit
    @jax.vmap
    def one_image(x, g):
        return jax.vjp(chapter._output, x[None], trio.w)[1](g[None])

    dx, dw = one_image(x, g)
    np.testing.assert_array_equal(trio.input_grad[:2], dx[:, 0])
    expected = reference.param_grad(x, g, geometry)
    np.testing.assert_array_equal(dw.sum(axis=0), expected)


def places(shape):
    """The first element of an array, its last, and one between."""
    return (0,) * len(shape), tuple(n - 1 for n in shape), tuple(n // 2 for n in shape)


@pytest.mark.parametrize("which", range(3), ids=["first", "last", "between"])
def test_raising_one_pixel_by_1_changes_the_sum_by_its_gradient(trio, which):
    index = places(trio.x.shape)[which]
    image = slice(index[0], index[0] + 1)  # no other image sees it
    raised = run_output(trio.x.at[index].add(1)[image], trio.w)
    change = raised.sum() - trio.output[image].sum()
    assert change == trio.input_grad_of_ones[index]


@pytest.mark.parametrize("which", range(3), ids=["first", "last", "between"])
def test_raising_one_weight_by_1_changes_the_sum_by_its_gradient(trio, which):
    index = places(trio.w.shape)[which]
    raised = run_output(trio.x, trio.w.at[index].add(1))
    assert raised.sum() - trio.output.sum() == trio.param_grad_of_ones[index]


def test_channels_take_rectangular_images_and_filters():
    geometry = Geometry.of((2, 3, 6, 9), (3, 4, 5, 1))
    x, w, g = operands(geometry)
    found = run_output(x, w), run_input_grad(x, g, w), run_param_grad(x, g, w)
    assert_same_bits(found, three_maps(x, w, g, geometry))


def test_an_empty_batch_has_an_empty_output_and_a_filter_gradient_of_zeros():
    inp, param = jnp.zeros((0, 3, 4, 5)), jnp.ones((3, 2, 3, 3))
    assert chapter._output(inp, param).shape == (0, 2, 4, 5)
    grad = chapter._param_grad(inp, jnp.zeros((0, 2, 4, 5)), param)
    np.testing.assert_array_equal(grad, np.zeros((3, 2, 3, 3)))


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


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_channels_keep_any_float_type(dtype):
    geometry = Geometry.of((2, 2, 3, 4), (2, 2, 3, 1))
    expected = three_maps(*operands(geometry, most=2), geometry)
    with jax.enable_x64(dtype == "float64"):
        x, w, g = (jnp.array(a, dtype) for a in operands(geometry, most=2))
        found = run_output(x, w), run_input_grad(x, g, w), run_param_grad(x, g, w)
        assert {array.dtype for array in found} == {jnp.dtype(dtype)}
        assert_same_bits(found, expected)


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
