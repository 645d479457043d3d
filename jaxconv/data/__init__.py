"""Data sets of images, MNIST's embedded, and board games."""

from jaxconv.data import chess, go
from jaxconv.data.dataset import Dataset, fingerprint, held_out
from jaxconv.data.idx import DatasetError, read_idx
from jaxconv.data.mnist import load_mnist, standardize
from jaxconv.data.recognise import load

__all__ = [
    "Dataset",
    "DatasetError",
    "chess",
    "fingerprint",
    "go",
    "held_out",
    "load",
    "load_mnist",
    "read_idx",
    "standardize",
]
