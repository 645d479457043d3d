"""MNIST, embedded, and any data set in the same four IDX files."""

from jaxconv.data.idx import DatasetError, read_idx
from jaxconv.data.mnist import load_mnist, standardize

__all__ = ["DatasetError", "load_mnist", "read_idx", "standardize"]
