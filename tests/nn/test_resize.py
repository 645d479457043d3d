"""Upsampling: repeated pixels, and the gradient's sums."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.check import check_gradients
from jaxconv.nn.resize import Upsample
from tests.reference import integers

KEY = jax.random.key(0)


def test_upsample_repeats_pixels():
    y = Upsample((2, 3)).apply({}, jnp.array([[[[1.0, 2], [3, 4]]]]))
    row, other = [1, 1, 1, 2, 2, 2], [3, 3, 3, 4, 4, 4]
    assert y[0, 0].tolist() == [row, row, other, other]


def test_upsamples_gradient_adds_up_the_copies():
    g = jnp.arange(24.0).reshape(1, 1, 4, 6)
    _, pull = jax.vjp(lambda x: Upsample((2, 3)).apply({}, x), jnp.ones((1, 1, 2, 2)))
    blocks = np.arange(24.0).reshape(2, 2, 2, 3).sum((1, 3))
    np.testing.assert_array_equal(pull(g)[0][0, 0], blocks)


@pytest.mark.parametrize(
    ("factor", "space"),
    [(2, (5,)), (2, (4, 5)), (3, (4, 5)), ((1, 2, 3), (4, 3, 2))],
    ids=str,
)
def test_upsample_takes_any_number_of_axes(factor, space, rng):
    layer = Upsample(factor)
    shape, params = layer.init(KEY, (2, *space))
    x = integers(rng, (3, 2, *space))
    expected = x
    factors = factor if isinstance(factor, tuple) else (factor,) * len(space)
    for axis, times in enumerate(factors, 2):
        expected = expected.repeat(times, axis)
    y = layer.apply(params, jnp.array(x))
    assert y.shape == (3, *shape)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.exhaustive
def test_gradients_of_upsample():
    x = jnp.arange(24.0).reshape(2, 3, 2, 2)
    report = check_gradients(lambda x: Upsample((2, 1)).apply({}, x), (x,))
    assert report.ok, str(report)


def test_upsample_says_which_pixels_it_reads():
    window = Upsample((2, 3)).window
    assert (window.size, window.strides, window.upsampling) == (1, (2, 3), True)


@pytest.mark.extras
def test_upsample_is_pytorchs_nearest(rng):
    torch = pytest.importorskip("torch")
    x = integers(rng, (2, 3, 4, 5))
    expected = torch.nn.Upsample(scale_factor=(3, 2))(torch.tensor(x))
    np.testing.assert_array_equal(Upsample((3, 2)).apply({}, jnp.array(x)), expected)


MISTAKES = {
    "0": (lambda: Upsample(0), r"Upsample: factor must be an int of at least 1, got 0"),
    "a half": (lambda: Upsample(0.5), r"Upsample: factor must be an int, or one for"),
    "a half among others": (lambda: Upsample((2, 1.5)), r"at least 1, got 1\.5"),
    "a text": (lambda: Upsample("2"), r"one for each axis of space, got '2'"),
    "too many": (
        lambda: Upsample((2, 2)).init(KEY, (3, 4)),
        r"an axis for each factor, got 2 of them and 1 axes of space in \(3, 4\)",
    ),
    "x of features": (
        lambda: Upsample(2).apply({}, jnp.ones((3, 4))),
        r"Upsample: the input must be \(channels, \*space\).*in \(3, 4\)",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(("call", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_upsampling_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.usefixtures("our_errors")
def test_pytorchs_name_of_the_factor_is_mended():
    with pytest.raises(TypeError, match="Write factor= for scale_factor="):
        Upsample(scale_factor=2)
