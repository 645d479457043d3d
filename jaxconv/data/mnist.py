"""MNIST and its relatives: four IDX files, checked against each other."""

import numbers
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from jaxconv._words import counted
from jaxconv.data.dataset import Split
from jaxconv.data.files import PLAIN, find, open_folder
from jaxconv.data.idx import WHOLE_NUMBERS, DatasetError, read_shaped

# SHA-256 of the embedded files, uncompressed.
_SHA256 = {
    "train-images-idx3-ubyte": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "t10k-images-idx3-ubyte": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}

_MNIST_SIZE = ((None, 28, 28),)
# QMNIST's labels have 8 columns: the class, and where the digit is from.
_LABEL_SHAPES = ((None,), (None, 8))


def load_mnist(
    data_dir: str | Path | None = None, *, num_classes: int = 10
) -> tuple[Split, Split]:
    """Load the training and the test set: embedded MNIST, or the files of a folder.

    Args:
      data_dir: a folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
        `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each with or without
        `.gz` (if both are there, the one without), with a dot before `idx`, with
        `test` for `t10k`, or all with a prefix, as archives have them. None: the
        embedded MNIST. Images of another size than 28x28: see `load`.
      num_classes: labels must lie in `0 .. num_classes - 1`. MNIST, Fashion-MNIST,
        KMNIST and EMNIST Digits have 10 classes; EMNIST Balanced has 47.

    Returns:
      `(train_images, train_labels), (test_images, test_labels)`, all uint8: images
      (n, 1, 28, 28), grey levels from 0 to 255; labels (n,).

    Raises:
      DatasetError: a file is missing or damaged, or the files do not belong together.
      ValueError: `num_classes` is not within 1..256.

    Source: Y. LeCun and C. Cortes, the MNIST database of handwritten digits.
    """
    if not isinstance(num_classes, numbers.Integral) or not 1 <= num_classes <= 256:
        raise ValueError(
            "load_mnist: num_classes must be within 1..256, as labels are bytes, got "
            f"{num_classes!r}."
        )
    if data_dir is None:
        return read_embedded()
    files = find(open_folder(data_dir))
    train, test = (
        read_split(files, split, num_classes, _MNIST_SIZE)
        for split in ("train", "t10k")
    )
    return train, test


def read_embedded() -> tuple[Split, Split]:
    """Return the embedded MNIST; the files' checksums are checked."""
    folder = resources.files("jaxconv.data") / "mnist"
    files = {role: folder / f"{name}.gz" for role, name in PLAIN.items()}
    train, test = (
        read_split(files, split, 10, _MNIST_SIZE, _SHA256)
        for split in ("train", "t10k")
    )
    return train, test


def standardize(train_images: ArrayLike, *others: ArrayLike) -> list[np.ndarray]:
    """Scale images by the training set's mean and deviation, to mean 0 and variance 1.

    Args:
      train_images: the images whose mean and standard deviation are used.
      *others: images to scale alike, for instance the test set's.

    Returns:
      `[train_images, *others]`, scaled, float32.

    Raises:
      ValueError: there are no training images, or all their pixels are equal.
    """
    arrays = [np.asarray(images) for images in (train_images, *others)]
    train = arrays[0]
    if train.size == 0:
        raise ValueError(f"standardize: train_images is empty, of shape {train.shape}.")
    mean = np.mean(train, dtype=np.float64)
    dtype = np.result_type(train, np.float32)
    scaled = [images.astype(dtype) for images in arrays]
    for images in scaled:
        images -= mean.astype(dtype)
    rows = scaled[0].reshape(len(train), -1)
    squares = np.einsum("np,np->n", rows, rows)  # no second copy of all the images
    deviation = np.sqrt(squares.sum(dtype=np.float64) / train.size)
    if not 0 < deviation < np.inf:
        raise ValueError(
            "standardize: the deviation of train_images must be above 0 and finite, "
            f"got {deviation:g} around the mean {mean:g}. Are all pixels equal?"
        )
    for images in scaled:
        images /= deviation.astype(dtype)
    return [images.astype(np.float32, copy=False) for images in scaled]


def read_split(
    files: Mapping[str, Path | Traversable],
    split: str,
    num_classes: int,
    shapes: Sequence[Sequence[int | None]],
    digests: Mapping[str, str | None] = MappingProxyType({}),
) -> Split:
    """Read the images and the labels of "train" or "t10k", and check them.

    Images have a shape of `shapes`, without channels if of 3 axes; labels are bytes
    below `num_classes`.
    """
    image_file, label_file = files[f"{split}-images"], files[f"{split}-labels"]
    image_sha, label_sha = (
        digests.get(PLAIN[f"{split}-{kind}"]) for kind in ("images", "labels")
    )
    images = read_shaped(image_file, shapes, sha256=image_sha)
    labels = read_shaped(
        label_file, _LABEL_SHAPES, types=WHOLE_NUMBERS, sha256=label_sha
    )
    if labels.ndim == 2:
        labels = labels[:, 0]
    if len(images) != len(labels):
        raise DatasetError(
            f"{label_file}: holds {counted(len(labels), 'label')} for the "
            f"{counted(len(images), 'image')} of {image_file.name}. Do the two files "
            "belong together?"
        )
    if labels.min() < 0:
        at = int(np.argmax(labels < 0))
        raise DatasetError(
            f"{label_file}: label {labels[at]} at index {at} is below 0."
        )
    if labels.max() >= num_classes:
        at = int(np.argmax(labels >= num_classes))
        classes = int(labels.max()) + 1
        hint = f"If the data set has more classes, set num_classes={classes}."
        if labels.min() > 0:
            hint = f"The labels begin at {labels.min()}, not at 0. {hint}"
        raise DatasetError(
            f"{label_file}: label {labels[at]} at index {at} is not within "
            f"0..{num_classes - 1}. {hint}"
        )
    images = images[:, None] if images.ndim == 3 else images
    return images, labels.astype(np.uint8, copy=False)
