"""Observers of a training run: progress bar, plain lines, or files of metrics."""

import contextlib
import functools
import importlib.util
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from jaxconv._words import counted
from jaxconv.train.pace import Pace, duration

_QUIET_SECONDS = 30.0  # at least so long between two lines of plain progress,
_QUIET_SHARE = 0.05  # and this share of the time so far,
_QUIET_MOST = 300.0  # but never longer: runners of tests end what is silent


class Progress(NamedTuple):
    """What a run is doing, as numbers on the host."""

    done: int  # batches, since the very first
    epoch: int  # from 0
    loss: float  # the mean over the last batches of training
    accuracy: float  # on them, 0 to 1
    learning_rate: float
    images_per_second: float


@runtime_checkable
class Observer(Protocol):
    """What the training loop calls while it runs."""

    def running(
        self, total: int, done: int = 0
    ) -> contextlib.AbstractContextManager[None]:
        """Enclose a run of `total` batches, `done` of which an earlier one has done."""

    def started(self) -> None:
        """Take note that the first step, and with it all compilation, is done."""

    def progress(self, progress: Progress) -> None:
        """Take the metrics of the last batches."""

    def validation(self, done: int, accuracy: float) -> None:
        """Take the accuracy on the validation images, from 0 to 1."""

    def stopping(self, done: int) -> None:
        """Take note that the run ends early; a last validation follows."""

    def note(self, line: str) -> None:
        """Take a sentence for the user, such as that a checkpoint was skipped."""


class Observers:
    """Several observers as one: every call goes to each of them, in order."""

    def __init__(self, *observers: Observer) -> None:
        """Join the observers."""
        self._observers = observers

    @contextlib.contextmanager
    def running(self, total: int, done: int = 0) -> Iterator[None]:
        """Enclose the run in all of them."""
        with contextlib.ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer.running(total, done))
            yield

    def started(self) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.started()

    def progress(self, progress: Progress) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.progress(progress)

    def validation(self, done: int, accuracy: float) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.validation(done, accuracy)

    def stopping(self, done: int) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.stopping(done)

    def note(self, line: str) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.note(line)


class PlainLines:
    """A line for each validation, and one now and then where there are none."""

    def __init__(
        self,
        say: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Hand each line to `say`; by default print it, at once."""
        self._print = say or functools.partial(print, flush=True)
        self._clock = clock
        self._pace = Pace(0, 0, clock)
        self._figures = ""
        self._begun = self._said = clock()

    @contextlib.contextmanager
    def running(self, total: int, done: int = 0) -> Iterator[None]:
        """Say how much there is to do."""
        self._pace = Pace(total, done, self._clock)
        self._begun = self._clock()
        resumed = f", {done:,} of which are done" if done else ""
        self._say(f"Training for {batches(total)}{resumed}.")
        yield

    def started(self) -> None:
        """Begin to estimate the time left."""
        self._pace.start()

    def progress(self, progress: Progress) -> None:
        """Keep the metrics for the next validation; print them if none comes soon."""
        self._figures = (
            f"loss {short(progress.loss)}, accuracy {progress.accuracy:.1%}, "
            f"{progress.images_per_second:,.0f} images/s"
        )
        self._pace.move(progress.done)
        now = self._clock()
        quiet = max(_QUIET_SECONDS, _QUIET_SHARE * (now - self._begun))
        if now - self._said >= min(quiet, _QUIET_MOST):
            left = self._pace.left()
            left_words = f", {duration(left)} left" if left is not None else ""
            self._say(
                f"{progress.done:,} of {batches(self._pace.total)}: {self._figures}"
                f"{left_words}"
            )

    def validation(self, done: int, accuracy: float) -> None:
        """Print a line."""
        figures = f" (training: {self._figures})" if self._figures else ""
        self._say(validation_line(done, accuracy) + figures)

    def stopping(self, done: int) -> None:
        """Print a line."""
        self._say(stopping_line(done))

    def note(self, line: str) -> None:
        """Print it."""
        self._say(line)

    def _say(self, line: str) -> None:
        self._said = self._clock()
        self._print(line)


def short(loss: float) -> str:
    """Return a loss in few characters, however large it is."""
    return f"{loss:.3f}" if loss < 1e4 else f"{loss:.1e}"


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


def make_display(terminal: bool) -> Observer:
    """Return a bar if standard output is a terminal that can show one; else lines.

    Without rich, which draws it, there are lines too.
    """
    if terminal and importlib.util.find_spec("rich"):
        from jaxconv.train.bar import ProgressBar, is_drawable

        if is_drawable():
            return ProgressBar()
    return PlainLines()
