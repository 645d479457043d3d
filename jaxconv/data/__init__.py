"""MNIST, embedded, any data set in the same four IDX files, and board games."""

from jaxconv.data import chess, go
from jaxconv.data.idx import DatasetError, read_idx
from jaxconv.data.dataset import Dataset
from jaxconv.data.mnist import load_mnist, standardize


def load(data_dir=None, *, num_classes=None, transpose=False):
    (x, y), (tx, ty) = load_mnist(data_dir, num_classes=num_classes or 10)
    classes = tuple(map(str, range(num_classes or 10)))
    name = str(data_dir or "the embedded MNIST")
    return Dataset((x, y.astype("i4")), (tx, ty.astype("i4")), classes, name)


__all__ = [
    "DatasetError",
    "Dataset",
    "chess",
    "load",
    "go",
    "load_mnist",
    "read_idx",
    "standardize",
]
