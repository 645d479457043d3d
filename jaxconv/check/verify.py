"""Check many cases, and show a table of the results by method and map."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np

from jaxconv.check.calling import MapError
from jaxconv.check.cases import DTYPES, Case, cases_of, check_case
from jaxconv.check.problems import GRID, parse_problem, random_geometry
from jaxconv.check.report import Failure, Report
from jaxconv.check.results import Results
from jaxconv.conv.operands import OPERANDS

_BETWEEN_CLEARINGS = 50  # cases; compiled programs hold memory maps, which are limited


def grid_cases(seed: int = 0) -> list[Case]:
    """Return every convolution of the grid, by every method, in every type."""
    return [
        case
        for line in GRID
        for dtype in DTYPES
        for case in cases_of(dtype, seed, parse_problem(line))
    ]


def random_cases(seed: int = 0) -> Iterator[Case]:
    """Yield random convolutions without end, each by every method; half are float32."""
    rng = np.random.default_rng(seed)
    while True:
        geometry = random_geometry(rng)
        dtype = "float32" if rng.random() < 0.5 else str(rng.choice(DTYPES[1:]))
        own = int(rng.integers(10**6))
        yield from cases_of(dtype, own, geometry)


@dataclasses.dataclass
class Tally:
    """The results of one map of one method."""

    cases: int = 0
    numbers: int = 0  # that were compared
    error: float = 0.0  # the largest, in units of its bound
    failures: int = 0


@dataclasses.dataclass(repr=False)
class Summary(Results):
    """The results of a run, by method and map."""

    tallies: dict[tuple[str, str], Tally] = dataclasses.field(default_factory=dict)
    failures: list[tuple[Case, Failure]] = dataclasses.field(default_factory=list)

    def add(self, case: Case, report: Report) -> None:
        """Count a case."""
        self.cases += 1
        self.failures += [(case, failure) for failure in report.failures]
        for name in OPERANDS:
            tally = self.tallies.setdefault((case.method, name), Tally())
            rows = [row for row in report.rows if row.map == name]
            tally.cases += 1
            tally.numbers += sum(row.compared for row in rows)
            tally.error = max([tally.error, *(row.error for row in rows)])
            tally.failures += sum(failure.map == name for failure in report.failures)

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        """Show the table, and the result in one line."""
        from rich.table import Table

        table = Table("method", "map", "cases", "numbers", "error / bound", "failures")
        for (method, name), tally in sorted(self.tallies.items()):
            counts = f"{tally.cases:,}", f"{tally.numbers:,}", f"{tally.error:.3g}"
            table.add_row(method, name, *counts, f"{tally.failures:,}")
        yield table
        yield str(self)

    def as_json(self) -> dict[str, Any]:
        """Return the summary as what `json.dump` takes."""
        return super().as_json() | {
            "jax": jax.__version__,
            "platform": jax.default_backend(),
            "maps": [
                {"method": method, "map": name} | dataclasses.asdict(tally)
                for (method, name), tally in sorted(self.tallies.items())
            ],
            "failures": [
                {"case": str(case)} | dataclasses.asdict(failure)
                for case, failure in self.failures
            ],
        }


def verify(
    cases: Iterable[Case],
    tell: Callable[[Case, Report], None] = lambda case, report: None,
    minutes: float | int = float("inf"),
) -> Summary:
    """Check the cases, for `minutes` at most; Ctrl-C ends a run and keeps its results.

    A case that raises is a failure too.
    """
    summary = Summary()
    start = time.monotonic()
    try:
        for case in cases:
            if time.monotonic() - start >= 60 * minutes:
                break
            try:
                report = check_case(case)
            except MapError as error:
                report = error.report
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
                report = Report((), (Failure("runs", "output", problem),))
            summary.add(case, report)
            tell(case, report)
            if summary.cases % _BETWEEN_CLEARINGS == 0:
                jax.clear_caches()
    except KeyboardInterrupt:
        summary.interrupted = True
    summary.seconds = time.monotonic() - start
    return summary
