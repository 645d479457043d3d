"""What a check found: a table, and for each failure a sentence that can be acted on."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from jaxconv._table import aligned, html_lines, html_table

_HEADER = ("check", "map", "numbers", "error / bound", "result")


@dataclasses.dataclass(frozen=True)
class Failure:
    """One fact that does not hold."""

    check: str
    map: str  # output, input_grad or param_grad
    problem: str  # what was expected and what was found
    pattern: str | None = None  # the mistake that it looks like

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
    failures: tuple[Failure, ...]

    @property
    def ok(self) -> bool:
        """Whether every check that was done holds."""
        return not self.failures

    def raise_on_failure(self) -> None:
        """Raise if a check failed.

        Raises:
          CheckFailedError: with the table and the failures.
        """
        if self.failures:
            raise CheckFailedError(f"\n{self}")

    def __str__(self) -> str:
        """Return the table, then a line for each failure."""
        table = aligned([_HEADER, *map(_cells, self.rows)], left=len(_HEADER))
        table.insert(1, "-" * max(map(len, table)))
        return "\n".join([*table, *map(str, self.failures)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the table for a notebook, failures in red."""
        table = html_table(_HEADER, map(_cells, self.rows), left=len(_HEADER))
        return table + html_lines(map(str, self.failures), color="firebrick")

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        """Show the table in a terminal, failures in red."""
        from rich.table import Table
        from rich.text import Text

        table = Table(*_HEADER)
        for row in self.rows:
            style = {"ok": "green", "FAILED": "bold red"}.get(row.result, "dim")
            table.add_row(*map(Text, _cells(row)[:-1]), Text(row.result, style))
        yield table
        for failure in self.failures:
            yield Text(str(failure), "red")


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    done = row.skipped is None
    error = f"{row.error:.3g}" if done else ""
    return row.check, row.map, f"{row.compared:,}" if done else "", error, row.result
