"""A progress bar that fits its terminal; imports rich, which is an extra."""

import contextlib
from collections.abc import Iterator

from rich import console, progress
from rich.table import Column

from jaxconv.train.report import stopping_line, validation_line


def is_drawable() -> bool:
    """Whether the terminal on standard output can move its cursor."""
    return not console.Console().is_dumb_terminal


class BarReport:
    """A progress bar with loss, images a second and time left, by rich."""

    def __init__(self, on: console.Console | None = None) -> None:
        """Write to a console, by default on standard output."""
        self._bar = _Bar(console=on)

    @contextlib.contextmanager
    def running(self, total: int) -> Iterator[None]:
        """Show the bar."""
        with self._bar:
            self._task = self._bar.add_task(
                "compiling", total=total, loss=None, speed=None
            )
            yield

    def started(self) -> None:
        """Show that the steps run."""
        self._bar.update(self._task, description="batch", completed=1)

    def progress(self, done: int, loss: float, images_per_second: float) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done, loss=loss, speed=images_per_second)

    def validation(self, done: int, accuracy: float) -> None:
        """Print a line above the bar."""
        self._bar.console.print(validation_line(done, accuracy), highlight=False)

    def stopping(self, done: int) -> None:
        """Print a line above the bar."""
        self._bar.console.print(stopping_line(done), highlight=False)


class _Bar(progress.Progress):
    """A bar whose least important columns go where the terminal is narrow."""

    def get_renderables(self) -> Iterator[console.RenderableType]:
        """Choose the columns for the width of now, and yield the table."""
        for task in self.tasks:
            self.columns = _columns(task, self.console.width)
        yield from super().get_renderables()


def _columns(task: progress.Task, width: int) -> tuple[progress.ProgressColumn, ...]:
    """Return the columns that fit, in the order in which they are shown.

    A column's rank says how long it is kept; the count always is.
    """
    count = f"{task.completed:.0f}/{task.total:.0f}"
    widest = 2 * len(f"{task.total:.0f}") + 1
    bar_width = 40 if width >= 100 else None  # None: what is left
    candidates: dict[
        int, tuple[int, progress.ProgressColumn]
    ] = {  # rank: width, column; in the order in which they are shown
        3: (len(task.description), _text(task.description)),
        0: (widest, _text(count.rjust(widest))),
        5: (10, progress.BarColumn(bar_width)),
    }
    if (loss := task.fields["loss"]) is not None:
        speed = f"{task.fields['speed']:,.0f} images/s"
        candidates |= {
            1: (len("loss 0.000"), _text(f"loss {loss:.3f}")),
            4: (len("00,000 images/s"), _text(speed)),
            2: (len("0:00:00 left"), _TimeLeft()),
        }
    kept: set[int] = set()
    for rank in sorted(candidates):
        width -= candidates[rank][0] + bool(kept)  # a space between columns
        if width < 0 and rank:
            break
        kept.add(rank)
    return tuple(column for rank, (_, column) in candidates.items() if rank in kept)


def _text(words: str) -> progress.TextColumn:
    """Return a column of words, on one line."""
    return progress.TextColumn(
        words.replace("{", "{{").replace("}", "}}"), table_column=Column(no_wrap=True)
    )


class _TimeLeft(progress.TimeRemainingColumn):
    """The time left, with that word."""

    def render(self, task: progress.Task) -> progress.Text:
        """Return the time in words."""
        return super().render(task) + progress.Text(" left")
