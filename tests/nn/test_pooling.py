"""The pooling layers: their shapes, what they compute, and what misuse is told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.conv.pooling.api import avg_pool, max_pool
from jaxconv.nn.combine import serial
from jaxconv.nn.pooling import AvgPool, GlobalAvgPool, MaxPool

KEY = jax.random.key(0)


@pytest.mark.parametrize("space", [(7,), (6, 7), (4, 5, 6)], ids=["1", "2", "3"])
def test_shapes_are_as_init_says(space, rng):
    x = jnp.asarray(rng.normal(size=(2, 3, *space)).astype("float32"))
    for layer, function in [
        (MaxPool(3, strides=2, padding=1), max_pool),
        (AvgPool(3, strides=2, padding=1), avg_pool),
    ]:
        shape, params = layer.init(KEY, x.shape[1:])
        y = layer.apply(params, x)
        assert y.shape == (2, *shape)
        assert params == {}
        np.testing.assert_array_equal(y, function(x, 3, strides=2, padding=1))


def test_settings_reach_the_functions():
    x = jnp.arange(5.0)[None, None]
    assert AvgPool(2, padding=1).apply({}, x).tolist() == [[[0, 1.5, 3.5]]]
    mean = AvgPool(2, padding=1, count_include_pad=False)
    np.testing.assert_allclose(mean.apply({}, x), [[[0, 1.5, 3.5]]])
    assert mean.apply({}, x + 1).tolist() == [[[1, 2.5, 4.5]]]
    assert MaxPool(2, ceil_mode=True).apply({}, x).tolist() == [[[1, 3, 4]]]
    assert AvgPool(2, ceil_mode=True).init(KEY, (1, 5))[0] == (1, 3)


def test_global_mean_leaves_channels(rng):
    x = jnp.asarray(rng.integers(0, 9, size=(2, 3, 4, 2)).astype("float32"))
    layer = GlobalAvgPool()
    assert layer.init(KEY, (3, 4, 2)) == ((3,), {})
    np.testing.assert_array_equal(layer.apply({}, x), x.mean((2, 3)))


def test_names_are_those_of_serial():
    model = serial(MaxPool(2), AvgPool(2), GlobalAvgPool())
    names = [name for name, _ in model.parts]
    assert names == ["max_pool1", "avg_pool1", "global_avg_pool1"]
    assert model.init(KEY, (3, 9, 8)) == ((3,), {})


BAD = {
    "window": (lambda: MaxPool(0), ValueError, "MaxPool: window must be an int"),
    "strides": (lambda: AvgPool(2, strides=(1, 0)), ValueError, "AvgPool: strides"),
    "padding": (lambda: AvgPool(2, padding="FULL"), ValueError, "AvgPool: padding"),
    "pool_size": (lambda: MaxPool(pool_size=2), TypeError, "Write window= for pool_s"),
    "stride": (lambda: AvgPool(2, stride=1), TypeError, "Write strides= for stride="),
    "flat": (
        lambda: MaxPool(2).init(KEY, (9,)),
        ValueError,
        r"MaxPool: input_shape must be \(channels, \*space\).* got \(9,\)",
    ),
    "small": (
        lambda: MaxPool(3).init(KEY, (1, 2, 5)),
        ValueError,
        r"MaxPool: window must fit .* got 3 for 2 pixels",
    ),
    "axes": (
        lambda: AvgPool((2, 2)).init(KEY, (1, 8)),
        ValueError,
        "AvgPool: window must be .* each of the 1 spatial axes",
    ),
    "flat x": (
        lambda: GlobalAvgPool().apply({}, jnp.ones((2, 9))),
        ValueError,
        r"GlobalAvgPool: x must be \(batch, channels, \*space\), got \(2, 9\)",
    ),
    "no pixels": (
        lambda: GlobalAvgPool().init(KEY, (3, 0, 2)),
        ValueError,
        "GlobalAvgPool: an image must have pixels",
    ),
    "no array": (lambda: MaxPool(2).apply({}, [1]), ValueError, "MaxPool: x must be"),
}


@pytest.mark.parametrize(("call", "kind", "words"), BAD.values(), ids=BAD)
def test_misuse_names_the_layer(call, kind, words, our_errors):
    with pytest.raises(kind, match=words):
        call()
