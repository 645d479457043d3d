"""Dropout: units that are left out of a training step."""

import math
import numbers

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxconv.nn._checks import check_array, check_key, described, says_what_is_meant
from jaxconv.nn._memory import channels_first, channels_last
from jaxconv.nn.layer import Layer, keeps_shape


@says_what_is_meant(rate="dropout=1 - rate", p="dropout=1 - p", keep_prob="dropout")
def Dropout(dropout: float, *, channels: bool = False) -> Layer:
    """Keep each unit with probability `dropout`, scaled by `1 / dropout`; else zero.

    `dropout` is the probability of KEEPING, as in the chapter. Scaling while training
    keeps the mean, so inference (`key=None`) is the identity. The probability is
    rounded to a multiple of 2**-32, and the scale is that of the rounded one.

    With `channels`, whole maps of (channels, *space) are kept or zeroed: neighbouring
    pixels of a map are strongly correlated.

    Raises:
      ValueError: `dropout` is not in (0, 1]; from `apply`: there are no channels.

    Source: N. Srivastava et al. (2014), "Dropout", section 10; by channel: J. Tompson
    et al. (2015), arXiv:1411.4280, section 3.2.
    """
    keep_prob = dropout
    number = isinstance(keep_prob, numbers.Real) and not isinstance(keep_prob, bool)
    if not number or not 0 < keep_prob <= 1:
        raise ValueError(
            "Dropout: dropout must be the probability of keeping a unit, above 0 and "
            f"at most 1, got {described(dropout)}. 1 keeps all."
        )

    def apply(params, x, *, key=None):
        check_array("Dropout", x)
        if key is not None:
            check_key("Dropout", key)
        if channels and x.ndim < 2:
            raise ValueError(
                "Dropout: x must be (batch, channels, *space) to drop channels, got "
                f"{x.shape}."
            )
        if key is None or keep_prob == 1:
            return x
        drawn = (*x.shape[:2], *(1,) * (x.ndim - 2)) if channels else x.shape
        kept = channels_last(_draw_words(key, drawn) < np.uint32(threshold))
        scaled = channels_last(x * (2**32 / threshold))
        return channels_first(jnp.where(kept, scaled, jnp.zeros_like(scaled)))

    threshold = min(2**32 - 1, max(1, round(keep_prob * 2**32)))
    return Layer(keeps_shape("Dropout"), apply, "dropout")


def _draw_words(key: Array, shape: tuple[int, ...]) -> Array:
    """Draw whole numbers below 2**32: the index of each element, hashed with the key.

    `jax.random` encrypts the indices, which in the chapter's model would take longer
    than the convolution. Dropout needs no cryptography, only numbers that are
    uncorrelated between elements and between keys.
    """
    first, second = jax.random.bits(key, (2,), jnp.uint32)
    places = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    return _hash(_hash(places ^ first) + second)


def _hash(words: Array) -> Array:
    """Mix bits: a flipped input bit flips each output bit with probability 1/2.

    Source: A. Appleby, MurmurHash3 (2011), the finaliser `fmix32`.
    """
    words = (words ^ (words >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    words = (words ^ (words >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return words ^ (words >> np.uint32(16))
