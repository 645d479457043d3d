"""Finds the files of a data set, and says what is there if they are not."""

import os
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path

from jaxconv._words import listed
from jaxconv.data.foreign import SHOWN, described
from jaxconv.data.idx import DatasetError

_LOOKED_AT = 10_000  # files and folders: nobody waits for a whole disk
_DEPTH = 3  # folders within folders


def open_folder(data_dir: str | Path) -> Path:
    """Return the folder.

    Raises:
      DatasetError: it is not there, is no folder or cannot be opened.
    """
    try:
        folder = Path(data_dir).expanduser()
        if folder.is_dir():
            return folder
        if folder.exists():
            raise DatasetError(f"{folder}: is not a folder but a file. {_of(folder)}")
    except (OSError, RuntimeError) as error:  # an unknown user, no permission
        raise _closed(data_dir, error) from error
    raise DatasetError(f"{folder}: no such folder. Check data_dir.")


def _of(file: Path) -> str:
    """Say what to do with a file in place of a folder."""
    with file.open("rb") as opened:
        kind, remedy = described(opened.read(SHOWN), gzipped=False)
    if remedy == "Unpack it.":
        return f"It is {kind}: unpack it, and set data_dir to the folder."
    return f"Set data_dir to the folder that holds it: {file.parent}"


def find(folder: Path | Traversable, name: str) -> Path | Traversable:
    """Return the folder's file of this name, gzipped or not, or with `.idx` in it.

    Raises:
      DatasetError: there is none; the text says what is there, and what is meant.
    """
    dotted = name.replace("-idx", ".idx")
    try:
        for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
            if (folder / candidate).is_file():
                return folder / candidate
        hint = _what_is_meant(folder, name) if isinstance(folder, Path) else ""
    except OSError as error:
        raise _closed(folder, error) from error
    raise DatasetError(f"{folder}: neither {name} nor {name}.gz is there. {hint}")


def _closed(folder: str | Path | Traversable, error: Exception) -> DatasetError:
    reason = getattr(error, "strerror", None) or error
    return DatasetError(f"{folder}: cannot be opened: {reason}.")


def _what_is_meant(folder: Path, name: str) -> str:
    """Say where the file may be instead, else what there is in the folder."""
    names = sorted(entry.name for entry in os.scandir(folder))
    for entry in {name, f"{name}.gz"} & set(names):
        kind = "a link to nowhere"
        if (folder / entry).exists():
            kind = "a folder" if (folder / entry).is_dir() else "no regular file"
        return f"{entry} is {kind}. Put the file itself into {folder}."
    if near := [entry for entry in names if _resembles(entry, name)]:
        return f"Is it {' or '.join(near[:3])}? Rename it to {name}."
    if below := [str(file.parent) for file in islice(_below(folder, name), 3)]:
        return f"It is in {' and in '.join(below)}: set data_dir to that."
    return f"Found {listed(names)}." if names else "The folder is empty."


def _resembles(entry: str, name: str) -> bool:
    """Say whether a file may hold these images or labels under another name."""
    entry = entry.lower()
    split, kind, *_ = name.split("-")
    splits = {"train": ("train",), "t10k": ("t10k", "test")}[split]
    return kind in entry and any(word in entry for word in splits)


def _below(folder: Path, name: str) -> Iterator[Path]:
    """Yield the files of this name in the folders below, as far as is quick."""
    seen = 0
    for where, folders, files in os.walk(folder):
        seen += len(files) + len(folders)
        if seen > _LOOKED_AT or len(Path(where).relative_to(folder).parts) >= _DEPTH:
            folders.clear()
        for file in sorted(files):
            if file.removesuffix(".gz").replace(".idx", "-idx") == name:
                yield Path(where) / file
