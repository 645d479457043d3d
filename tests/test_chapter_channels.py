"""The chapter's multi-channel trio, also at its own size, equals NumPy and autodiff."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import chapter
from jaxconv.conv.geometry import Geometry
from tests import reference
from tests.reference import assert_same_bits, operands, three_maps
from tests.tiers import fast

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


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_channels_keep_any_float_type(dtype):
    geometry = Geometry.of((2, 2, 3, 4), (2, 2, 3, 1))
    expected = three_maps(*operands(geometry, most=2), geometry)
    with jax.enable_x64(dtype == "float64"):
        x, w, g = (jnp.array(a, dtype) for a in operands(geometry, most=2))
        found = run_output(x, w), run_input_grad(x, g, w), run_param_grad(x, g, w)
        assert {array.dtype for array in found} == {jnp.dtype(dtype)}
        assert_same_bits(found, expected)
