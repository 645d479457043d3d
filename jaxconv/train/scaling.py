"""How images of bytes become what a model takes: mean 0, deviation 1."""

import math
from typing import NamedTuple

import numpy as np

_AT_ONCE = 2**22  # pixels that are held as floats


class Scaling(NamedTuple):
    """One mean and one deviation for all pixels, those of the training set."""

    mean: float
    deviation: float

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return images of bytes as float32: minus the mean, over the deviation."""
        scaled = images.astype(np.float32)
        scaled -= np.float32(self.mean)
        scaled /= np.float32(self.deviation)
        return scaled


def scaling_of(images: np.ndarray) -> Scaling:
    """Return the scaling that gives these images of bytes mean 0 and deviation 1.

    Raises:
      ValueError: there are no images, or all their pixels are equal.
    """
    if images.size == 0:
        raise ValueError(f"scaling_of: images is empty, of shape {images.shape}.")
    mean = float(np.mean(images, dtype=np.float64))
    squares = [
        np.einsum("np,np->n", rows, rows)
        for part in np.array_split(images, 1 + images.size // _AT_ONCE)
        for rows in (part.astype(np.float32).reshape(len(part), -1) - np.float32(mean),)
    ]
    total = np.concatenate(squares).sum(dtype=np.float64)
    deviation = math.sqrt(total / images.size)
    if not deviation:
        raise ValueError(
            f"scaling_of: all pixels of the training images are {mean:g}: there is "
            "nothing to learn."
        )
    return Scaling(mean, deviation)
