"""Find the IDX files of a data set, or say what is there instead."""

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from jaxconv._words import listed
from jaxconv.data.foreign import SHOWN, described
from jaxconv.data.idx import DatasetError

PLAIN = {  # a file's role in its data set -> the name of MNIST's file
    "train-images": "train-images-idx3-ubyte",
    "train-labels": "train-labels-idx1-ubyte",
    "t10k-images": "t10k-images-idx3-ubyte",
    "t10k-labels": "t10k-labels-idx1-ubyte",
}
# What archives call them: EMNIST and QMNIST have a prefix and "test", QMNIST's labels
# are "idx2-int", Kaggle has a dot before "idx", and some leave "idx3" out.
_NAME = re.compile(
    r"(?P<prefix>.*?)[-_.]?(?P<split>train|t10k|test)[-_.](?P<kind>images|labels)"
    r"([-_.]idx[1-4])?([-_.](ubyte|int))?(\.idx)?(\.gz)?"
)
_LOOKED_AT = 10_000  # files and folders at most, not a whole disk
_DEPTH = 3  # folders within folders


def open_folder(data_dir: str | Path) -> Path:
    """Return the folder.

    Raises:
      DatasetError: it is not there, is not a folder or cannot be opened.
    """
    try:
        folder = Path(data_dir).expanduser()
        if folder.is_dir():
            return folder
        if folder.exists():
            raise DatasetError(f"{folder}: is not a folder but a file. {_of(folder)}")
    except (OSError, RuntimeError) as error:  # an unknown user, no permission
        raise closed(data_dir, error) from error
    raise DatasetError(f"{folder}: no such folder. Check data_dir.")


def _of(file: Path) -> str:
    """Say what to do with a file in place of a folder."""
    with file.open("rb") as opened:
        kind, remedy = described(opened.read(SHOWN), gzipped=False)
    if remedy == "Unpack it.":
        return f"It is {kind}: unpack it, and set data_dir to the folder."
    prefix, _ = role_of(file.name) or ("", "")
    return f"Set data_dir to the folder that holds it: {file.parent / prefix}"


def find(folder: Path, prefix: str | None = None) -> dict[str, Path]:
    """Return a folder's four IDX files, by the keys of `PLAIN`.

    Args:
      folder: where they are.
      prefix: what their names begin with, such as "emnist-letters"; None for the
        only data set there is, or the one without a prefix.

    Raises:
      DatasetError: a file is missing, or there are several data sets; the message says
        what is there, and what may be meant.
    """
    try:
        sets = idx_sets(folder)
        if prefix is None:
            prefix = _only(folder, sets)
        files = sets.get(prefix, {})
        for role in PLAIN:
            if role not in files:
                name = _expected(files, prefix, role)
                raise DatasetError(
                    f"{folder}: neither {name} nor {name}.gz is there. "
                    f"{_what_is_meant(folder, name, role)}"
                )
    except OSError as error:
        raise closed(folder, error) from error
    return files


def idx_sets(folder: Path) -> dict[str, dict[str, Path]]:
    """Return a folder's IDX files: prefix -> key of `PLAIN` -> file.

    Of several files for one role, the one with the plainest name counts. A file may lie
    in a folder of its own name, as some archives have it.
    """
    found: dict[tuple[str, str], list[tuple[bool, bool, bool, str, Path]]] = {}
    with os.scandir(folder) as opened:
        entries = list(opened)
    for entry in entries:
        key = role_of(entry.name)
        if key is None or entry.name.startswith("."):  # ._name: macOS leaves them
            continue
        inside = entry.is_dir()
        for file in Path(entry.path).iterdir() if inside else [Path(entry.path)]:
            if role_of(file.name) == key and file.is_file():
                gzipped, dotted = file.name.endswith(".gz"), ".idx" in file.name
                found.setdefault(key, []).append(
                    (inside, dotted, gzipped, file.name, file)
                )
    sets: dict[str, dict[str, Path]] = {}
    for (prefix, role), files in found.items():
        sets.setdefault(prefix, {})[role] = min(files)[-1]
    return sets


def _expected(files: dict[str, Path], prefix: str, role: str) -> str:
    """Return the name of a missing file, in the style of its counterpart's if there."""
    split, kind = role.split("-")
    fellows = {
        "images": ("labels", "idx1", "idx3"),
        "labels": ("images", "idx3", "idx1"),
    }
    other, its, ours = fellows[kind]
    if fellow := files.get(f"{split}-{other}"):
        name = fellow.name.removesuffix(".gz")
        return name.replace(other, kind).replace(its, ours)
    return f"{prefix}-{PLAIN[role]}" if prefix else PLAIN[role]


def role_of(name: str) -> tuple[str, str] | None:
    """Return the prefix and the role, a key of `PLAIN`, that a file's name has, if any.

    >>> role_of("emnist-letters-test-labels-idx1-ubyte.gz")
    ('emnist-letters', 't10k-labels')
    """
    if not (match := _NAME.fullmatch(name)):
        return None
    split = "train" if match["split"] == "train" else "t10k"
    return match["prefix"], f"{split}-{match['kind']}"


def _only(folder: Path, sets: dict[str, dict[str, Path]]) -> str:
    """Return the prefix of the data set to take."""
    whole = sorted(prefix for prefix, files in sets.items() if len(files) == len(PLAIN))
    if "" in whole or not whole:
        return "" if "" in sets or not sets else max(sets, key=lambda p: len(sets[p]))
    if len(whole) > 1:
        raise DatasetError(
            f"{folder}: holds {len(whole)} data sets: {listed(whole)}. Take one: "
            f"set data_dir to {folder / whole[0]}, for instance."
        )
    return whole[0]


def closed(folder: str | Path, error: Exception) -> DatasetError:
    """Return an error that says why a folder cannot be opened."""
    reason = getattr(error, "strerror", None) or error
    return DatasetError(f"{folder}: cannot be opened: {reason}.")


def _what_is_meant(folder: Path, name: str, role: str) -> str:
    """Say where the file may be instead, else what there is in the folder."""
    names = sorted(entry.name for entry in os.scandir(folder))
    for entry in {name, f"{name}.gz"} & set(names):
        kind = "a broken link"
        if (folder / entry).exists():
            kind = "a folder" if (folder / entry).is_dir() else "not a regular file"
        return f"{entry} is {kind}. Put the file itself into {folder}."
    if near := [entry for entry in names if _resembles(entry, role)]:
        return f"Is it {' or '.join(near[:3])}? Rename it to {name}."
    if there := [str(file.parent) for file in islice(below(folder, role), 3)]:
        return f"It is in {' and in '.join(there)}: set data_dir to that."
    return f"Found {listed(names)}." if names else "The folder is empty."


def _resembles(entry: str, role: str) -> bool:
    """Say whether a file may hold these images or labels under another name."""
    entry = entry.lower()
    split, kind = role.split("-")
    splits = {"train": ("train",), "t10k": ("t10k", "test")}[split]
    return kind in entry and any(word in entry for word in splits)


def below(folder: Path, role: str = "train-images") -> Iterator[Path]:
    """Yield the files of this role in the folders below, within the limits above."""
    seen = 0
    for where, folders, files in os.walk(folder):
        seen += len(files) + len(folders)
        if seen > _LOOKED_AT or len(Path(where).relative_to(folder).parts) >= _DEPTH:
            folders.clear()
        for file in sorted(files):
            if (key := role_of(file)) and key[1] == role:
                yield Path(where) / file
