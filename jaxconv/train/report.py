"""How a run shows itself: a progress bar on a terminal, plain lines elsewhere."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from jaxconv._words import counted


class Progress(NamedTuple):
    """How training goes."""

    done: int
    epoch: int
    loss: float
    accuracy: float
    learning_rate: float
    images_per_second: float


@runtime_checkable
class Report(Protocol):
    """What the training loop tells while it runs."""

    def running(
        self, total: int, done: int = 0
    ) -> contextlib.AbstractContextManager[None]:
        """Enclose a run of `total` batches, of which some are done."""

    def started(self) -> None:
        """Take note that the first step is done, which all code is compiled for."""

    def progress(self, progress: Progress) -> None:
        """Take the means over the last batches."""

    def note(self, line: str) -> None:
        """Take a notice."""

    def validation(self, done: int, accuracy: float) -> None:
        """Take the accuracy on the test set, from 0 to 1."""

    def stopping(self, done: int) -> None:
        """Take note that the run ends early; a last validation follows."""


class PlainReport:
    """A line for each validation, with the loss and the speed before it."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        """Hand each line to `say`; by default print it, at once."""
        self._say = say or functools.partial(print, flush=True)
        self._last = ""

    @contextlib.contextmanager
    def running(self, total: int, done: int = 0) -> Iterator[None]:
        """Say how much there is to do."""
        self._say(f"Training for {batches(total)}.")
        yield

    def started(self) -> None:
        """Say nothing."""

    def progress(self, progress: Progress) -> None:
        """Keep the figures for the next validation."""
        self._last = (
            f" (loss {progress.loss:.3f}, {progress.images_per_second:,.0f} images/s)"
        )

    def note(self, line: str) -> None:
        """Print a line."""
        self._say(line)

    def validation(self, done: int, accuracy: float) -> None:
        """Print a line."""
        self._say(validation_line(done, accuracy) + self._last)

    def stopping(self, done: int) -> None:
        """Print a line."""
        self._say(stopping_line(done))


def batches(count: int) -> str:
    """Return a number of batches in words."""
    return counted(count, "batch", "batches")


def validation_line(done: int, accuracy: float) -> str:
    """Say the accuracy in the chapter's words."""
    unit = "batch" if done == 1 else "batches"
    return f"Validation accuracy after {done} {unit} is {accuracy:.2%}"


def stopping_line(done: int) -> str:
    """Say that the run ends early."""
    return f"Stopping after {batches(done)} to validate. Ctrl-C again leaves at once."


def make_report(terminal: bool) -> Report:
    """Return a bar if standard output is a terminal that can show one; else lines."""
    if not terminal:
        return PlainReport()
    from jaxconv.train.bar import BarReport, is_drawable

    return BarReport() if is_drawable() else PlainReport()


class Reports(PlainReport):
    def __init__(self, *r):
        super().__init__()


class MetricsFile(PlainReport):
    def __init__(self, *r):
        super().__init__()


class TensorBoard(PlainReport):
    def __init__(self, *r):
        super().__init__()
