"""Checkpoints of a run, written by orbax in the background, checked when they are read.

A checkpoint is a folder that orbax has written, with the identity of the run and a
digest of each file in its seal. It gets its name when it is complete. Of several
processes the first one writes and reads, and sends the others what it has read.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import jax
import numpy as np

from jaxconv._words import counted, listed
from jaxconv.train import _leaves, _orbax, _seal
from jaxconv.train.step import TrainState

_UNFINISHED = "unfinished"  # the folder in which a checkpoint is written


class CheckpointError(ValueError):
    """No checkpoint is intact, it is of another run, or it cannot be written."""


class Checkpoints:
    """The newest checkpoints of a run and the best one, a folder each."""

    def __init__(self, folder: Path, *, keep: int, identity: dict[str, Any]) -> None:
        """Keep the `keep` newest checkpoints in `folder`, and the most accurate one.

        `identity` is what a run and a checkpoint to resume from must have in common.

        Raises:
          CheckpointError: the folder cannot be written.
          ModuleNotFoundError: orbax-checkpoint is not installed.
        """
        self._folder = Path(os.path.abspath(folder))
        self._keep, self._identity = keep, _seal.plain(identity)
        self._alone = jax.process_count() == 1
        self._first = jax.process_index() == 0
        self._pending: Future[None] | None = None
        self._copy: np.ndarray | None = None
        self._whole: dict[int, float | None] | None = None  # batches -> accuracy
        if not self._first:
            return
        _orbax.check_installed()
        _check_writable(self._folder)
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._thread.submit(_orbax.load)

    def save(
        self, state: TrainState, notes: dict[str, Any], *, accuracy: float | None
    ) -> None:
        """Begin to write a checkpoint, once the previous one is written.

        The state may be given to the next step at once. `notes` are JSON. If there is a
        checkpoint after as many batches already, it stays as it is.

        Raises:
          CheckpointError: the previous one could not be written.
        """
        if not self._first:
            return
        self.close()
        if self._whole is None:  # not restored
            if _steps(self._folder):
                raise CheckpointError(
                    f"{self._folder}: holds checkpoints of a run before. Resume it, or "
                    "name another folder."
                )
            self._whole = {}
        step = int(state.step)
        if step in self._whole:
            return
        self._copy = _leaves.packed(state, self._copy)
        about = {
            "notes": notes,
            "accuracy": accuracy,
            "identity": self._identity,
            "leaves": _leaves.described(state),
        }
        self._pending = self._thread.submit(
            self._write, step, self._copy, about, self._whole
        )

    def restore(
        self, like: TrainState, say: Callable[[str], None]
    ) -> tuple[TrainState, dict[str, Any]] | None:
        """Return the state and the notes of the newest intact checkpoint, or None.

        The state has the structure, types and shapes of `like`. `say` is called for
        each damaged checkpoint, which is skipped. None: there is no checkpoint at all.

        Raises:
          CheckpointError: none is intact, or it is that of another run.
        """
        found = None
        error: CheckpointError | None = None
        if self._first:
            self.close()
            try:
                found = self._newest(like, say)
            except CheckpointError as raised:
                error = raised
        if not self._alone:
            found, error = _from_first(found, error, like)
        if error is not None:
            raise error
        return None if found is None else (_leaves.unpacked(like, found[0]), found[1])

    def close(self) -> None:
        """Wait until the last checkpoint is written.

        Raises:
          CheckpointError: it could not be written.
        """
        if self._pending is not None:
            self._pending.exception()  # Ctrl-C may come here: then it is still pending
            pending, self._pending = self._pending, None
            pending.result()

    def _write(
        self,
        step: int,
        data: np.ndarray,
        about: dict[str, Any],
        whole: dict[int, float | None],
    ) -> None:
        """Write a checkpoint, and then remove those that are not to be kept."""
        path = self._folder / str(step)
        unfinished = self._folder / _UNFINISHED
        try:
            _remove(unfinished)  # of a process that was killed
            unfinished.mkdir(parents=True)
            _orbax.write(unfinished / str(step), data)
            _seal.seal(unfinished / str(step), about)
            _remove(path)  # a damaged one that was skipped
            _seal.publish(unfinished / str(step), path)
        except Exception as error:
            _remove(unfinished)
            last = f"The last one is that after {max(whole):,}." if whole else ""
            raise CheckpointError(
                f"{self._folder}: the checkpoint after "
                f"{counted(step, 'batch', 'batches')} could not be written: "
                f"{_orbax.reason(error)}. {last}".rstrip()
            ) from error
        _remove(unfinished)
        whole[step] = about["accuracy"]
        self._prune(step, whole)

    def _prune(self, newest: int, whole: dict[int, float | None]) -> None:
        """Remove the checkpoints before `newest` that are not to be kept."""
        kept = sorted(whole)[-self._keep :]
        known = {step: value for step, value in whole.items() if value is not None}
        if known:
            kept.append(max(known, key=lambda step: (known[step], -step)))
        for step in _steps(self._folder):
            if step not in kept and step < newest:
                _remove(self._folder / str(step))
                whole.pop(step, None)

    def _newest(
        self, like: TrainState, say: Callable[[str], None]
    ) -> tuple[np.ndarray, dict[str, Any]] | None:
        """Return the bytes and the notes of the newest intact checkpoint."""
        steps = _steps(self._folder)
        why = ""
        for step in reversed(steps):
            path = self._folder / str(step)
            try:
                about = _seal.opened(path)
                self._check_is_ours(about, like)
                _seal.check(path)
                data = _orbax.read(path)
            except CheckpointError:
                raise
            except Exception as error:  # damage can make other code raise anything
                why = _orbax.reason(error).rstrip(".")
                say(f"The checkpoint {path} is damaged and was skipped: {why}.")
                continue
            self._whole = {n: _accuracy(self._folder / str(n)) for n in steps}
            self._whole = {n: v for n, v in self._whole.items() if n <= step}
            return data, about["notes"]
        if steps:
            raise CheckpointError(
                f"{self._folder}: {counted(len(steps), 'checkpoint')}, but none is "
                f"whole ({why}). Delete the folder to start anew."
            )
        self._whole = {}
        return None

    def _check_is_ours(self, about: dict[str, Any], like: TrainState) -> None:
        """Raise CheckpointError unless this run can resume from a checkpoint."""
        there, now = about["identity"], self._identity
        unequal = [
            f"{name} is {_value(there, name)} in the checkpoint and "
            f"{_value(now, name)} now"
            for name in sorted(there.keys() | now.keys())
            if _value(there, name) != _value(now, name)
        ]
        if unequal:
            self._refuse(listed(unequal))
        before = dict(about["leaves"])
        here = dict(_leaves.described(like))
        unequal = [
            f"{name} is {before.get(name, 'not there')} in the checkpoint and "
            f"{here.get(name, 'not there')} now"
            for name in sorted(before.keys() | here.keys())
            if before.get(name) != here.get(name)
        ]
        if unequal:
            self._refuse(listed(unequal, most=3))

    def _refuse(self, unequal: str) -> NoReturn:
        raise CheckpointError(
            f"{self._folder}: cannot go on from there, as {unequal}. Give the "
            "checkpoint's settings and data, or name another folder."
        )


def _value(identity: dict[str, Any], name: str) -> str:
    return str(identity[name]) if name in identity else "not given"


def _accuracy(path: Path) -> float | None:
    """Return the accuracy of a checkpoint, None if it has none or is damaged."""
    with contextlib.suppress(OSError, ValueError):
        return _seal.opened(path)["accuracy"]
    return None


def _steps(folder: Path) -> list[int]:
    """Return after how many batches there are checkpoints, in order."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(int(name) for name in os.listdir(folder) if name.isdecimal())
    return []


def _remove(path: Path) -> None:
    """Remove a file or a folder, as far as that is possible."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _check_writable(folder: Path) -> None:
    """Raise CheckpointError if the folder, or the one to make it in, is read-only."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise CheckpointError(f"{there}: is a file. Name a folder for the run.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise CheckpointError(
            f"{there}: cannot be written to. Name another folder for the run."
        )


def _from_first(
    found: tuple[np.ndarray, dict[str, Any]] | None,
    error: CheckpointError | None,
    like: TrainState,
) -> tuple[tuple[np.ndarray, dict[str, Any]] | None, CheckpointError | None]:
    """Return what process 0 has found, or its error, in all processes."""
    data, notes = found or (None, None)
    said = json.dumps([str(error) if error else None, notes]).encode()
    text = np.frombuffer(said, np.uint8)
    size = int(_broadcast(np.array([len(text)], np.int32))[0])
    padded = np.zeros(size, np.uint8)
    padded[: len(text)] = text[:size]
    message, notes = json.loads(_broadcast(padded).tobytes())
    if message is not None:
        return None, CheckpointError(message)
    if notes is None:
        return None, None
    # As bytes: the broadcast is a sum with zeros, which would turn -0.0 into 0.0.
    if data is None:
        data = np.zeros(_leaves.size(like), np.uint8)
    return (_broadcast(data), notes), None


def _broadcast(array: np.ndarray) -> np.ndarray:
    """Return process 0's array in all processes."""
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.broadcast_one_to_all(array))
