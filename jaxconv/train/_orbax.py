"""Writes and reads arrays by orbax, which is imported only when needed.

They are written to a folder of another name, which is then renamed: so it is there
whole or not at all. They are not compressed, as weights hardly get smaller by it, and
each has a file of its own, which takes less time than a file for all.
"""

import contextlib
import importlib.util
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_UNFINISHED = ".orbax-checkpoint-tmp"  # in the name of a folder that is being written


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


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a checkpoint's arrays."""
    with _checkpointer() as (orbax, checkpointer):
        checkpointer.save(path, args=orbax.args.PyTreeSave(dict(arrays)))


def read(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Return a checkpoint's arrays of these names."""
    with _checkpointer() as (orbax, checkpointer):
        numpy = orbax.RestoreArgs(restore_type=np.ndarray)
        args = orbax.args.PyTreeRestore(
            item=dict.fromkeys(names, 0), restore_args=dict.fromkeys(names, numpy)
        )
        return checkpointer.restore(path, args=args)


def remove_unfinished(folder: Path) -> None:
    """Remove what was being written when a process was killed, or failed to write."""
    for path in folder.glob(f"*{_UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)


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
    """Keep what orbax logs from the user: what fails, it raises, too."""

    def others(record: logging.LogRecord) -> bool:
        return "orbax" not in Path(record.pathname).parts

    logger = logging.getLogger("absl")
    logger.addFilter(others)
    try:
        yield
    finally:
        logger.removeFilter(others)
