"""Write the files of a run, whole or not at all; errors are one line."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def writing(path: Path, what: str) -> Iterator[None]:
    """Make an OSError say what could not be written, where, and why."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        told = OSError(f"{path}: {what} cannot be written: {reason}.")
        told.errno = error.errno
        raise told from error


def replace_text(path: Path, text: str) -> None:
    """Replace a file: write another one, then rename it.

    If that fails, the old file is still there, and no other.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, "utf-8")
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
