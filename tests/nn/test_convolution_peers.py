"""Layers with filters against PyTorch's and Flax's, with the weights carried over."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from tests.reference import integers

pytestmark = pytest.mark.extras

KEY = jax.random.key(0)


def whole(layer, shape, rng):
    """Return whole-numbered params of the layer, and a batch of 2."""
    _, params = layer.init(KEY, shape)
    params = jax.tree.map(lambda p: jnp.array(integers(rng, p.shape)), params)
    return params, jnp.array(integers(rng, (2, *shape)))


# Ours, PyTorch's name and settings, and the input's shape.
IN_TORCH = {
    "1-D, reflected": (
        nn.Conv1D(4, 3, padding=2, padding_mode="reflect", bias=True),
        "Conv1d",
        {"padding": 2, "padding_mode": "reflect"},
        (2, 7),
    ),
    "2-D, circular": (
        nn.Conv2D(4, (3, 2), padding=(2, 1), padding_mode="circular", bias=True),
        "Conv2d",
        {"padding": (2, 1), "padding_mode": "circular"},
        (3, 6, 5),
    ),
    "2-D, replicated and strided": (
        nn.Conv2D(4, 3, strides=(2, 3), padding=1, padding_mode="replicate", bias=True),
        "Conv2d",
        {"stride": (2, 3), "padding": 1, "padding_mode": "replicate"},
        (3, 6, 7),
    ),
    "2-D, grouped and dilated": (
        nn.Conv2D(4, 3, dilation=(2, 1), groups=2, padding=(2, 0), bias=True),
        "Conv2d",
        {"dilation": (2, 1), "groups": 2, "padding": (2, 0)},
        (6, 6, 5),
    ),
    "2-D, the same": (
        nn.Conv2D(4, 2, dilation=(2, 3), bias=True),
        "Conv2d",
        {"dilation": (2, 3), "padding": "same"},
        (3, 6, 5),
    ),
    "3-D": (
        nn.Conv3D(4, (2, 3, 1), strides=(1, 2, 1), padding=(1, 0, 2), bias=True),
        "Conv3d",
        {"stride": (1, 2, 1), "padding": (1, 0, 2)},
        (2, 4, 5, 3),
    ),
    "depthwise": (
        nn.Depthwise(3, multiplier=2, padding=1, bias=True),
        "Conv2d",
        {"padding": 1, "groups": 3},
        (3, 6, 5),
    ),
    "transposed": (
        nn.ConvTranspose(
            4, (3, 2), strides=(2, 3), padding=1, output_padding=(1, 2), bias=True
        ),
        "ConvTranspose2d",
        {"stride": (2, 3), "padding": 1, "output_padding": (1, 2)},
        (3, 4, 5),
    ),
    "transposed, grouped and dilated": (
        nn.ConvTranspose(4, 3, dilation=2, groups=2, padding=(0, 1), bias=True),
        "ConvTranspose2d",
        {"dilation": 2, "groups": 2, "padding": (0, 1)},
        (6, 4, 5),
    ),
    "transposed, 1-D": (
        nn.ConvTranspose(4, 4, strides=2, padding=1, bias=True),
        "ConvTranspose1d",
        {"stride": 2, "padding": 1},
        (3, 5),
    ),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", IN_TORCH)
def test_a_layer_equals_pytorchs_bit_for_bit(name, rng):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    layer, kind, settings, shape = IN_TORCH[name]
    params, x = whole(layer, shape, rng)
    filters = np.asarray(params["filters"])
    if not kind.startswith("ConvTranspose"):  # whose filters are laid out as ours
        filters = np.swapaxes(filters, 0, 1)
    out_channels = params["bias"].size
    theirs = getattr(torch.nn, kind)(
        shape[0], out_channels, filters.shape[2:], **settings
    )
    theirs.load_state_dict(
        {
            "weight": torch.tensor(filters.copy()),
            "bias": torch.tensor(np.array(params["bias"])),
        }
    )
    expected = theirs(torch.tensor(np.array(x))).detach().numpy()
    np.testing.assert_array_equal(layer.apply(params, x), expected)


IN_FLAX = {
    "strided": (
        nn.Conv2D(4, (3, 2), strides=2, bias=True),
        "Conv",
        {"strides": 2},
        (3, 6, 5),
    ),
    "causal": (
        nn.Conv1D(4, 3, padding="CAUSAL", dilation=2, bias=True),
        "Conv",
        {"padding": "CAUSAL", "kernel_dilation": 2},
        (3, 7),
    ),
    "circular": (
        nn.Conv(4, (3, 2, 3), padding_mode="circular", bias=True),
        "Conv",
        {"padding": "CIRCULAR"},
        (2, 4, 3, 5),
    ),
    "grouped": (
        nn.Conv2D(4, 3, groups=2, padding="VALID", bias=True),
        "Conv",
        {"feature_group_count": 2, "padding": "VALID"},
        (6, 5, 4),
    ),
    "transposed": (
        nn.ConvTranspose(
            4, (3, 2), strides=(2, 3), padding="SAME", convention="lax", bias=True
        ),
        "ConvTranspose",
        {"strides": (2, 3)},
        (3, 4, 5),
    ),
}


@pytest.mark.parametrize("name", IN_FLAX)
def test_a_layer_equals_flaxs_bit_for_bit(name, rng):
    linen = pytest.importorskip("flax.linen", reason="needs Flax")
    layer, kind, settings, shape = IN_FLAX[name]
    params, x = whole(layer, shape, rng)
    kernel = jnp.moveaxis(params["filters"], (0, 1), (-2, -1))
    theirs = getattr(linen, kind)(4, kernel.shape[:-2], **settings)
    expected = theirs.apply(
        {"params": {"kernel": kernel, "bias": params["bias"]}}, jnp.moveaxis(x, 1, -1)
    )
    np.testing.assert_array_equal(layer.apply(params, x), jnp.moveaxis(expected, -1, 1))


def test_an_initializer_is_given_the_shape_that_flax_gives():
    linen = pytest.importorskip("flax.linen", reason="needs Flax")
    shapes = []

    def noted(key, shape, dtype):
        shapes.append(shape)
        return jnp.zeros(shape, dtype)

    layer = nn.Conv2D(4, (3, 2), groups=2, weight_init=noted)
    layer.init(KEY, (6, 5, 7))
    theirs = linen.Conv(4, (3, 2), feature_group_count=2, kernel_init=noted)
    theirs.init(KEY, jnp.zeros((1, 5, 7, 6)))
    assert shapes == [(3, 2, 3, 4)] * len(shapes)
    assert len(shapes) >= 2
