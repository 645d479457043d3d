"""Recognise the form in which a data set is kept, and read it."""

import numbers
from itertools import islice
from pathlib import Path

import numpy as np

from jaxconv._words import listed
from jaxconv.data.arrays import MOST_CLASSES
from jaxconv.data.dataset import Dataset, Split, empty_classes
from jaxconv.data.files import PLAIN, below, closed, idx_sets, open_folder, role_of
from jaxconv.data.foreign import SHOWN, described
from jaxconv.data.idx import DatasetError
from jaxconv.data.image_folder import images_in, is_image_folder, read_image_folder
from jaxconv.data.mnist import read_embedded
from jaxconv.data.npz import read_npz
from jaxconv.data.relatives import read_four

_KINDS = (
    "A data set is four IDX files, a folder of class folders of images, or "
    "an .npz file."
)
_DARK = 32  # of 255


def load(
    data_dir: str | Path | None = None,
    *,
    num_classes: int | None = None,
    transpose: bool = False,
) -> Dataset:
    """Load a data set: the embedded MNIST, or that of a folder or file.

    Args:
      data_dir: None for the embedded MNIST; a folder with four IDX files under any of
        the names that archives give them, and where it holds several data sets, the
        folder and their prefix (`gzip/emnist-letters`); a folder of class folders of
        images, in `train` and `test` or not; an .npz file with `images` and `labels`,
        or a folder with one.
      num_classes: how many classes there are. None: 10 for IDX files, or those of the
        subset of EMNIST; for other data, as many as they have.
      transpose: exchange rows and columns of all images, as EMNIST's need.

    Returns:
      The data set, images uint8 of shape (n, channels, h, w), labels int32. Without a
      test set one training image in 6 of each class becomes it; `notes` says so.

    Raises:
      DatasetError: a file is missing or damaged, or does not fit the others.
      ModuleNotFoundError: images are in files, and Pillow is not installed.
      ValueError: `num_classes` is not a whole number of at least 1.
    """
    _check_number(num_classes)
    if data_dir is None:
        dataset = _embedded(num_classes)
    else:
        try:
            dataset = _read(Path(data_dir).expanduser(), num_classes, transpose)
        except (OSError, RuntimeError) as error:  # no permission, an unknown user
            raise closed(data_dir, error) from error
    train, test = (_finished(split, transpose) for split in dataset[:2])
    notes = dataset.notes if data_dir is None else dataset.notes + _darkness(train[0])
    return dataset._replace(train=train, test=test, notes=notes)


def _check_number(num_classes: int | None) -> None:
    if num_classes is None:
        return
    whole = isinstance(num_classes, numbers.Integral)
    if (
        not whole
        or isinstance(num_classes, bool)
        or not 1 <= num_classes <= MOST_CLASSES
    ):
        raise ValueError(
            f"load: num_classes must be a whole number from 1 to {MOST_CLASSES:,}, or "
            f"None for what the data has, got {num_classes!r}."
        )


def _embedded(num_classes: int | None) -> Dataset:
    name = "the embedded MNIST"
    count = 10 if num_classes is None else num_classes
    if count < 10:
        raise DatasetError(
            f"{name}: has 10 classes, got num_classes={num_classes}. Leave it out."
        )
    train, test = read_embedded()
    classes = tuple(map(str, range(count)))
    return Dataset(train, test, classes, name, empty_classes(train[1], classes))


def _read(path: Path, num_classes: int | None, transpose: bool) -> Dataset:
    """Read the data set of a path that is given."""
    if path.suffix.lower() == ".npz" and path.is_file():
        return read_npz(path, num_classes)
    if not path.exists() and (prefixes := _prefixes(path.parent)):
        if path.name in prefixes:
            return _read_idx(path.parent, path.name, num_classes, transpose)
        raise DatasetError(
            f"{path}: is not there. {path.parent} holds the data sets "
            f"{listed(prefixes)}."
        )
    if path.is_file() and not role_of(path.name):
        raise DatasetError(f"{path}: {_a_file(path)}")
    folder = open_folder(path)
    names = sorted(f.name for f in folder.iterdir() if not f.name.startswith("."))
    npz = [folder / name for name in names if name.lower().endswith(".npz")]
    sets = idx_sets(folder).values()
    whole = any(len(files) == len(PLAIN) for files in sets)
    if whole or (sets and not is_image_folder(folder)):
        return _read_idx(folder, None, num_classes, transpose)
    if is_image_folder(folder):
        dataset = _read_images(folder, num_classes)
        notes = tuple(f"{file} is not read: there are class folders." for file in npz)
        return dataset._replace(notes=dataset.notes + notes)
    if len(npz) == 1:
        return read_npz(npz[0], num_classes)
    raise DatasetError(f"{folder}: {_nothing(folder, names, npz)}")


def _prefixes(folder: Path) -> list[str]:
    """Return the prefixes of the IDX files in a folder."""
    return sorted(filter(None, idx_sets(folder))) if folder.is_dir() else []


def _a_file(file: Path) -> str:
    """Say what to do with a file that is not a data set."""
    with file.open("rb") as opened:
        kind, remedy = described(opened.read(SHOWN), gzipped=False)
    if remedy == "Unpack it.":
        return f"is not a folder but {kind}. Unpack it, and set data_dir to the folder."
    if kind == "a NumPy array":
        return f"is {kind}. Save images and labels in one .npz file, by numpy.savez."
    return f"is not a folder but a file. {_KINDS}"


def _read_idx(
    folder: Path, prefix: str | None, num_classes: int | None, transpose: bool
) -> Dataset:
    if num_classes is not None and num_classes > 256:
        raise DatasetError(
            f"{folder}: num_classes must be at most 256, as labels are bytes, got "
            f"{num_classes}."
        )
    return read_four(folder, prefix, num_classes, transpose)


def _read_images(folder: Path, num_classes: int | None) -> Dataset:
    dataset = read_image_folder(folder)
    if num_classes not in (None, len(dataset.classes)):
        raise DatasetError(
            f"{folder}: has {len(dataset.classes)} class folders, "
            f"{listed([*dataset.classes])}, but num_classes={num_classes}. Leave it "
            "out."
        )
    return dataset


def _nothing(folder: Path, names: list[str], npz: list[Path]) -> str:
    """Say why there is nothing to read, and where it may be."""
    if len(npz) > 1:
        return (
            f"holds {len(npz)} .npz files: {listed([file.name for file in npz])}. Set "
            f"data_dir to one: {npz[0]}."
        )
    if images_in(folder):
        return (
            "images lie in it directly, without a class. Put each into a folder that "
            f"is named for its class: {folder / 'cat' / '1.png'}."
        )
    if there := [str(file.parent) for file in islice(below(folder), 3)]:
        places = " and in ".join(there)
        return f"holds no data set. One is in {places}: set data_dir to it."
    if not names:
        return f"is empty. {_KINDS}"
    return f"holds no data set, but {listed(names)}. {_KINDS}"


def _darkness(images: np.ndarray) -> tuple[str, ...]:
    """Return a note on images whose levels end far below 255."""
    if (most := int(images.max())) >= _DARK:
        return ()
    return (
        f"The brightest pixel is {most} of 255. Scale the images if white should be "
        "255: the model would not recognise images where it is.",
    )


def _finished(split: Split, transpose: bool) -> Split:
    """Return images upright and contiguous in memory, and labels as int32."""
    images, labels = split
    if transpose:
        images = images.swapaxes(2, 3)
    return np.ascontiguousarray(images), labels.astype(np.int32, copy=False)
