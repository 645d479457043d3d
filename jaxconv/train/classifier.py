"""A trained model as one function: from images of bytes to probabilities."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxconv.train.runs import Run


def classifier(run: Run) -> Callable[[Array], Array]:
    """Return the function of uint8 images (n, channels, h, w) to probabilities.

    It scales the images as they were for training; the probabilities are float32 of
    shape (n, classes), in the order of `run.classes`.
    """
    mean, deviation = (jnp.float32(number) for number in run.scaling)

    def probabilities(images: Array) -> Array:
        scaled = (images.astype(jnp.float32) - mean) / deviation
        return jax.nn.softmax(run.model.apply(run.params, scaled), axis=-1)

    return probabilities
