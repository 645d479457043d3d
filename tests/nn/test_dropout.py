"""Dropout by channel; that by element is in `test_layers`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn

KEY = jax.random.key(0)
DRAWN = [1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 0, 1, 1, 0]


@pytest.mark.parametrize("space", [(), (7,), (3, 5), (2, 3, 2)], ids=str)
def test_dropout_by_channel_keeps_or_zeroes_whole_maps(space):
    y = nn.Dropout(0.5, channels=True).apply({}, jnp.ones((60, 50, *space)), key=KEY)
    maps = y.reshape(60, 50, -1)
    assert (maps == maps[:, :, :1]).all()
    assert np.unique(maps).tolist() == [0, 2]
    # Six standard deviations of 3,000 draws: 6 * sqrt(0.25 / 3000) < 0.055.
    assert abs(jnp.mean(maps[:, :, 0] > 0) - 0.5) < 0.055


def test_dropout_by_channel_is_the_identity_without_a_key():
    x = jnp.ones((3, 4, 2))
    np.testing.assert_array_equal(nn.Dropout(0.5, channels=True).apply({}, x), x)


def test_dropout_by_element_draws_what_it_always_drew():
    """Models trained with a key train alike with the next version."""
    kept = nn.Dropout(0.5).apply({}, jnp.ones((2, 2, 4)), key=KEY) > 0
    assert kept.ravel().astype(int).tolist() == DRAWN


@pytest.mark.usefixtures("our_errors")
def test_dropout_by_channel_needs_channels():
    with pytest.raises(ValueError, match=r"Dropout: x must be \(batch, channels.*\(3,"):
        nn.Dropout(0.5, channels=True).apply({}, jnp.ones(3), key=KEY)
