"""What comparing the derivatives of one function has found so far."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from jaxconv.check.by_hand import ByHandError
from jaxconv.check.modes import first_line, why_missing
from jaxconv.check.report import Failure, Report, Row
from jaxconv.check.vectors import Point


class Comparison(Protocol):
    """The derivative of a function, compared."""

    @property
    def size_and_error(self) -> tuple[int, float]:
        """How many numbers are compared, and the largest error over its bound."""

    def worst(self) -> str:
        """Say which derivative has the largest error, and what it should be."""


class Found(NamedTuple):
    """The rows and failures so far."""

    rows: list[Row]
    failures: list[Failure]

    def add(self, check: str, name: str, compare: Callable[[], Comparison]) -> bool:
        """Add what a comparison finds; return whether JAX has that derivative."""
        try:
            comparison = compare()
        except ByHandError as error:
            self.rows.append(Row(check, name, 0, np.inf))
            self.failures.append(Failure(check, name, str(error)))
            return False
        except Exception as error:
            why = why_missing(error)
            self.rows.append(Row(check, name, 0, 0.0 if why else np.inf, why))
            if why is None:
                problem = f"JAX's derivative raised {first_line(error)}"
                self.failures.append(Failure(check, name, problem))
            return False
        self.rows.append(Row(check, name, *comparison.size_and_error))
        if self.rows[-1].error > 1:
            self.failures.append(Failure(check, name, comparison.worst()))
        return True

    def repeats(self, point: Point) -> bool:
        """Check that `fun` returns the same again; differences need that."""
        try:
            once, twice = (np.asarray(point.function(point.vector)) for _ in "12")
        except ByHandError:
            return True  # the comparison meets it, too
        same = np.array_equal(once, twice, equal_nan=True)
        self.rows.append(Row("once more", "fun", once.size, 0.0 if same else np.inf))
        if not same:
            problem = (
                "it returns another result for the same arguments: fix the seed of "
                "what is random, clear what is kept between calls"
            )
            self.failures.append(Failure("once more", "fun", problem))
        return same

    @property
    def report(self) -> Report:
        """What was found so far."""
        return Report(tuple(self.rows), tuple(self.failures))

    def raise_if_nothing_was_done(self, caller: str, modes: Sequence[str]) -> None:
        """Raise if JAX has none of the modes: a report without checks would be ok."""
        if all(row.skipped for row in self.rows):
            raise ValueError(
                f"{caller}: fun must have a derivative in one of the modes {modes}, "
                f"but {self.rows[0].skipped}. Choose another mode, or give fun a rule."
            )
