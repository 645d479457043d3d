"""Layers of one's own that PyTorch has, too, with weights to be carried over."""

import jax
import jax.numpy as jnp

from jaxconv import nn
from jaxconv.conv.transpose import conv_transpose
from jaxconv.nn.window import Window


def norm(epsilon=1e-5):
    """Normalise by running statistics, as batch normalisation does at inference."""

    def init(key, shape):
        one, zero = jnp.ones(shape[0]), jnp.zeros(shape[0])
        statistics = {"mean": zero, "variance": one}
        return shape, {"scale": one, "shift": zero, "statistics": statistics}

    def apply(params, x, *, key=None):
        def wide(v):
            return v.reshape(1, -1, *(1,) * (x.ndim - 2))

        mean, variance = (wide(params["statistics"][k]) for k in ("mean", "variance"))
        y = (x - mean) * jax.lax.rsqrt(variance + epsilon)
        return y * wide(params["scale"]) + wide(params["shift"])

    return nn.Layer(init, apply, "norm")


def transposed(out_channels, size, strides, *, groups=1):
    def init(key, shape):
        filters = jnp.ones((shape[0], out_channels // groups, size, size))
        params = {"filters": filters, "bias": jnp.zeros(out_channels)}
        y = jax.eval_shape(apply, params, jax.ShapeDtypeStruct((1, *shape), "float32"))
        return y.shape[1:], params

    def apply(params, x, *, key=None):
        w, b = params["filters"], params["bias"]
        y = conv_transpose(x, w, strides=strides, padding=1, groups=groups)
        return y + b.reshape(1, -1, 1, 1)

    window = Window(size, strides, upsampling=True)
    return nn.Layer(init, apply, "conv_transpose", window=window)
