"""Layers that say which pixels each of their outputs sees."""

import dataclasses

import jax
import jax.numpy as jnp
from jax import lax

from jaxconv import nn
from jaxconv.nn.window import WHOLE_IMAGE, Window


def conv(channels, size, **settings):
    """Return a convolution that says what its window is."""
    strides = settings.get("strides", 1)
    layer = nn.Conv2D(channels, size, **settings)
    return dataclasses.replace(layer, window=Window(size, strides))


def shaped(function, window=Window(1), name="shaped"):  # noqa: B008
    """Return a layer without params, its shape that of the function's output."""

    def init(key, shape):
        x = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
        return jax.eval_shape(function, x).shape[1:], {}

    def apply(params, x, *, key=None):
        return function(x)

    return nn.Layer(init, apply, name, window=window)


def pool(size, strides):
    def largest(x):
        window, steps = (1, 1, size, size), (1, 1, strides, strides)
        return lax.reduce_window(x, -jnp.inf, lax.max, window, steps, "SAME")

    return shaped(largest, Window(size, strides), "pool")


def upsample(factor):
    def repeated(x):
        return jnp.repeat(jnp.repeat(x, factor, 2), factor, 3)

    return shaped(repeated, Window(factor, factor, upsampling=True), "upsample")


def global_pool():
    return shaped(lambda x: x.mean((2, 3)), WHOLE_IMAGE, "global_pool")
