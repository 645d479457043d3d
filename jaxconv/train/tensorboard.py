"""The metrics of a run for TensorBoard; needs tensorboardX, an extra of its own."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxconv.train._files import writing
from jaxconv.train.observers import Progress

_FLUSH_SECONDS = 10.0  # tensorboardX waits for the disk: not in every step


class TensorBoard:
    """An observer that writes event files: scalars over the number of batches.

    Events are written at once, by this thread: tensorboardX's own thread ends on a full
    disk, and writing more to it then blocks for ever.
    """

    def __init__(self, folder: Path) -> None:
        """Write into `tensorboard` in the run's folder.

        Raises:
          ModuleNotFoundError: tensorboardX is not installed; the message says how.
        """
        try:
            import tensorboardX.record_writer  # noqa: F401
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "TensorBoard's files need tensorboardX, which is not installed. Run "
                'pip install "jaxconv[tensorboard]", or leave out tensorboard.',
                name="tensorboardX",
            ) from error
        self._folder = folder / "tensorboard"

    @contextlib.contextmanager
    def running(self, total: int, done: int = 0) -> Iterator[None]:
        """Hold a file open; TensorBoard hides what an earlier run wrote after `done`.

        Raises:
          OSError: the file cannot be written.
        """
        from tensorboardX.proto.event_pb2 import SessionLog
        from tensorboardX.record_writer import RecordWriter

        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}"
        with self._writing():
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{name}.{os.getpid()}.{done}"
            self._writer = RecordWriter(str(path))
            self._flushed = time.monotonic()
        self._write(0, file_version="brain.Event:2")
        if done:
            start = SessionLog(status=SessionLog.START)
            self._write(done + 1, session_log=start)
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):
                self._writer.close()
            raise
        with self._writing():
            self._writer.close()

    def started(self) -> None:
        """Write nothing."""

    def progress(self, progress: Progress) -> None:
        """Write the metrics of training."""
        self._scalars(
            progress.done,
            {
                "loss/train": progress.loss,
                "accuracy/train": progress.accuracy,
                "learning_rate": progress.learning_rate,
                "images_per_second": progress.images_per_second,
            },
        )

    def validation(self, done: int, accuracy: float) -> None:
        """Write the accuracy."""
        self._scalars(done, {"accuracy/validation": accuracy})

    def stopping(self, done: int) -> None:
        """Write nothing."""

    def note(self, line: str) -> None:
        """Write nothing."""

    def _scalars(self, step: int, values: dict[str, float]) -> None:
        from tensorboardX.proto.summary_pb2 import Summary

        named = [
            Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()
        ]
        self._write(step, summary=Summary(value=named))

    def _write(self, step: int, **what: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        event = Event(step=step, wall_time=time.time(), **what)
        with self._writing():
            self._writer.write(event.SerializeToString())
            if time.monotonic() - self._flushed > _FLUSH_SECONDS:
                self._writer.flush()
                self._flushed = time.monotonic()

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return writing(self._folder, "what TensorBoard reads")
