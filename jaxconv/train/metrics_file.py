"""The metrics of a run in a file: a line of JSON for each report of the loop."""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from jaxconv.train._files import replace_text, writing
from jaxconv.train.observers import Progress


class MetricsFile:
    """An observer that writes `metrics.jsonl`, each line at once and whole.

    {"step": 10, "epoch": 0, "loss": 0.5, "accuracy": 0.9, "learning_rate": 0.01,
     "images_per_second": 15000.0, "seconds": 2.5}
    {"step": 100, "validation_accuracy": 0.95, "seconds": 4.0}
    {"step": 1, "compilation_seconds": 2.0, "seconds": 2.0}

    `step` counts batches, `seconds` the time of the run and of those that it resumed.
    Numbers that are not finite are null.
    """

    def __init__(
        self,
        path: Path,
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the lines of the first `done` batches that are there, and no others.

        Raises:
          OSError: the file cannot be written.
        """
        self._path, self._clock = path, clock
        self._file: TextIO | None = None
        self._done = done
        with self._writing():
            kept = list(_lines_until(path, done)) if done else []
            replace_text(path, "".join(f"{line}\n" for line in kept))
        self._before = max((_seconds(line) for line in kept), default=0.0)
        self._since = clock()

    @contextlib.contextmanager
    def running(self, total: int, done: int = 0) -> Iterator[None]:
        """Hold the file open."""
        self._since, self._done = self._clock(), done
        with self._writing():
            self._file = self._path.open("a", encoding="utf-8")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # what was written has been flushed
                self._file.close()
            self._file = None

    def started(self) -> None:
        """Write how long it took to compile."""
        self._write(self._done + 1, compilation_seconds=self._clock() - self._since)

    def progress(self, progress: Progress) -> None:
        """Write a line."""
        figures = progress._asdict()
        self._write(figures.pop("done"), **figures)

    def validation(self, done: int, accuracy: float) -> None:
        """Write a line."""
        self._write(done, validation_accuracy=accuracy)

    def stopping(self, done: int) -> None:
        """Write nothing."""

    def note(self, line: str) -> None:
        """Write nothing."""

    def _write(self, step: int, **figures: float | int) -> None:
        """Append a line, and flush it to the operating system."""
        seconds = self._before + self._clock() - self._since
        values = {"step": step, **figures, "seconds": round(seconds, 3)}
        line = json.dumps({name: _finite(value) for name, value in values.items()})
        with self._writing():
            if self._file is not None:
                self._file.write(line + "\n")
                self._file.flush()

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return writing(self._path, "the metrics")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the complete lines of a `metrics.jsonl`; none if there is no file.

    Raises:
      OSError: the file cannot be read.
    """
    return [json.loads(line) for line in _lines_until(path, None)]


def _lines_until(path: Path, done: int | None) -> Iterator[str]:
    """Yield the complete lines of the first `done` batches; None: of all.

    A process that is killed while it writes leaves half a line at the file's end.
    """
    if not path.exists():
        return
    for line in path.read_text("utf-8", "replace").splitlines():
        try:
            step = json.loads(line)["step"]
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(step, int) and (done is None or step <= done):
            yield line


def _seconds(line: str) -> float:
    seconds = json.loads(line).get("seconds")
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def _finite(value: float | int) -> float | int | None:
    return value if math.isfinite(value) else None
