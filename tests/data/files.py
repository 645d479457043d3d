"""Small data sets in the four files of MNIST."""

import struct

import numpy as np

NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def idx(array: np.ndarray) -> bytes:
    """Write an IDX file, by the format's description."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def contents(rng) -> dict[str, bytes]:
    """Return the four files of a small data set."""
    images = rng.integers(0, 256, (7, 28, 28), dtype=np.uint8)
    labels = np.arange(7, dtype=np.uint8)
    return {
        NAMES["train_images"]: idx(images),
        NAMES["train_labels"]: idx(labels),
        NAMES["test_images"]: idx(images[:3]),
        NAMES["test_labels"]: idx(labels[:3]),
    }


def write(folder, files: dict[str, bytes]):
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder
