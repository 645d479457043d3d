"""A model with drawn weights, an image, and their gradients by jax.grad alone."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxconv.explore.model import Model
from jaxconv.train import Scaling

LABEL = 7
_DRAWN = np.random.default_rng(5)
# A stroke that touches the upper edge, so that the padding matters.
PIXELS = np.zeros((28, 28), np.int64)
PIXELS[:20, 9:14] = _DRAWN.integers(60, 256, (20, 5))
PIXELS[12:15, 3:26] = _DRAWN.integers(60, 256, (3, 23))


@functools.cache
def model() -> Model:
    """Return the model; ten times the usual biases and no symmetry anywhere."""

    def drawn(scale: float, *shape: int) -> jax.Array:
        return jnp.asarray(scale * _DRAWN.standard_normal(shape), jnp.float32)

    params = {
        "conv1": {"filters": drawn(0.2, 1, 32, 5, 5)},
        "dense1": {"weights": drawn(0.01, 25088, 10), "bias": drawn(0.3, 10)},
    }
    digits = np.uint8(_DRAWN.integers(0, 256, (3, 1, 28, 28))), np.array([2, 0, 1])
    return Model(params, Scaling(33.3, 78.6), tuple("0123456789"), digits)


def scaled() -> np.ndarray:
    """Return what the model takes: (28, 28)."""
    return (np.float32(PIXELS) - np.float32(33.3)) / np.float32(78.6)


class Reference(NamedTuple):
    """What lax and jax.grad give for `PIXELS` and `LABEL`."""

    sums: np.ndarray
    maps: np.ndarray
    logits: np.ndarray
    loss: float
    grads: dict[str, Any]  # by array


@functools.cache
def reference() -> Reference:
    """Compute every gradient, that of each array on the way by a zero added to it."""
    params = model().params
    zeros = {"sums": (1, 32, 28, 28), "maps": (1, 32, 28, 28), "logits": (1, 10)}
    arrays = {name: jnp.zeros(shape, jnp.float32) for name, shape in zeros.items()}
    arrays |= {"x": jnp.asarray(scaled())[None, None], **params["dense1"]}
    arrays["filters"] = params["conv1"]["filters"]
    value, grads = loss_and_grads(arrays)
    loss, (sums, maps, logits) = jax.tree.map(np.asarray, value)
    grads = jax.tree.map(np.asarray, grads)
    return Reference(sums[0], maps[0], logits[0], float(loss), grads)


@jax.jit
def loss_and_grads(arrays):
    """Return `(loss, (sums, maps, logits))`, and the loss's gradient at each array."""

    def loss(arrays):
        w = jnp.swapaxes(arrays["filters"], 0, 1)
        sums = lax.conv_general_dilated(arrays["x"], w, (1, 1), "SAME")
        sums = sums + arrays["sums"]
        maps = jnp.tanh(sums) + arrays["maps"]
        features = jnp.moveaxis(maps, 1, -1).reshape(1, -1)
        logits = features @ arrays["weights"] + arrays["bias"][None] + arrays["logits"]
        return -jax.nn.log_softmax(logits)[0, LABEL], (sums, maps, logits)

    return jax.value_and_grad(loss, has_aux=True)(arrays)


def close(found: Any, expected: Any) -> None:
    """Assert that arrays are equal, up to rounding of the largest."""
    expected = np.asarray(expected)
    size = float(np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6 * size)
