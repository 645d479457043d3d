"""How a run shows itself: a progress bar on a terminal, plain lines elsewhere."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

_STOPPING = "Stopping after {:,} batches to validate. Ctrl-C again leaves at once."


@runtime_checkable
class Report(Protocol):
    """What the training loop tells while it runs."""

    def running(self, total: int) -> contextlib.AbstractContextManager[None]:
        """Enclose a run of `total` batches."""

    def progress(self, done: int, loss: float, images_per_second: float) -> None:
        """Take the last batch's loss and the speed since the last call."""

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
    def running(self, total: int) -> Iterator[None]:
        """Say how much there is to do."""
        self._say(f"Training for {total:,} batches.")
        yield

    def progress(self, done: int, loss: float, images_per_second: float) -> None:
        """Keep the figures for the next validation."""
        self._last = f" (loss {loss:.3f}, {images_per_second:,.0f} images/s)"

    def validation(self, done: int, accuracy: float) -> None:
        """Print a line."""
        self._say(validation_line(done, accuracy) + self._last)

    def stopping(self, done: int) -> None:
        """Print a line."""
        self._say(_STOPPING.format(done))


class BarReport:
    """A progress bar with loss, images a second and time left, by rich."""

    def __init__(self) -> None:
        """Write to standard output."""
        from rich import progress

        self._bar = progress.Progress(
            progress.TextColumn("batch"),
            progress.MofNCompleteColumn(),
            progress.BarColumn(),
            progress.TextColumn("loss {task.fields[loss]}"),
            progress.TextColumn("{task.fields[speed]} images/s"),
            progress.TimeRemainingColumn(),
            progress.TextColumn("left"),
        )

    @contextlib.contextmanager
    def running(self, total: int) -> Iterator[None]:
        """Show the bar."""
        with self._bar:
            self._task = self._bar.add_task("", total=total, loss="-", speed="-")
            yield

    def progress(self, done: int, loss: float, images_per_second: float) -> None:
        """Move the bar."""
        speed = f"{images_per_second:,.0f}"
        self._bar.update(self._task, completed=done, loss=f"{loss:.3f}", speed=speed)

    def validation(self, done: int, accuracy: float) -> None:
        """Print a line above the bar."""
        self._bar.console.print(validation_line(done, accuracy), highlight=False)

    def stopping(self, done: int) -> None:
        """Print a line above the bar."""
        self._bar.console.print(_STOPPING.format(done), highlight=False)


def validation_line(done: int, accuracy: float) -> str:
    """Say the accuracy in the chapter's words."""
    return f"Validation accuracy after {done} batches is {accuracy:.2%}"


def make_report(terminal: bool) -> Report:
    """Return a bar if standard output is a terminal; else plain lines."""
    return BarReport() if terminal else PlainReport()
