"""A small data set that a small model learns: which row is bright."""

import numpy as np

from jaxconv.data import Dataset


def stripes(train, test, *, height=3, width=4):
    """Return so many images of three classes, each with a bright row of its own."""
    sets = _images(train, 1, height, width), _images(test, 2, height, width)
    return Dataset(*sets, ("a", "b", "c"), "stripes")


def _images(count, seed, height, width):
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int32) % 3
    images = rng.integers(0, 60, (count, 1, height, width), dtype=np.uint8)
    images[np.arange(count), 0, labels] += 150
    return images, labels
