"""Every setting of a training run, with its default: the chapter's experiment."""

import dataclasses
import math
from pathlib import Path
from typing import Literal

from jaxconv.conv.choose import Method


@dataclasses.dataclass(frozen=True)
class Config:
    """Train a model on MNIST; without arguments, the chapter's experiment.

    Raises:
      ValueError: a number is out of range.
    """

    model: Literal["chapter5"] = "chapter5"
    """The model: one convolution (32 filters of 5x5, tanh) and one dense layer."""

    method: Method = "im2col"
    """The convolution's algorithm."""

    epochs: int = 1
    """Passes over the training set."""

    batch_size: int = 60
    """Images in each step."""

    optimizer: Literal["sgd", "adam"] = "sgd"
    """The optimiser, from optax; sgd has momentum."""

    learning_rate: float = 0.01
    """The optimiser's step size."""

    momentum: float = 0.9
    """How much of the last step sgd keeps, from 0 up to 1."""

    seed: int = 20190402
    """Fixes the initial weights, the order of the images and the dropout."""

    data_dir: Path | None = None
    """A folder with the four IDX files of MNIST, Fashion-MNIST, KMNIST or EMNIST,
    gzipped or not. None: the embedded MNIST."""

    num_classes: int = 10
    """Classes of the data set; labels are 0 up to this."""

    validate_every: int = 100
    """Batches between two validations on the test set."""

    max_batches: int | None = None
    """Stop after this many batches: a quick run. None: all of them."""

    max_test_images: int | None = None
    """Validate on the first so many test images: a quick run. None: all of them."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        counts = ("epochs", "batch_size", "num_classes", "validate_every")
        limits = ("max_batches", "max_test_images")
        for name in (*counts, *limits):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}.")
        if self.num_classes > 256:
            raise ValueError(
                f"num_classes must be at most 256, as labels are bytes, got "
                f"{self.num_classes}."
            )
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ValueError(
                f"learning_rate must be a number above 0, got {self.learning_rate}."
            )
        if not 0 <= self.momentum < 1:
            raise ValueError(
                f"momentum must be at least 0 and below 1, got {self.momentum}."
            )
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be within 0..{2**32 - 1}, got {self.seed}.")
