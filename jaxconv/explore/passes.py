"""Both passes of the chapter's model, map by map, so that each can be looked at.

    forward                                     backward, of the loss
    sums   = conv(x, filters)                   input   = conv_input_grad(g, filters)
                                                filters = conv_param_grad(x, g)
    maps   = tanh(sums)                         g       = maps_grad * tanh'(sums)
    logits = dense(flatten(maps))               maps_grad: through the dense layer
    loss   = softmax cross-entropy              logits_grad = softmax - one-hot

The convolution's three maps are jaxconv's, by name. `FLATTEN`, `DENSE`, `TANH` and the
loss are those of `jaxconv.nn`; JAX transposes them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxconv import nn
from jaxconv.conv.api import conv, conv_input_grad, conv_param_grad
from jaxconv.conv.geometry import Geometry
from jaxconv.explore.arguments import SIDE

FLATTEN, TANH = nn.Flatten(), nn.Tanh()
DENSE = nn.Dense(10)  # its params say how many classes there are


class Forward(NamedTuple):
    """What one image becomes."""

    sums: Array  # (1, filters, 28, 28), before the activation
    maps: Array  # the same, after it
    logits: Array  # (1, classes)


class Backward(NamedTuple):
    """The loss of one image, and its gradient at each array on the way."""

    loss: Array
    logits: Array
    maps: Array  # where it arrives from the dense layer
    sums: Array  # before the activation
    image: Array  # (1, 1, 28, 28)
    params: nn.Params


def run_forward(params: nn.Params, x: Array) -> Forward:
    """Compute every map of the model for an image (1, 1, 28, 28)."""
    sums = conv(x, params["conv1"]["filters"])
    maps = TANH.apply({}, sums)
    return Forward(sums, maps, _logits(params["dense1"], maps))


def run_backward(params: nn.Params, x: Array, label: Array) -> Backward:
    """Compute the gradients of an image's loss, for its class `label`."""
    w = params["conv1"]["filters"]
    maps, of_tanh = jax.vjp(lambda sums: TANH.apply({}, sums), conv(x, w))
    logits, of_dense = jax.vjp(_logits, params["dense1"], maps)
    loss, of_loss = jax.vjp(lambda z: nn.softmax_cross_entropy(z, label[None]), logits)
    (at_logits,) = of_loss(jnp.ones_like(loss))
    at_dense, at_maps = of_dense(at_logits)
    (g,) = of_tanh(at_maps)
    filters = conv_param_grad(x, g, kernel_shape=w.shape)
    return Backward(
        loss=loss,
        logits=at_logits,
        maps=at_maps,
        sums=g,
        image=conv_input_grad(g, w, input_shape=x.shape),
        params={"conv1": {"filters": filters}, "dense1": at_dense},
    )


def _logits(params: nn.Params, maps: Array) -> Array:
    return DENSE.apply(params, FLATTEN.apply({}, maps))


def impulses(kernel: tuple[int, ...]) -> Array:
    """Return a filter for each tap, 1 there and 0 elsewhere: (taps, *kernel).

    What `conv` gives of them is what each tap reads; what `conv_input_grad` gives, what
    each tap gives back.
    """
    taps = kernel[0] * kernel[1]
    return jnp.eye(taps, dtype=jnp.float32).reshape(taps, *kernel)


def padding_before(kernel: tuple[int, ...]) -> tuple[int, ...]:
    """Return the rows and columns of padding above and to the left of an image.

    >>> padding_before((5, 3))
    (2, 1)
    """
    shapes = (1, 1, SIDE, SIDE), (1, 1, *kernel)
    return tuple(low for low, _ in Geometry.of(*shapes).padding)
