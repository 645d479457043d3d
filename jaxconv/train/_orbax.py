"""Write and read a checkpoint's bytes by orbax, which is imported only when needed.

All leaves are one array. With a folder for each, writing a state of 200 leaves takes
140 ms of computing instead of 10, and if one cannot be written, the others print
errors. The array is not compressed, since weights hardly shrink.
"""

import contextlib
import importlib.util
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_NAME = "state"


def check_installed() -> None:
    """Raise ModuleNotFoundError if orbax is not there; do not import it yet."""
    try:
        found = importlib.util.find_spec("orbax.checkpoint")
    except ModuleNotFoundError:  # not even another package of orbax
        found = None
    if found is None:
        raise ModuleNotFoundError("No module named 'orbax.checkpoint'", name="orbax")


def load() -> None:
    """Import orbax: a third of a second, best spent in a thread while JAX compiles."""
    import orbax.checkpoint  # noqa: F401


def write(path: Path, data: np.ndarray) -> None:
    """Write bytes to a new folder."""
    with _checkpointer() as (orbax, checkpointer):
        checkpointer.save(path, args=orbax.args.PyTreeSave({_NAME: data}))


def read(path: Path) -> np.ndarray:
    """Return the bytes in a folder."""
    with _checkpointer() as (orbax, checkpointer):
        numpy = orbax.RestoreArgs(restore_type=np.ndarray)
        args = orbax.args.PyTreeRestore({_NAME: 0}, restore_args={_NAME: numpy})
        return checkpointer.restore(path, args=args)[_NAME]


def reason(error: BaseException) -> str:
    """Say in a few words why something could not be written or read."""
    if code := re.search(r"os_error_code='(\d+)'", str(error)):
        return os.strerror(int(code[1]))
    if isinstance(error, OSError) and error.strerror:
        name = Path(os.fsdecode(error.filename)).name if error.filename else ""
        return f"{error.strerror}{name and f' ({name})'}"
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 120 else f"{words[:117]}..."


@contextlib.contextmanager
def _checkpointer() -> Iterator[tuple[Any, Any]]:
    """Yield orbax and its checkpointer, which this process uses on its own."""
    import orbax.checkpoint as orbax

    alone = orbax.options.MultiprocessingOptions(
        primary_host=0, active_processes={0}, barrier_sync_key_prefix="jaxconv"
    )
    handler = orbax.PyTreeCheckpointHandler(
        use_ocdbt=False, use_compression=False, multiprocessing_options=alone
    )
    with (
        _silent(),
        orbax.Checkpointer(handler, multiprocessing_options=alone) as checkpointer,
    ):
        yield orbax, checkpointer


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Silence orbax's log: it raises its errors as well."""

    def others(record: logging.LogRecord) -> bool:
        return "orbax" not in Path(record.pathname).parts

    logger = logging.getLogger("absl")
    logger.addFilter(others)
    try:
        yield
    finally:
        logger.removeFilter(others)
