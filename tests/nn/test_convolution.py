"""Layers with filters: of any number of axes, transposed, depthwise, separable."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv
from jaxconv import nn
from jaxconv.check import check_gradients
from tests.reference import integers
from tests.tiers import fast

KEY = jax.random.key(0)


def with_integers(layer, shape, rng):
    """Return whole-numbered params of the layer, and a batch of 3."""
    params = jax.eval_shape(lambda key: layer.init(key, shape)[1], KEY)
    params = jax.tree.map(lambda p: jnp.array(integers(rng, p.shape)), params)
    return params, jnp.array(integers(rng, (3, *shape)))


# Each layer with a bias, and what the engine does with its filters.
SLIDING = {
    "1-D": (
        nn.Conv1D(6, 3, padding="CAUSAL", dilation=2, groups=2, bias=True),
        (4, 7),
        {"padding": "CAUSAL", "kernel_dilation": 2, "groups": 2},
    ),
    "2-D": (
        nn.Conv2D(4, (3, 2), strides=(2, 1), padding_mode=("reflect", "circular")),
        (2, 6, 5),
        {"strides": (2, 1), "padding_mode": ("reflect", "circular")},
    ),
    "3-D": (
        nn.Conv3D(4, (2, 1, 3), strides=(1, 2, 1), dilation=(1, 1, 2), bias=True),
        (2, 3, 4, 5),
        {"strides": (1, 2, 1), "kernel_dilation": (1, 1, 2)},
    ),
    "any, by the sizes": (
        nn.Conv(4, (3, 2), padding=((1, 0), 2), bias=True),
        (2, 6, 5),
        {"padding": ((1, 0), 2)},
    ),
    "any, by the input": (nn.Conv(4, 2, padding=1), (2, 2, 3, 2, 3), {"padding": 1}),
    "depthwise": (
        nn.Depthwise(
            (3, 2), multiplier=2, strides=2, padding_mode="reflect", bias=True
        ),
        (3, 6, 5),
        {"strides": 2, "padding_mode": "reflect", "groups": 3},
    ),
}


@pytest.mark.parametrize("name", fast(SLIDING, "1-D", "3-D", "depthwise"))
def test_a_layer_is_the_engines_convolution(name, rng):
    layer, shape, settings = SLIDING[name]
    params, x = with_integers(layer, shape, rng)
    expected = jaxconv.conv(x, params["filters"], **settings, method="loops")
    if "bias" in params:
        expected += params["bias"].reshape(-1, *(1,) * len(shape[1:]))[None]
    np.testing.assert_array_equal(layer.apply(params, x), expected)
    assert layer.init(KEY, shape)[0] == expected.shape[1:]


TRANSPOSED = {
    "torch": {
        "strides": 2,
        "padding": 1,
        "output_padding": 1,
        "dilation": (1, 2),
        "groups": 2,
    },
    "lax": {"convention": "lax", "strides": (2, 1), "padding": "SAME"},
    "keras": {"convention": "keras", "padding": "SAME", "output_padding": 0},
    "onnx": {"convention": "onnx", "padding": "SAME_LOWER", "strides": 2},
}


@pytest.mark.parametrize("name", fast(TRANSPOSED, "torch", "lax"))
def test_a_transposed_layer_is_the_engines(name, rng):
    settings = TRANSPOSED[name]
    layer = nn.ConvTranspose(6, (3, 2), **settings, bias=True)
    params, x = with_integers(layer, (4, 3, 5), rng)
    expected = jaxconv.conv_transpose(x, params["filters"], **settings, method="loops")
    expected += params["bias"].reshape(1, 6, 1, 1)
    np.testing.assert_array_equal(layer.apply(params, x), expected)
    assert layer.init(KEY, (4, 3, 5))[0] == expected.shape[1:]


def test_a_transposed_layer_of_any_axes():
    shape, params = nn.ConvTranspose(2, 3, strides=2).init(KEY, (4, 5))
    assert shape == (2, 11)
    assert params["filters"].shape == (4, 2, 3)


def test_maps_of_a_channel_are_neighbours(rng):
    layer = nn.Depthwise(1, multiplier=2)
    x = jnp.array(integers(rng, (3, 2, 4, 5)))
    y = layer.apply({"filters": jnp.ones((1, 4, 1, 1))}, x)
    np.testing.assert_array_equal(y, jnp.repeat(x, 2, axis=1))


def test_separable_is_depthwise_then_pointwise(rng):
    layer = nn.Separable(5, (3, 2), multiplier=2, strides=(2, 1), bias=True)
    params, x = with_integers(layer, (3, 6, 5), rng)
    maps = jaxconv.conv(x, params["depthwise"]["filters"], strides=(2, 1), groups=3)
    expected = jaxconv.conv(maps, params["pointwise"]["filters"])
    expected += params["pointwise"]["bias"].reshape(1, 5, 1, 1)
    np.testing.assert_array_equal(layer.apply(params, x), expected)
    names = [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, _ in jax.tree_util.tree_leaves_with_path(params)
    ]
    assert names == ["depthwise/filters", "pointwise/bias", "pointwise/filters"]


def test_the_method_is_passed_on():
    for layer in (
        nn.ConvTranspose(4, 3, method="taps"),
        nn.Separable(4, 3, method="taps"),
        nn.Conv1D(4, 3, method="taps"),
    ):
        shape = (2, 6) if layer.name == "conv" else (2, 6, 5)
        _, params = layer.init(KEY, shape)
        program = str(jax.make_jaxpr(layer.apply)(params, jnp.ones((1, *shape))))
        assert "method=taps" in program
        assert "method=auto" not in program


MAKES = {
    "any": (functools.partial(nn.Conv, 4, 3), (2, 6, 5)),
    "1-D": (functools.partial(nn.Conv1D, 4, 3), (2, 6)),
    "3-D": (functools.partial(nn.Conv3D, 4, 3), (2, 3, 4, 5)),
    "transposed": (functools.partial(nn.ConvTranspose, 4, 3), (2, 6, 5)),
    "depthwise": (functools.partial(nn.Depthwise, 3, multiplier=2), (2, 6, 5)),
    "separable": (functools.partial(nn.Separable, 4, 3), (2, 6, 5)),
}


@pytest.mark.parametrize("name", fast(MAKES, "1-D", "separable"))
def test_the_chapters_arguments_serve_all(name):
    make, shape = MAKES[name]
    layer = make(activation=nn.ReLU(), dropout=0.5, flatten=True)
    output_shape, params = layer.init(KEY, shape)
    plain_shape, _ = make().init(KEY, shape)
    x = jax.random.normal(KEY, (3, *shape))
    y = layer.apply(params, x)
    expected = jax.nn.relu(make().apply(params, x))
    assert output_shape == (np.prod(plain_shape),)
    np.testing.assert_array_equal(y, nn.Flatten().apply({}, expected))
    kept = jnp.mean(layer.apply(params, x, key=KEY)[y > 0] > 0)
    assert 0.3 < kept < 0.7


@pytest.mark.parametrize(
    "name", fast(("conv", "transposed", "separable"), "transposed", "separable")
)
def test_gradients_hold(name, rng):
    layer, shape = {
        "conv": (nn.Conv1D(2, 2, groups=2, padding_mode="reflect", bias=True), (2, 3)),
        "transposed": (nn.ConvTranspose(2, 2, strides=2, groups=2, bias=True), (2, 3)),
        "separable": (nn.Separable(2, 2, dilation=2, bias=True), (2, 3)),
    }[name]
    params, x = with_integers(layer, shape, rng)
    report = check_gradients(layer.apply, (params, x), order=1)
    assert report.ok, report
