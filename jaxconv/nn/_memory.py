"""Images have their channels first, and lie in memory with their channels last.

Convolutions read and leave them so: it is what processors are fast at. A layer that
computes between two convolutions does likewise: it moves the channels last, computes,
and moves them back. XLA cancels what two neighbours move, so in a network nothing is.
"""

import jax.numpy as jnp
from jax import Array


def channels_last(x: Array) -> Array:
    """Return (n, channels, *space) as (n, *space, channels); vectors as they are."""
    return jnp.moveaxis(x, 1, -1) if x.ndim > 2 else x


def channels_first(y: Array) -> Array:
    """Undo `channels_last`."""
    return jnp.moveaxis(y, -1, 1) if y.ndim > 2 else y


def of_channels(values: Array, ndim: int) -> Array:
    """Give values, one a channel, the rank of a channels-last array."""
    return values.reshape(*(1,) * (ndim - 1), -1)
