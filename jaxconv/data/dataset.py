"""A data set of labelled images, images held out of it, and its fingerprint."""

import hashlib
import json
import numbers
from typing import NamedTuple

import numpy as np

from jaxconv._words import counted, listed
from jaxconv.data.idx import DatasetError

Split = tuple[np.ndarray, np.ndarray]
ONE_IN = 6  # one image in 6 becomes the test set where none is given


class Dataset(NamedTuple):
    """Images to train on and to test with; label `i` belongs to `classes[i]`.

    In `train` and `test`, images are uint8 of shape (n, channels, h, w), all of one
    size, and labels int32 of shape (n,).
    """

    train: Split
    test: Split
    classes: tuple[str, ...]
    name: str
    """What messages call it: a path, or "the embedded MNIST"."""
    notes: tuple[str, ...] = ()
    """Remarks for the user, which are not errors."""


def held_out(dataset: Dataset, count: int, seed: int = 0) -> Dataset:
    """Take `count` images out of the training set; they replace the test set.

    They are taken from each class in proportion, rounded by largest remainders, and
    each class keeps an image if that is possible. Which images are taken depends only
    on the labels, `count` and `seed`.

    Raises:
      DatasetError: no image is left to train on.
      ValueError: `count` is not a whole number of at least 1.
    """
    if not isinstance(count, numbers.Integral) or isinstance(count, bool) or count < 1:
        raise ValueError(
            f"held_out: count must be a whole number of at least 1, got {count!r}."
        )
    images, labels = dataset.train
    if count >= len(images):
        raise DatasetError(
            f"{dataset.name}: holds {counted(len(images), 'training image')}, of which "
            f"held_out takes {count:,}: none is left to train on."
        )
    taken = stratified(labels, int(count), seed)
    kept = ~taken
    emptied = set(labels[taken].tolist()) - set(labels[kept].tolist())
    notes = dataset.notes
    if emptied:
        names = [dataset.classes[label] for label in sorted(emptied)]
        notes += (
            f"held_out={count:,} leaves no training image of "
            f"{counted(len(names), 'class', 'classes')}: {listed(names)}.",
        )
    return dataset._replace(
        train=(images[kept], labels[kept]),
        test=(images[taken], labels[taken]),
        notes=notes,
    )


def stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return a mask of `count` of the labels, each class in proportion."""
    sizes = np.bincount(labels)
    # The raw output of PCG64 is the same in every version of NumPy; shuffles are not.
    random = np.random.PCG64(seed).random_raw(len(labels))
    by_class = np.lexsort((random, labels))
    starts = np.cumsum(sizes) - sizes
    ranks = np.arange(len(labels)) - np.repeat(starts, sizes)
    mask = np.zeros(len(labels), bool)
    mask[by_class] = ranks < np.repeat(_shares(sizes, count), sizes)
    return mask


def taken_for_test(labels: np.ndarray, name: str) -> tuple[np.ndarray, str]:
    """Return which images become the test set where none is given, and a note."""
    count = min(max(1, len(labels) // ONE_IN), len(labels) - len(np.unique(labels)))
    if count < 1:
        raise DatasetError(
            f"{name}: holds {counted(len(labels), 'image')}, one of each class: none "
            "is left for a test set. Add images."
        )
    return stratified(labels, count, seed=0), (
        f"There is no test set: {count:,} of {counted(len(labels), 'image')}, one in "
        f"{ONE_IN} of each class, are taken as one."
    )


def _shares(sizes: np.ndarray, count: int) -> np.ndarray:
    """Divide `count` over classes in proportion to their sizes: largest remainders.

    An image that would be a class's last is taken from the class that keeps most
    instead, if possible.
    """
    shares, remainders = np.divmod(sizes.astype(np.int64) * count, int(sizes.sum()))
    left = count - int(shares.sum())
    shares[np.argsort(-remainders, kind="stable")[:left]] += 1
    emptied = (shares == sizes) & (sizes > 0)
    shares -= emptied
    for _ in range(emptied.sum()):
        shares[np.argmax(sizes - shares)] += 1
    return shares


def fingerprint(dataset: Dataset) -> str:
    """Return a hash of a data set, 32 hexadecimal digits.

    It depends on each image, each label, their order and the classes' names, not on the
    data set's own name or its files. MNIST's 55 MB take 0.04 s.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(dataset.classes).encode())
    for images, labels in (dataset.train, dataset.test):
        digest.update(f"{images.shape} {labels.shape}".encode())
        digest.update(np.ascontiguousarray(images, np.uint8).data)
        digest.update(np.ascontiguousarray(labels, "<i4").data)
    return digest.hexdigest()


def check_classes(train: np.ndarray, test: np.ndarray, test_name: str) -> None:
    """Refuse test labels of a class that no training image has."""
    lacking = sorted(set(np.unique(test).tolist()) - set(np.unique(train).tolist()))
    if lacking:
        noun = "class" if len(lacking) == 1 else "classes"
        at = int(np.argmax(test == lacking[0]))
        raise DatasetError(
            f"{test_name}: holds images of {noun} "
            f"{listed([str(label) for label in lacking])}, the first at index {at}, of "
            "which there is no training image. Add some, or take these out."
        )


def empty_classes(train: np.ndarray, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return a note on the classes of which there is no training image, if any."""
    present = np.bincount(train, minlength=len(classes)) > 0
    names = [name for name, there in zip(classes, present, strict=True) if not there]
    if not names:
        return ()
    return (
        f"{counted(len(names), 'class', 'classes')} of {len(classes):,} "
        f"{'has' if len(names) == 1 else 'have'} no training image: {listed(names)}.",
    )
