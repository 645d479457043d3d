"""A data set in one .npz file: `images` and `labels`, or those of two splits."""

import contextlib
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxconv._words import listed
from jaxconv.data import foreign
from jaxconv.data.arrays import as_bytes, as_labels, channels_first
from jaxconv.data.dataset import (
    Dataset,
    Split,
    check_classes,
    empty_classes,
    taken_for_test,
)
from jaxconv.data.idx import DatasetError

# The names that arrays have: those of Keras (x_train), of MedMNIST (train_images), of
# scikit-learn (data, target), and similar ones.
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "t10k"), "test"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
}
_KINDS = {
    **dict.fromkeys(("images", "image", "imgs", "x", "data"), "images"),
    **dict.fromkeys(("labels", "label", "y", "targets", "target"), "labels"),
}
_CLASSES = ("classes", "class_names", "label_names")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_EXPECTED = (
    "expected images and labels, and for a test set test_images and test_labels. Write "
    "numpy.savez(file, images=images, labels=labels)."
)
_Names = dict[tuple[str, str], str]  # split and kind -> an array's name


def read_npz(file: Path, num_classes: int | None) -> Dataset:
    """Return the data set of an .npz file; nothing in it is unpickled.

    Images are (n, h, w), (n, h, w, channels) or (n, channels, h, w), labels (n,). The
    test set is the file's, else its validation set, else one image in 6 of each class.
    Classes are an array `classes` of strings, else "0", "1", … to the largest label, or
    `num_classes` of them.

    Raises:
      DatasetError: the file is not .npz, lacks an array, or has one that does not fit.
    """
    with _opened(file) as archive:
        names, kept = _named(file, archive.files)
        splits = [_pair(file, archive, names, split) for split in kept]
        given = next((name for name in _CLASSES if name in archive.files), None)
        class_names = None if given is None else _array(file, archive, given)
    where = [f"{file}: {names[split, 'images']}" for split in kept]
    images = as_bytes([images for images, _ in splits], where)
    labels = [labels for _, labels in splits]
    for label, split in zip(labels, kept, strict=True):
        _check_range(f"{file}: {names[split, 'labels']}", label, num_classes)
    classes = _classes(f"{file}: {given}", class_names, labels, num_classes)
    if len(kept) == 1:
        taken, *notes = taken_for_test(labels[0], str(file))
        images = [images[0][~taken], images[0][taken]]
        labels = [labels[0][~taken], labels[0][taken]]
    else:
        _check_sizes(images, where)
        check_classes(labels[0], labels[1], f"{file}: {names[kept[1], 'labels']}")
        notes = _unread(file, names, kept)
    if num_classes is None and class_names is None:
        _refuse_gaps(f"{file}: {names['train', 'labels']}", labels[0], len(classes))
    train, test = zip(images, labels, strict=True)
    notes += empty_classes(labels[0], classes)
    return Dataset(train, test, classes, str(file), tuple(notes))


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """Open the file, or say what it is instead."""
    try:
        opened = file.open("rb")
    except OSError as error:
        raise DatasetError(
            f"{file}: cannot be read: {error.strerror or error}."
        ) from error
    with opened:
        try:
            head = opened.read(foreign.SHOWN)
            if head[:4] not in _ZIP or not zipfile.is_zipfile(opened):
                raise DatasetError(f"{file}: {_what_it_is(head)}")
            opened.seek(0)
            archive = np.load(opened, allow_pickle=False)
        except DatasetError:
            raise
        except Exception as error:  # a damaged archive may raise anything
            raise DatasetError(
                f"{file}: is a damaged archive: {_first_line(error)}. Download it "
                "again."
            ) from error
        with archive:
            yield archive


def _first_line(error: Exception) -> str:
    line = str(error).partition("\n")[0].rstrip(".")
    return line if line and line.isprintable() else type(error).__name__


def _what_it_is(head: bytes) -> str:
    """Say what a file is that is not a zip archive."""
    kind, remedy = foreign.described(head, gzipped=False)
    if kind == "a zip archive":
        return "is truncated: the end of the archive is missing. Download it again."
    if kind == "a NumPy array":
        remedy = "Save images and labels in one file, by numpy.savez."
    elif remedy == "Convert it to IDX.":
        remedy = "Save it by numpy.savez."
    return f"is not an .npz file but {kind}. {remedy}"


def _named(file: Path, found: list[str]) -> tuple[_Names, list[str]]:
    """Return the names of the arrays, and the splits to read: train, then test."""
    names: _Names = {}
    for name in found:
        if (key := _meaning(name)) is None:
            continue
        if key in names:
            raise DatasetError(
                f"{file}: holds both {names[key]} and {name}: which are the {key[1]}?"
            )
        names[key] = name
    for split, kind in ("train", "images"), ("train", "labels"):
        if (split, kind) not in names:
            there = f"holds {_listed(found)}" if found else "holds nothing"
            raise DatasetError(f"{file}: {there}, {_EXPECTED}")
    for split in "test", "validation":
        kinds = [kind for kind in ("images", "labels") if (split, kind) in names]
        if len(kinds) == 1:
            other = "labels" if kinds == ["images"] else "images"
            raise DatasetError(
                f"{file}: holds {names[split, kinds[0]]}, but no {other} for it: there "
                f"are {_listed(found)}."
            )
        if kinds:
            return names, ["train", split]
    return names, ["train"]


def _listed(names: list[str]) -> str:
    return listed([name if name.isprintable() else ascii(name) for name in names])


def _meaning(name: str) -> tuple[str, str] | None:
    """Return the split and the kind of an array by its name, if it has any.

    >>> _meaning("x_train"), _meaning("test_labels"), _meaning("images")
    (('train', 'images'), ('test', 'labels'), ('train', 'images'))
    """
    words = re.split(r"[-_. ]+", name.lower())
    splits = [_SPLITS[word] for word in words if word in _SPLITS] or ["train"]
    kinds = [_KINDS[word] for word in words if word in _KINDS]
    used = sum(word in _SPLITS or word in _KINDS for word in words)
    if len(splits) == len(kinds) == 1 and used == len(words):
        return splits[0], kinds[0]
    return None


def _array(file: Path, archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    """Return one array of the archive."""
    try:
        array = archive[name]
    except MemoryError as error:
        raise DatasetError(f"{file}: {name} needs too much memory: {error}.") from error
    except Exception as error:  # damage has a dozen types in zipfile, zlib and NumPy
        if "allow_pickle" in str(error):
            raise DatasetError(
                f"{file}: {name} is an array of Python objects, which are not read, as "
                "they may run programs. Save an array of numbers, or of strings for "
                "classes."
            ) from error
        raise DatasetError(
            f"{file}: {name} is damaged: {_first_line(error)}. Download it again."
        ) from error
    if not isinstance(array, np.ndarray):
        raise DatasetError(f"{file}: {name} is not an array, {_EXPECTED}")
    return array


def _pair(
    file: Path, archive: np.lib.npyio.NpzFile, names: _Names, split: str
) -> Split:
    """Return the images and the labels of a split, equally many."""
    image_name, label_name = names[split, "images"], names[split, "labels"]
    images = channels_first(_array(file, archive, image_name), f"{file}: {image_name}")
    labels = as_labels(_array(file, archive, label_name), f"{file}: {label_name}")
    if len(images) != len(labels):
        raise DatasetError(
            f"{file}: {label_name} has {len(labels):,} labels for the {len(images):,} "
            f"images of {image_name}. Do they belong together?"
        )
    return images, labels


def _unread(file: Path, names: _Names, kept: list[str]) -> list[str]:
    """Return a note on the images that are given to validate on, if there are any."""
    unread = [name for (split, _), name in names.items() if split not in kept]
    if not unread:
        return []
    return [
        f"{file}: {' and '.join(unread)} are not read: images to validate on are held "
        "out of the training set."
    ]


def _check_range(name: str, labels: np.ndarray, num_classes: int | None) -> None:
    """Refuse labels beyond the number of classes."""
    if num_classes is not None and labels.max() >= num_classes:
        at = int(np.argmax(labels >= num_classes))
        raise DatasetError(
            f"{name}: label {labels[at]} at index {at} is not within "
            f"0..{num_classes - 1}. Set num_classes={labels.max() + 1}."
        )


def _refuse_gaps(name: str, labels: np.ndarray, count: int) -> None:
    """Refuse labels that leave classes out, if their number is not given."""
    empty = np.flatnonzero(np.bincount(labels, minlength=count) == 0)
    if len(empty):
        raise DatasetError(
            f"{name}: labels are from {labels.min()} to {labels.max()}, and no "
            f"training image is of class {listed([str(label) for label in empty])}. "
            "Number the classes from 0 without a gap, or set "
            f"num_classes={count}."
        )


def _classes(
    where: str,
    given: np.ndarray | None,
    labels: list[np.ndarray],
    num_classes: int | None,
) -> tuple[str, ...]:
    """Return the classes' names."""
    count = max(int(each.max()) for each in labels) + 1
    if given is None:
        return tuple(map(str, range(num_classes or count)))
    if given.ndim != 1 or given.dtype.kind not in "USui":
        raise DatasetError(
            f"{where} is of {given.dtype} and shape {given.shape}, expected a string "
            "for each class."
        )
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in given]
    if len(names) < count or num_classes not in (None, len(names)):
        raise DatasetError(
            f"{where} has {len(names)} names, for {num_classes or count} classes. Give "
            "each class one."
        )
    return tuple(names)


def _check_sizes(images: list[np.ndarray], where: list[str]) -> None:
    """Refuse test images of another size than the training images."""
    train, test = (" x ".join(map(str, array.shape[1:])) for array in images)
    if train != test:
        raise DatasetError(
            f"{where[1]} has images of {test} (channels x height x width), but those "
            f"of {where[0].rpartition(': ')[2]} are of {train}."
        )
