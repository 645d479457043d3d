"""MNIST's relatives: four IDX files, images of any size, and what EMNIST needs."""

import re
import string
from pathlib import Path

import numpy as np

from jaxconv.data.arrays import channels_first
from jaxconv.data.dataset import Dataset, Split, check_classes, empty_classes
from jaxconv.data.files import find
from jaxconv.data.idx import DatasetError
from jaxconv.data.mnist import read_split

_SHAPES = ((None, None, None), (None, None, None, None))
_DIGITS = tuple(string.digits)
_MERGED = (*_DIGITS, *string.ascii_uppercase, *"abdefghnqrt")
# The classes of EMNIST's subsets. Source: Cohen, Afshar, Tapson and van Schaik,
# arXiv:1702.05373, table II, and the mapping files beside the data.
_EMNIST = {
    "balanced": _MERGED,
    "bymerge": _MERGED,
    "byclass": (*_DIGITS, *string.ascii_uppercase, *string.ascii_lowercase),
    "letters": tuple(string.ascii_uppercase),  # upper and lower case in one
    "digits": _DIGITS,
    "mnist": _DIGITS,
}
_TRANSPOSED = (
    "EMNIST's images are stored transposed, rows for columns: transpose=True "
    "(--transpose-images) turns them upright, as other images are."
)


def read_four(
    folder: Path, prefix: str | None, num_classes: int | None, transpose: bool
) -> Dataset:
    """Return the data set of a folder's four IDX files.

    Classes are "0", "1", … : `num_classes` of them, 10 if that is None. A subset of
    EMNIST, recognised by its file names, has its characters as classes.
    """
    files = find(folder, prefix)
    known = _emnist_classes(files["train-images"])
    letters = known == _EMNIST["letters"] and num_classes in (None, len(known))
    count = num_classes or (len(known) if known else 10)
    # EMNIST's letters are numbered from 1.
    train, test = (
        _in_channels(read_split(files, split, count + letters, _SHAPES), files, split)
        for split in ("train", "t10k")
    )
    if train[0].shape[1:] != test[0].shape[1:]:
        raise DatasetError(
            f"{files['t10k-images']}: has images of {_size(test)}, but those of "
            f"{files['train-images'].name} are of {_size(train)}."
        )
    notes: tuple[str, ...] = ()
    if letters:
        train, test, notes = _from_zero(train, test, files["train-labels"])
    check_classes(train[1], test[1], str(files["t10k-labels"]))
    classes = known if known and len(known) == count else tuple(map(str, range(count)))
    notes += empty_classes(train[1], classes)
    if not transpose and _is_emnist(files["train-images"]):
        notes += (_TRANSPOSED,)
    name = str(folder / prefix if prefix else folder)
    return Dataset(train, test, classes, name, notes)


def _in_channels(split: Split, files: dict[str, Path], name: str) -> Split:
    """Return images as (n, channels, h, w), and labels as int32."""
    images, labels = split
    if images.shape[1] != 1:  # from an IDX file of 4 axes
        images = channels_first(images, str(files[f"{name}-images"]))
    return images, labels.astype(np.int32)


def _size(split: Split) -> str:
    _, channels, height, width = split[0].shape
    return f"{height} x {width} pixels" + (
        f" in {channels} channels" if channels > 1 else ""
    )


def _emnist_classes(file: Path) -> tuple[str, ...] | None:
    found = re.search(r"emnist[-_](\w+?)[-_](?:train)", file.name)
    return _EMNIST.get(found[1]) if found else None


def _is_emnist(file: Path) -> bool:
    """Whether a file's name, or its folder's, contains EMNIST."""
    return any("emnist" in name.lower() for name in (file.name, *file.parts[-3:-1]))


def _from_zero(train: Split, test: Split, file: Path) -> tuple[Split, Split, tuple]:
    """Subtract 1 from labels that begin at 1."""
    if min(train[1].min(), test[1].min()) == 0:
        if max(train[1].max(), test[1].max()) == len(_EMNIST["letters"]):
            raise DatasetError(f"{file}: has labels from 0 to 26, expected 1 to 26.")
        return train, test, ()
    note = f"{file.name}: labels count from 1, classes from 0: 1 (A) became 0."
    return (train[0], train[1] - 1), (test[0], test[1] - 1), (note,)
