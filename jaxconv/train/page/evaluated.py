"""The predictions of a trained model for the test images."""

from typing import NamedTuple

import jax
import numpy as np

from jaxconv.nn import Layer, Params
from jaxconv.train.scaling import Scaling

_BATCH = 100  # images at once: more would allocate memory each time


class Evaluated(NamedTuple):
    """For each image its class, the predicted one, its probability, and the loss."""

    labels: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray
    loss: np.ndarray

    @property
    def accuracy(self) -> float:
        """Return the share that is classified correctly."""
        return float(np.mean(self.predicted == self.labels))

    def mistakes(self) -> np.ndarray:
        """Return the indices of what is classified wrongly, the largest loss first."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        return wrong[np.argsort(-self.loss[wrong], kind="stable")]


def evaluate(
    model: Layer,
    params: Params,
    images: np.ndarray,
    labels: np.ndarray,
    scaling: Scaling,
) -> Evaluated:
    """Classify images of bytes in batches of one shape."""
    size = min(_BATCH, len(images))
    apply = jax.jit(lambda params, x: model.apply(params, x))
    outputs = []
    for at in range(0, len(images), size):
        batch = scaling(images[at : at + size])
        padding = [(0, size - len(batch)), *[(0, 0)] * (batch.ndim - 1)]
        logits = np.asarray(apply(params, np.pad(batch, padding)))
        outputs.append(logits[: len(batch)])
    logits = np.concatenate(outputs).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    rows, predicted = np.arange(len(labels)), logits.argmax(axis=1)
    return Evaluated(
        labels,
        predicted,
        np.exp(log_probabilities[rows, predicted]),
        -log_probabilities[rows, labels],
    )


def confusion(evaluated: Evaluated, classes: int) -> np.ndarray:
    """Return how often each class (a row) was taken for each class (a column)."""
    seen = max(int(evaluated.labels.max()), int(evaluated.predicted.max()))
    classes = max(classes, seen + 1)  # a model may have more classes than the data
    pairs = evaluated.labels.astype(np.int64) * classes + evaluated.predicted
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
