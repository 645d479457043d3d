"""A seal on a folder: JSON with a SHA-256 digest of each file, and of itself.

File formats do not notice every flipped bit, and libraries may crash on those that they
meet. So all files of a sealed folder are compared with their digests before anything
else reads them.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

SEAL = "seal.json"


class BrokenSealError(ValueError):
    """A folder is not what was sealed."""


def plain(value: dict[str, Any]) -> dict[str, Any]:
    """Return a dict as it comes back from JSON."""
    return json.loads(json.dumps(value))


def seal(folder: Path, about: dict[str, Any]) -> None:
    """Write what the folder is about and what is in it."""
    files = {
        path.relative_to(folder).as_posix(): _file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    sealed = plain({"about": about, "files": files})
    text = json.dumps({**sealed, "digest": _digest(sealed)}, indent=1)
    (folder / SEAL).write_text(text, encoding="utf-8")


def publish(folder: Path, path: Path) -> None:
    """Write a sealed folder to the disk, to survive a loss of power, and rename it.

    Files in subfolders must have been written to the disk by who made them.
    """
    for part in folder.iterdir():
        _sync(part)
    _sync(folder)
    folder.rename(path)
    _sync(path.parent)


def opened(folder: Path) -> dict[str, Any]:
    """Return what the folder is about, after checking the seal's own digest.

    Raises:
      BrokenSealError: the seal is missing or damaged.
    """
    return _read(folder)["about"]


def check(folder: Path) -> None:
    """Raise BrokenSealError unless each file in the folder is what was sealed."""
    for name, digest in _read(folder)["files"].items():
        if not (folder / name).is_file():
            raise BrokenSealError(f"{name} is missing")
        if _file_digest(folder / name) != digest:
            raise BrokenSealError(f"{name} is not what was written")


def _read(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise BrokenSealError("it is not a folder")
    if not (folder / SEAL).is_file():
        raise BrokenSealError(f"{SEAL} is missing")
    try:
        sealed = json.loads((folder / SEAL).read_bytes())
        digest = sealed.pop("digest")
    except (ValueError, KeyError, TypeError, AttributeError):
        digest, sealed = None, {}
    if digest != _digest(sealed):
        raise BrokenSealError(f"{SEAL} is not what was written")
    return sealed


def _digest(sealed: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Have the system write a file, or a folder's list of files, to the disk."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
