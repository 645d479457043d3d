"""Padding by repeated pixels, as NumPy pads; their gradients reach the pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import conv, conv_input_grad, conv_param_grad, per_example_grad_norms
from tests.reference import arrays, integers

NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
X, W, PADS = (2, 3, 5, 6), (3, 4, 3, 2), ((2, 1), (0, 3))
modes = pytest.mark.parametrize("mode", NUMPY_MODES)


def by_numpy(x, mode, pads=PADS):
    """A convolution without padding, over what `np.pad` made."""
    return np.pad(x, ((0, 0), (0, 0), *pads), mode=NUMPY_MODES[mode])


@modes
def test_output_is_that_over_numpys_padding(mode):
    x, w = arrays(X, W)
    expected = conv(jnp.array(by_numpy(x, mode)), w, padding="VALID", strides=(1, 2))
    ours = conv(x, w, padding=PADS, padding_mode=mode, strides=(1, 2))
    np.testing.assert_array_equal(ours, expected)


@modes
def test_input_grad_is_the_exact_transpose(mode):
    """Every entry of the Jacobian, from pushing unit inputs forward."""
    x, w = arrays(X, W)
    call = {"padding": PADS, "padding_mode": mode}
    push = jax.jit(lambda x: conv(x, w, **call))
    units = np.eye(x.size, dtype="float32").reshape(-1, *X)
    jacobian = jnp.stack([push(unit) for unit in units])
    g = jnp.array(integers(np.random.default_rng(1), jacobian.shape[1:]))
    expected = jnp.einsum("inchw,nchw->i", jacobian, g).reshape(X)
    by_grad = jax.vjp(lambda x: conv(x, w, **call), x)[1](g)[0]
    by_hand = conv_input_grad(g, w, input_shape=X, **call)
    np.testing.assert_array_equal(by_grad, expected)
    np.testing.assert_array_equal(by_hand, expected)


@modes
def test_param_grad_reads_the_repeated_pixels(mode):
    x, w = arrays(X, W)
    call = {"padding": PADS, "padding_mode": mode}
    y, vjp = jax.vjp(lambda w: conv(x, w, **call), w)
    g = jnp.array(integers(np.random.default_rng(1), y.shape))
    by_hand = conv_param_grad(x, g, kernel_shape=W, **call)
    padded = jnp.array(by_numpy(x, mode))
    expected = conv_param_grad(padded, g, kernel_shape=W, padding="VALID")
    np.testing.assert_array_equal(vjp(g)[0], expected)
    np.testing.assert_array_equal(by_hand, expected)


def test_each_axis_has_its_own_mode():
    """A panorama: circular from left to right, mirrored above and below."""
    x, w = arrays(X, W)
    rows = by_numpy(x, "reflect", ((2, 1), (0, 0)))
    both = jnp.array(by_numpy(rows, "circular", ((0, 0), (0, 3))))
    ours = conv(x, w, padding=PADS, padding_mode=("reflect", "circular"))
    np.testing.assert_array_equal(ours, conv(both, w, padding="VALID"))


def test_zeros_and_a_mode_go_together():
    x, w = arrays(X, W)
    rows = jnp.array(by_numpy(x, "replicate", ((2, 1), (0, 0))))
    ours = conv(x, w, padding=PADS, padding_mode=("replicate", "zeros"))
    expected = conv(rows, w, padding=((0, 0), PADS[1]))
    np.testing.assert_array_equal(ours, expected)


@modes
def test_negative_padding_crops_before_pixels_are_repeated(mode):
    x, w = arrays(X, W)
    ours = conv(x, w, padding=((-1, 2), (3, -2)), padding_mode=mode)
    cropped = by_numpy(x[:, :, 1:, :-2], mode, ((0, 2), (3, 0)))
    np.testing.assert_array_equal(ours, conv(jnp.array(cropped), w, padding="VALID"))


@modes
def test_padding_longer_than_the_image_goes_on_repeating(mode):
    x, w = jnp.array([[[1.0, 2, 3]]]), jnp.ones((1, 1, 1))
    ours = conv(x, w, padding=((8, 7),), padding_mode=mode)
    expected = np.pad(x, ((0, 0), (0, 0), (8, 7)), mode=NUMPY_MODES[mode])
    np.testing.assert_array_equal(ours, expected)


def test_one_pixel_that_is_not_padded_needs_no_neighbour():
    y = conv(
        jnp.ones((1, 1, 1)), jnp.ones((1, 1, 1)), padding=0, padding_mode="reflect"
    )
    assert y.tolist() == [[[1]]]


def test_gaps_of_a_dilated_input_count_as_pixels():
    x, w = jnp.array([[[1.0, 2, 3]]]), jnp.ones((1, 1, 1))
    facts = {"padding": ((2, 1),), "input_dilation": 2, "padding_mode": "reflect"}
    y, vjp = jax.vjp(lambda x: conv(x, w, **facts), x)
    assert y.tolist() == [[[2, 0, 1, 0, 2, 0, 3, 0]]]
    assert vjp(jnp.array([[[1.0, 2, 3, 4, 5, 6, 7, 8]]]))[0].tolist() == [[[3, 6, 7]]]


@modes
def test_per_example_norms_read_the_repeated_pixels(mode):
    x, w = arrays(X, W)
    call = {"padding": PADS, "padding_mode": mode, "kernel_shape": W}
    g = jnp.ones(conv(x, w, padding=PADS).shape)
    grads = jax.vmap(lambda x, g: conv_param_grad(x[None], g[None], **call))(x, g)
    expected = jnp.sqrt(jnp.sum(grads**2, axis=(1, 2, 3, 4)))
    np.testing.assert_array_equal(per_example_grad_norms(x, g, **call), expected)


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(
    ("mode", "shape", "message"),
    [
        ("mirror", X, 'padding_mode must be one of "zeros", "reflect", .* \'mirror\''),
        (("reflect",), X, r"one for each of the 2 spatial axes, got \('reflect',\)"),
        (None, X, "padding_mode must be one of .* got None"),
        ([np.arange(2), "zeros"], X, "padding_mode must be one of .* got .array"),
        (
            "reflect",
            (2, 3, 1, 6),
            '"reflect" needs at least 2 pixels along axis 2 of x',
        ),
        ("reflect", (2, 3, 2, 6), '"reflect" needs at least 2 pixels along axis 2'),
        ("circular", (2, 3, 5, 0), '"circular" needs at least 1 pixels along axis 3'),
    ],
    ids=[
        "unknown",
        "too few",
        "none",
        "arrays",
        "nothing to mirror",
        "nothing to mirror once cropped",
        "nothing to repeat",
    ],
)
def test_a_wrong_mode_is_refused(mode, shape, message):
    padding = ((-1, 3), PADS[1]) if shape[2] == 2 else PADS
    with pytest.raises(ValueError, match=message):
        conv(jnp.zeros(shape), jnp.zeros(W), padding=padding, padding_mode=mode)
