"""Per-example norms against the gradients themselves, by `vmap` of grad."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import conv, conv_param_grad, per_example_grad_norms
from jaxconv.conv.methods.rounding import of_products
from tests.reference import integers

CASES = {
    "few positions": ((5, 3, 4, 3), (3, 6, 3, 2), {"padding": "VALID"}),
    "many positions": ((5, 2, 8, 7), (2, 3, 3, 2), {}),
    "grouped": ((5, 6, 4, 5), (2, 9, 3, 2), {"groups": 3, "strides": 2}),
    "depthwise": ((5, 4, 6, 5), (1, 4, 3, 2), {"groups": 4}),
    "dilated": (
        (5, 3, 7),
        (3, 8, 3),
        {"kernel_dilation": 2, "input_dilation": 2, "padding": ((-1, 3),)},
    ),
}
cases = pytest.mark.parametrize(
    ("x_shape", "w_shape", "facts"), CASES.values(), ids=CASES.keys()
)


def draw(rng, x_shape, w_shape, facts):
    out = jax.eval_shape(
        lambda x, w: conv(x, w, **facts), jnp.zeros(x_shape), jnp.zeros(w_shape)
    )
    shapes = x_shape, w_shape, out.shape
    return tuple(jnp.array(integers(rng, shape, -2, 2)) for shape in shapes)


@cases
def test_norms_are_those_of_vmap_of_grad(x_shape, w_shape, facts, rng):
    x, w, g = draw(rng, x_shape, w_shape, facts)

    def loss(w, x, g):
        return jnp.sum(g[None] * conv(x[None], w, **facts))

    grads = jax.jit(jax.vmap(jax.grad(loss), (None, 0, 0)))(w, x, g)
    expected = jnp.sqrt(jnp.sum(grads.reshape(len(x), -1) ** 2, axis=1))
    norms = per_example_grad_norms(x, g, kernel_shape=w_shape, **facts)
    np.testing.assert_array_equal(norms, expected)


@pytest.mark.parametrize(
    ("space", "kernel", "channels"),
    [((40, 40), (3, 3), 4), ((4, 4), (3, 3), 256)],
    ids=["large images", "many channels"],
)
def test_memory_is_that_of_one_example(space, kernel, channels):
    def temporary_bytes(n):
        x = g = jnp.zeros((n, channels, *space))
        shape = (channels, channels, *kernel)
        compiled = jax.jit(
            lambda x, g: per_example_grad_norms(x, g, kernel_shape=shape)
        ).lower(x, g)
        return compiled.compile().memory_analysis().temp_size_in_bytes

    gradient = 4 * channels**2 * 9
    assert temporary_bytes(32) - temporary_bytes(2) < 2 * gradient


@pytest.mark.parametrize(
    ("channels", "positions"), [(1, 400), (400, 1)], ids=["gradient", "positions"]
)
def test_16_bit_norms_are_added_up_in_float32(channels, positions):
    x = g = jnp.ones((2, channels, positions), "bfloat16")
    norms = per_example_grad_norms(x, g, kernel_shape=(channels, channels, 1))
    assert norms.dtype == "float32"
    assert norms.tolist() == [400, 400]


@pytest.mark.parametrize("positions", [2, 9])
def test_complex_norms_are_those_of_the_gradient(positions, rng):
    shape = (3, 2, positions)
    x, g = (
        jax.lax.complex(*(jnp.array(integers(rng, shape)) for _ in range(2)))
        for _ in range(2)
    )
    x += 12 + 6j  # of nearly one phase, so that terms do not cancel without conjugates
    facts = {"kernel_shape": (2, 2, 3)}
    grads = [conv_param_grad(x[i : i + 1], g[i : i + 1], **facts) for i in range(3)]
    expected = [jnp.linalg.norm(grad.ravel()) for grad in grads]
    bound = of_products(2 * 2 * 3, "complex64").relative  # of a sum of squares
    np.testing.assert_allclose(per_example_grad_norms(x, g, **facts), expected, bound)


def test_whole_numbers_give_float32():
    x, g = jnp.ones((2, 1, 4), "int8"), jnp.ones((2, 1, 4), "int8")
    norms = per_example_grad_norms(x, g, kernel_shape=(1, 1, 1))
    assert norms.dtype == "float32"
    assert norms.tolist() == [4, 4]


def test_an_empty_batch_has_no_norms():
    x, g = jnp.ones((0, 1, 4)), jnp.ones((0, 1, 4))
    assert per_example_grad_norms(x, g, kernel_shape=(1, 1, 1)).shape == (0,)


@pytest.mark.usefixtures("our_errors")
def test_a_gradient_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="per_example_grad_norms: g must be shaped"):
        per_example_grad_norms(
            jnp.ones((2, 1, 4)), jnp.ones((2, 1, 5)), kernel_shape=(1, 1, 1)
        )


def test_norms_survive_terms_that_cancel():
    """Constant images and gradients that sum to zero, as after a BatchNorm.

    Sums over positions cancel to rounding; a squared norm below 0 would give NaN.
    """
    rng = np.random.default_rng(0)
    x = jnp.tile(jnp.array(rng.normal(size=(16, 64, 1, 1)), "float32"), (1, 1, 4, 4))
    g = jnp.array(rng.normal(size=(16, 128, 4, 4)), "float32")
    g -= g.mean((2, 3), keepdims=True)
    norms = per_example_grad_norms(x, g, kernel_shape=(64, 128, 1, 1))
    grads = jax.vmap(
        lambda x, g: conv_param_grad(x[None], g[None], kernel_shape=(64, 128, 1, 1))
    )(x, g)
    expected = jnp.sqrt(jnp.sum(grads**2, axis=(1, 2, 3, 4)))
    bound = of_products(64 * 128, "float32").relative  # of a sum of squares
    np.testing.assert_allclose(norms, expected, rtol=bound)


@pytest.mark.parametrize("space", [(2, 2), (9, 9)], ids=["positions", "gradient"])
def test_the_slope_of_a_norm_of_nothing_is_0(space):
    x, g = jnp.ones((2, 8, *space)), jnp.zeros((2, 8, *space)).at[1].set(1)

    def total(g):
        return per_example_grad_norms(x, g, kernel_shape=(8, 8, 3, 3)).sum()

    slope = jax.grad(total)(g)
    assert (slope[0] == 0).all()
    assert (slope[1] > 0).all()
