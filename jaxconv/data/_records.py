"""What the readers of game records share: libraries, sources of bytes, and errors.

A record is given as a `Path`, as bytes, or as a string: of its text, or of a path.
"""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

from jaxconv.data.idx import DatasetError

Source = str | bytes | Path


def library(name: str, caller: str) -> ModuleType:
    """Import a module of an optional library, or say how to install it."""
    package = name.partition(".")[0]
    try:
        importlib.import_module(package)
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ModuleNotFoundError(
            f"{caller}: needs the package {package}, which is not installed. "
            'Install the extra that brings it: pip install -e ".[boards]"',
            name=package,
        ) from None


def read_bytes(source: Source, begins: str, kind: str) -> tuple[str, bytes]:
    """Return a name for messages, and the record's bytes.

    A string is the record's text if it begins with `begins` or has several lines, and
    otherwise a path.
    """
    if isinstance(source, bytes):
        return f"the {kind} bytes", source
    if isinstance(source, str):
        if source.lstrip("\ufeff \t\r\n").startswith(begins) or "\n" in source.strip():
            return f"the {kind} text", source.encode()
        source = Path(source)
    if not isinstance(source, Path):
        raise TypeError(
            f"source must be a path, or {kind} as a string or bytes, got {source!r}."
        )
    try:
        return str(source), source.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DatasetError(
            f"{str(source)[:200]}: cannot be read: {why}. A string is a path unless it "
            f"begins with {begins!r}, as {kind} does."
        ) from error


def numbered(name: str, count: int) -> list[str]:
    """Return a name for each game of a record; a single game has the record's name."""
    if count == 1:
        return [name]
    return [f"{name}, game {number}" for number in range(1, count + 1)]


def only(games: list[Any]) -> Any:
    """Return a record's one game; raise DatasetError if there are several."""
    if len(games) > 1:
        raise DatasetError(
            f"{games[0].name.rpartition(', game ')[0]}: holds {len(games)} games, "
            "expected one. Use read_games."
        )
    return games[0]


def check_number(caller: str, number: int, moves: int) -> None:
    """Raise ValueError if the game has no position of that number."""
    if not 0 <= number <= moves:
        raise ValueError(
            f"{caller}: number must be from 0 (before the first move) to {moves} "
            f"(after the last), got {number}."
        )
