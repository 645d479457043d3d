"""The shortcut without parameters: every second pixel, channels of zeros."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.nn.layer import eval_shape
from jaxconv.nn.shortcut import PadChannels

KEY = jax.random.key(0)


@pytest.mark.parametrize("shape", [(2, 5, 4), (2, 7), (2, 3, 4, 5)])
@pytest.mark.parametrize("strides", [1, 2, 3])
def test_pad_channels_takes_pixels_and_appends_zeros(rng, shape, strides):
    layer = PadChannels(5, strides=strides)
    x = rng.standard_normal((3, *shape), np.float32)
    y = np.asarray(layer.apply({}, jnp.asarray(x)))
    every = (slice(None, None, strides),) * (len(shape) - 1)
    np.testing.assert_array_equal(y[:, :2], x[(slice(None), slice(None), *every)])
    assert not y[:, 2:].any()
    assert layer.init(KEY, shape) == (y.shape[1:], {})


def test_pad_channels_says_what_does_not_fit():
    with pytest.raises(
        ValueError, match=r"at most out_channels = 4 .* got \(5, 2, 2\)"
    ):
        eval_shape(PadChannels(4), (5, 2, 2))
    with pytest.raises(ValueError, match="PadChannels: input_shape must have channels"):
        eval_shape(PadChannels(4), ())
    with pytest.raises(ValueError, match="PadChannels: strides must be an int"):
        PadChannels(4, strides=0)
