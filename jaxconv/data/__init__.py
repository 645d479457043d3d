"""MNIST, embedded, any data set in the same four IDX files, and board games."""

from jaxconv.data import chess, go
from jaxconv.data.idx import DatasetError, read_idx
from jaxconv.data.mnist import load_mnist, standardize

__all__ = [
    "DatasetError",
    "chess",
    "go",
    "load_mnist",
    "read_idx",
    "standardize",
]
