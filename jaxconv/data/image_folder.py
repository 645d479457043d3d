"""A folder of class folders of image files: FOLDER/CLASS/*, or FOLDER/train/CLASS/*."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxconv._words import counted, listed
from jaxconv.data.dataset import Dataset, Split, taken_for_test
from jaxconv.data.idx import DatasetError
from jaxconv.data.pixels import read_image

_Labelled = tuple[list[Path], np.ndarray]

_LOOKED_AT = 10_000  # files at most, not a whole disk
_TRAIN = ("train", "training")
_TEST = ("test", "testing")
_VALIDATION = ("val", "valid", "validation", "dev")
_SYSTEM = ("thumbs.db", "desktop.ini", "__macosx", "@eadir", "lost+found")
# fmt: off
_IMAGES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff",
    ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".jp2", ".avif",
)
_BESIDE = (  # descriptions that lie beside images
    ".txt", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".md", ".html", ".py",
)
# fmt: on


def is_image_folder(folder: Path) -> bool:
    """Whether a folder in it holds a file with the name of an image."""
    files = itertools.chain.from_iterable(map(_files, _folders(folder)))
    return any(
        file.suffix.lower() in _IMAGES for file in itertools.islice(files, _LOOKED_AT)
    )


def images_in(folder: Path) -> int:
    """Return the number of images that lie directly in the folder, by their names."""
    return sum(entry.name.lower().endswith(_IMAGES) for entry in _visible(folder))


def read_image_folder(folder: Path) -> Dataset:
    """Return the data set of a folder of class folders, in `train` and `test` or not.

    Raises:
      DatasetError: a class has no image, a file is not an image, or sizes differ.
    """
    train_folder, test_folder, notes = _splits(folder)
    by_class = _classes(train_folder)
    _check_count(train_folder, by_class)
    classes = tuple(by_class)
    train = _labelled(by_class, classes)
    if test_folder is None:
        train, test, note = _without_test(folder, *train)
    else:
        in_test = _classes(test_folder)
        note = _check_test(test_folder, in_test, train_folder, by_class)
        test = _labelled(in_test, classes)
    for split in filter(None, (train_folder, test_folder)):
        notes += _without_class(split)
    splits = _read(*train), _read(*test, first=train[0][0])
    return Dataset(*_in_same_channels(*splits), classes, str(folder), notes + note)


def _splits(folder: Path) -> tuple[Path, Path | None, tuple[str, ...]]:
    """Return the folders of the training and of the test set, and notes."""
    folders = {path.name.lower(): path for path in _folders(folder)}
    train = next((folders[name] for name in _TRAIN if name in folders), None)
    others = [folders[name] for name in (*_TEST, *_VALIDATION) if name in folders]
    if train is None or not (others or _folders(train)):
        return folder, None, ()
    tests = [path for path in others if _folders(path)]
    test = tests[0] if tests else None
    notes = []
    for path in _folders(folder):
        if path in (train, test):
            continue
        why = ""
        if path in others and path not in tests:
            why = ": it has no class folders, so its images have no labels"
        elif path in others:
            why = ": images to validate on are held out of the training set"
        notes.append(f"{path} is not read{why}.")
    return train, test, tuple(notes)


def _classes(folder: Path) -> dict[str, list[Path]]:
    """Return each class's image files; classes are sorted, numbers by their values."""
    folders = _folders(folder)
    if not folders:
        raise DatasetError(
            f"{folder}: holds no class folders. Put each image into a folder that is "
            f"named for its class: {folder / 'cat' / '1.png'}."
        )
    if all(path.name.isdecimal() for path in folders):
        folders.sort(key=lambda path: (int(path.name), path.name))
    classes = {path.name: [*filter(_is_read, _files(path))] for path in folders}
    for path in folders:
        if not classes[path.name]:
            raise DatasetError(
                f"{path}: holds no image. Add some, or remove the folder: each folder "
                "is a class."
            )
    return classes


def _check_count(folder: Path, classes: dict[str, list[Path]]) -> None:
    """Refuse a single class; it may be a folder around the class folders."""
    if len(classes) > 1:
        return
    (name,) = classes
    hint = "Put each image into a folder that is named for its class."
    if _folders(folder / name):
        hint = f"Are the classes in it? Then set data_dir to {folder / name}."
    raise DatasetError(f"{folder}: holds one class folder only, {name}. {hint}")


def _check_test(
    test_folder: Path,
    test: dict[str, list[Path]],
    train_folder: Path,
    train: dict[str, list[Path]],
) -> tuple[str, ...]:
    """Refuse classes that the training set lacks; note those the test set lacks."""
    if more := [name for name in test if name not in train]:
        raise DatasetError(
            f"{test_folder / more[0]}: is a class that {train_folder} does not have: "
            f"there are {listed([*train])}."
        )
    if fewer := [name for name in train if name not in test]:
        return (f"{test_folder} has no image of {listed(fewer)}.",)
    return ()


def _without_class(folder: Path) -> tuple[str, ...]:
    """Return a note on images beside the class folders."""
    if not (count := images_in(folder)):
        return ()
    return (f"{folder}: {counted(count, 'image')} in no class folder: not read.",)


def _labelled(by_class: dict[str, list[Path]], classes: tuple[str, ...]) -> _Labelled:
    """Return the files of all classes, and their labels."""
    labels = [classes.index(name) for name in by_class]
    counts = [len(files) for files in by_class.values()]
    files = [*itertools.chain.from_iterable(by_class.values())]
    return files, np.repeat(np.array(labels, np.int32), counts)


def _without_test(
    folder: Path, files: list[Path], labels: np.ndarray
) -> tuple[_Labelled, _Labelled, tuple[str, ...]]:
    """Take some images of each class as the test set."""
    taken, note = taken_for_test(labels, str(folder))
    train, test = (
        ([*itertools.compress(files, mask)], labels[mask]) for mask in (~taken, taken)
    )
    return train, test, (note,)


def _read(files: list[Path], labels: np.ndarray, first: Path | None = None) -> Split:
    """Return the files' images, all of one size; one channel if all are grey."""
    size = read_image(first or files[0]).shape[:2]
    images = _empty(files, 1, size)
    for at, file in enumerate(files):
        pixels = read_image(file)
        if pixels.shape[:2] != size:
            raise DatasetError(
                f"{file}: is of {_pixels(pixels.shape)}, but {first or files[0]} is of "
                f"{_pixels(size)} (height x width). All images must have one size: "
                "resize them."
            )
        if pixels.ndim == 3 and images.shape[1] == 1:
            grey, images = images, _empty(files, 3, size)
            images[:at] = grey[:at]
            del grey
        images[at] = pixels if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
    return images, labels


def _empty(files: list[Path], channels: int, size: tuple[int, ...]) -> np.ndarray:
    """Allocate an array for all images; raise if there is not enough memory."""
    shape = (len(files), channels, *size)
    try:
        return np.empty(shape, np.uint8)
    except MemoryError as error:
        raise DatasetError(
            f"{files[0].parent.parent}: {len(files):,} images of {_pixels(size)} need "
            f"{np.prod(shape, dtype=float) / 1e9:.1f} GB of memory. Make them smaller."
        ) from error


def _pixels(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]} pixels"


def _in_same_channels(train: Split, test: Split) -> tuple[Split, Split]:
    """Return the splits with three channels each, if one of them has."""
    (images, labels), (test_images, test_labels) = train, test
    if images.shape[1] < test_images.shape[1]:
        images = np.repeat(images, 3, axis=1)
    elif images.shape[1] > test_images.shape[1]:
        test_images = np.repeat(test_images, 3, axis=1)
    return (images, labels), (test_images, test_labels)


def _is_read(file: Path) -> bool:
    """Whether a file must be an image: any but the descriptions beside images."""
    return file.suffix.lower() not in _BESIDE


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """Return a folder's entries, sorted by name, without hidden and system files."""
    with os.scandir(folder) as entries:
        visible = [
            entry
            for entry in entries
            if not entry.name.startswith(".") and entry.name.lower() not in _SYSTEM
        ]
    return sorted(visible, key=lambda entry: entry.name)


def _folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, in order."""
    return [Path(entry.path) for entry in _visible(folder) if entry.is_dir()]


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and the folders below, in order."""
    for entry in _visible(folder):
        path = Path(entry.path)
        if not entry.is_dir():
            yield path
        elif path.resolve() not in (here := folder.resolve(), *here.parents):
            yield from _files(path)
