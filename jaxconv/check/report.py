"""What a check found: the cause of each failure in a sentence, then a table."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from jaxconv._table import aligned, html_lines, html_table
from jaxconv.check.causes import causes_of

_HEADER = ("check", "map", "numbers", "error / bound", "result")


@dataclasses.dataclass(frozen=True)
class Failure:
    """One fact that does not hold."""

    check: str
    map: str  # output, input_grad or param_grad
    problem: str  # what was expected and what was found
    pattern: str | None = None  # the mistake that it looks like
    index: tuple[int, ...] | None = None  # of a wrong element
    found: Any = None  # what that element is
    expected: Any = None  # what it should be

    def __str__(self) -> str:
        """Return the sentence."""
        end = "" if self.problem.endswith("?") else "."
        looks = f" It looks like this: {self.pattern}." if self.pattern else ""
        return f"{self.map}, {self.check}: {self.problem}{end}{looks}"


@dataclasses.dataclass(frozen=True)
class Row:
    """One check of one map."""

    check: str
    map: str
    compared: int  # numbers that were compared
    error: float  # the largest error in units of its bound: above 1 it fails
    skipped: str | None = None  # why it was not done

    @property
    def result(self) -> str:
        """Return "ok", "FAILED", or why the check was not done."""
        if self.skipped:
            return f"skipped: {self.skipped}"
        return "ok" if self.error <= 1 else "FAILED"


class CheckFailedError(AssertionError):
    """A checked gradient is wrong."""


@dataclasses.dataclass(frozen=True, repr=False)
class Report:
    """The rows and failures of a check; `print`, a prompt and a notebook show them."""

    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]  # the most specific first
    notes: tuple[str, ...] = ()  # what was seen and is no failure

    @property
    def ok(self) -> bool:
        """Whether every check that was done holds."""
        return not self.failures

    def raise_on_failure(self) -> None:
        """Raise if a check failed.

        Raises:
          CheckFailedError: with the causes and the table.
        """
        if self.failures:
            raise CheckFailedError(f"\n{self}")

    def table(self, skipped: bool = False) -> str:
        """Return a line for each check; those that were skipped only if asked."""
        rows = [_HEADER, *map(_cells, self._shown(skipped))]
        table = aligned(rows, left=len(_HEADER))
        table.insert(1, "-" * max(map(len, table)))
        return "\n".join(table)

    def __str__(self) -> str:
        """Return the causes of what failed, the table, and the notes."""
        causes = [str(cause) for cause in causes_of(self.failures)]
        return "\n".join([*causes, self.table(), *self._remarks()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the same for a notebook, causes in red."""
        causes = [line for c in causes_of(self.failures) for line in c.lines]
        table = html_table(_HEADER, map(_cells, self._shown(False)), left=len(_HEADER))
        return (
            html_lines(causes, color="firebrick")
            + table
            + html_lines(self._remarks(), color="inherit")
        )

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        """Show the same in a terminal, causes in red."""
        from rich.table import Table
        from rich.text import Text

        for cause in causes_of(self.failures):
            yield Text(str(cause), "red")
        table = Table(*_HEADER)
        for row in self._shown(False):
            style = {"ok": "green", "FAILED": "bold red"}.get(row.result, "dim")
            table.add_row(*map(Text, _cells(row)[:-1]), Text(row.result, style))
        yield table
        for remark in self._remarks():
            yield Text(remark)

    def _shown(self, skipped: bool) -> list[Row]:
        return [row for row in self.rows if skipped or row.skipped is None]

    def _remarks(self) -> list[str]:
        """Return the notes, and how many checks were skipped."""
        remarks = [f"Note: {note}." for note in self.notes]
        count = sum(row.skipped is not None for row in self.rows)
        if count:
            checks = "1 check was" if count == 1 else f"{count} checks were"
            remarks.append(f"{checks} skipped: see .table(skipped=True).")
        return remarks


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    done = row.skipped is None
    error = f"{row.error:.3g}" if done else ""
    return row.check, row.map, f"{row.compared:,}" if done else "", error, row.result
