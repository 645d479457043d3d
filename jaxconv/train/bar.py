"""A progress bar that fits its terminal; imports rich, which is an extra."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from rich import console, progress
from rich.table import Column

from jaxconv.train.observers import Progress, short, stopping_line, validation_line
from jaxconv.train.pace import Pace, duration


def is_drawable() -> bool:
    """Whether the terminal on standard output can move its cursor."""
    return not console.Console().is_dumb_terminal


class ProgressBar:
    """A progress bar with loss, accuracy, images a second and time left, by rich."""

    def __init__(self, on: console.Console | None = None) -> None:
        """Write to a console, by default on standard output."""
        self._bar = _Bar(console=on)

    @contextlib.contextmanager
    def running(self, total: int, done: int = 0) -> Iterator[None]:
        """Show the bar, from `done` on."""
        self._pace = Pace(total, done)
        with self._bar:
            self._task = self._bar.add_task(
                "compiling", total=total, completed=done, last=None, pace=self._pace
            )
            yield

    def started(self) -> None:
        """Show that the steps run."""
        self._pace.start()
        self._bar.update(self._task, description="batch", completed=self._pace.done)

    def progress(self, progress: Progress) -> None:
        """Move the bar."""
        self._pace.move(progress.done)
        self._bar.update(self._task, completed=progress.done, last=progress)

    def validation(self, done: int, accuracy: float) -> None:
        """Print a line above the bar."""
        self.note(validation_line(done, accuracy))

    def stopping(self, done: int) -> None:
        """Print a line above the bar."""
        self.note(stopping_line(done))

    def note(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(line, highlight=False, markup=False)


class _Bar(progress.Progress):
    """A bar that drops its least important columns on a narrow terminal."""

    def get_renderables(self) -> Iterator[console.RenderableType]:
        """Choose the columns for the current width, and yield the table."""
        for task in self.tasks:
            self.columns = _columns(task, self.console.width)
        yield from super().get_renderables()


class _Column(NamedTuple):
    """The forms that a column can take, each with its rank and width.

    Forms are taken in the order of rank as long as all fit on the line together; of a
    column the last form taken is shown.
    """

    forms: tuple[tuple[int, int, progress.ProgressColumn], ...]  # rank, width, itself


def _columns(task: progress.Task, width: int) -> tuple[progress.ProgressColumn, ...]:
    """Return the columns that fit, in the order in which they are shown.

    Only the count is shown whatever the width.
    """
    columns = _candidates(task, bar_width=40 if width >= 100 else None)
    shown: dict[int, tuple[int, progress.ProgressColumn]] = {}  # place: width, itself
    ranked = sorted(
        (rank, place, wide, column)
        for place, one in enumerate(columns)
        for rank, wide, column in one.forms
    )
    for rank, place, wide, column in ranked:
        others = [taken for at, (taken, _) in shown.items() if at != place]
        if rank and sum(others) + len(others) + wide > width:  # spaces between
            break
        shown[place] = wide, column
    return tuple(shown[place][1] for place in sorted(shown))


def _candidates(task: progress.Task, bar_width: int | None) -> tuple[_Column, ...]:
    """Return all columns, in the order in which they are shown."""
    waiting = task.description == "compiling"
    count = f"{task.completed:.0f}/{task.total:.0f}"
    bar = progress.BarColumn(bar_width)
    widest = 2 * len(f"{task.total:.0f}") + 1
    columns = (
        _words((1 if waiting else 10, task.description)),
        _words((0, count.rjust(widest))),
        _Column(((5, 8, bar), (8, 16, bar))),
    )
    last: Progress | None = task.fields["last"]
    if last is None:
        return columns
    share = f"{last.accuracy:.1%}".rjust(len("99.9%"))
    left = task.fields["pace"].left()
    return (
        *columns,
        _words((9, f"epoch {last.epoch + 1}")),
        _words((1, f"loss {short(last.loss)}")),
        _words((3, share), (4, f"accuracy {share}")),
        _words((7, f"{last.images_per_second:,.0f} images/s".rjust(15))),
        _words((2, f"{'-:--' if left is None else duration(left)} left".rjust(10))),
    )


def _words(*forms: tuple[int, str]) -> _Column:
    """Return a column of words on one line, in forms of given ranks."""
    return _Column(
        tuple(
            (
                rank,
                len(words),
                progress.TextColumn(
                    words.replace("{", "{{").replace("}", "}}"),
                    markup=False,
                    table_column=Column(no_wrap=True),
                ),
            )
            for rank, words in forms
        )
    )
