"""Verify every method against lax, autodiff and finite differences. See --help.

Each case is one method, one type and one convolution; a failure shows the line that
`--case` takes. Exit code 0: all hold. 1: one does not. 2: a bad argument. 130: Ctrl-C,
with the table of what was done.
"""

import dataclasses
import itertools
import json
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from _entry import run

_TABLE = "jaxconv/conv/methods/onednn_region.py"


@dataclasses.dataclass(frozen=True)
class Verify:
    """What to verify; without arguments the grid and 400 random cases."""

    case: str | None = None
    """Only this one, e.g. taps/bfloat16/7/g2mb3ic4oc6ih7iw5kh3kw2ph1; method, type and
    seed may be left out."""
    cases: int | None = None
    """How many random cases follow the grid: 400; with --fuzz 20,000 of each type, with
    --gallery none."""
    minutes: float | None = None
    """Run random cases for this many minutes instead."""
    seed: int = 0
    """Seeds the random cases."""
    json: Path | None = None
    """Write the results to this file."""
    mutations: bool = False
    """Instead, seed bugs and count how many each gradient checker finds."""
    gallery: bool = False
    """Instead, check kernels with faults as found in the wild, and right ones; print
    what each gradient checker says of them. With --cases, random right ones, too."""
    fuzz: Literal["onednn"] | None = None
    """Instead, compute random convolutions by this method in child processes, at the
    edges of what it serves: none may hang, crash or differ in one bit."""
    dtypes: tuple[Literal["float32", "bfloat16"], ...] = ("float32", "bfloat16")
    """With --fuzz: the types to compute in."""
    jobs: int = 2
    """How many of these child processes run at a time."""
    probe: bool = False
    """Instead, ask whether the method onednn works with this jaxlib, and print the
    line for its table."""


def main() -> int:
    """Verify, and return the exit code."""
    from jaxconv._command_line import fail, parse
    from jaxconv.check.cases import parse_case
    from jaxconv.check.verify import grid_cases, random_cases

    settings = parse(Verify, None)
    if (settings.cases or 0) < 0 or (settings.minutes or 0) < 0:
        return fail("--cases and --minutes must not be negative", 2)
    if settings.jobs < 1:
        return fail("--jobs must be at least 1", 2)
    if not settings.dtypes:
        return fail("--dtypes takes float32, bfloat16 or both", 2)
    if settings.mutations:
        return _study(settings)
    if settings.gallery:
        return _gallery(settings)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if settings.probe:
        return _probe(settings)
    if settings.fuzz is not None:
        return _fuzz(settings)
    if settings.case is not None:
        try:
            cases = parse_case(settings.case)
        except ValueError as error:
            return fail(f"--case: {error}", 2)
        return _verify(settings, cases, len(cases))
    grid, random = grid_cases(settings.seed), random_cases(settings.seed)
    if settings.minutes is not None:
        return _verify(settings, itertools.chain(grid, random), None)
    count = 400 if settings.cases is None else settings.cases
    few = itertools.islice(random, count)
    return _verify(settings, [*grid, *few], len(grid) + count)


def _verify(settings: Verify, cases: Iterable[Any], total: int | None) -> int:
    """Check the cases, showing a progress bar; print table and failures."""
    from rich.text import Text

    from jaxconv.check.verify import verify

    console = _console()
    bar = _bar(console)

    def tell(case: Any, report: Any) -> None:
        bar.update(task, advance=1, description=f"[dim]{case}")
        if settings.case is not None:
            console.print(report)
        for failure in report.failures:
            console.print(Text(f"FAILED --case {case}\n  {failure}", "red"))

    with bar:
        task = bar.add_task("", total=total)
        minutes = float("inf") if settings.minutes is None else settings.minutes
        summary = verify(cases, tell, minutes)
    console.print(summary, highlight=False)
    _write(settings, summary.as_json())
    return 130 if summary.interrupted else 0 if summary.ok else 1


def _fuzz(settings: Verify) -> int:
    """Fuzz the types that oneDNN computes in here; print table and failures."""
    from jaxconv.conv.methods.onednn_region import unavailable

    whys = {dtype: unavailable(dtype) for dtype in settings.dtypes}
    for dtype, why in whys.items():
        if why is not None:
            print(f"{dtype} is left out: {why}.", file=sys.stderr)
    dtypes = [dtype for dtype, why in whys.items() if why is None]
    count = 20_000 if settings.cases is None else settings.cases
    summary = _run_fuzz(settings, dtypes, count)
    _write(settings, summary.as_json())
    return 130 if summary.interrupted else 0 if summary.ok else 1


def _run_fuzz(
    settings: Verify, dtypes: Sequence[str], count: int, unverified: bool = False
) -> Any:
    """Fuzz beside a progress bar."""
    from rich.text import Text

    from jaxconv.check.fuzz import fuzz, random_batches

    console = _console()
    bar = _bar(console)

    def tell(outcome: Any) -> None:
        bar.update(task, advance=1)
        if outcome.problem is not None:
            failure = f"FAILED {outcome.case}\n  {outcome.problem}"
            console.print(Text(failure, "red"))

    batches = (random_batches(dtype, count, settings.seed) for dtype in dtypes)
    with bar:
        task = bar.add_task("", total=count * len(dtypes))
        summary = fuzz(
            itertools.chain.from_iterable(batches),
            tell,
            jobs=settings.jobs,
            unverified=unverified,
        )
    console.print(summary, highlight=False)
    return summary


def _probe(settings: Verify) -> int:
    """Try the method onednn with whatever jaxlib is here; print what to write down."""
    from jaxconv.check.fuzz import first_call, line_for_table, types_here
    from jaxconv.conv.methods.onednn_region import VERIFIED

    here, dtypes = types_here()
    known = " (it is in the table)" if here in VERIFIED else ""
    print(f"jaxlib {' '.join(here)}{known}: {' and '.join(dtypes) or 'no type'}")
    if not dtypes:
        print("The processor lacks AVX2: oneDNN is not used here.")
        return 1
    for dtype in dtypes:
        problem = first_call(dtype)
        if problem is not None:
            print(f"This jaxlib's oneDNN does not run in {dtype}: {problem}.")
            return 1
    count = 300 if settings.cases is None else settings.cases
    summary = _run_fuzz(settings, dtypes, count, unverified=True)
    _write(settings, summary.as_json())
    if summary.interrupted:
        return 130
    if not summary.ok:
        print(f"It fails: leave it out of VERIFIED in {_TABLE}.")
        return 1
    print(f"For VERIFIED in {_TABLE}{known}:")
    print(line_for_table(here, dtypes))
    return 0


def _bar(console: Any) -> Any:
    from rich import progress

    return progress.Progress(
        progress.TextColumn("case"),
        progress.MofNCompleteColumn(),
        progress.BarColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.description}"),
        console=console,
        disable=not console.is_terminal,
    )


def _study(settings: Verify) -> int:
    """Show which checker finds which seeded bug; code 1 if ours misses one."""
    from rich.table import Table

    from jaxconv.check.study import NO_BUG, POINTS, Kills, spread, study

    console = _console()
    checkers = Kills._fields[1:]
    table = Table("bug", *checkers)
    rows = []
    with console.status("Looking for bugs: some minutes") as status:
        for row in study():
            rows.append(row)
            status.update(f"Looked for {len(rows)} bugs")
            words = ["-" if a is None else f"{sum(a)} of {POINTS}" for a in row[1:]]
            table.add_row(row.bug, *words, end_section=row.bug == NO_BUG)
    right, *bugs = rows
    counts = [
        spread(getattr(right, name), [getattr(bug, name) for bug in bugs])
        for name in checkers
    ]
    table.add_section()
    table.add_row(f"found at a point, of {len(bugs)}", *counts)
    console.print(table)
    _write(settings, {"points": POINTS, "bugs": [row._asdict() for row in rows]})
    missed = not all(all(bug.check_bilinear) for bug in bugs)
    return 1 if missed or any(right.check_bilinear) else 0


def _gallery(settings: Verify) -> int:
    """Print what is said of each kernel; code 1 if a fault is missed or invented."""
    from jaxconv.check.gallery import compare

    said = []
    print(compare.HEADER)
    for verdicts in compare.compare():
        said.append(verdicts)
        print(compare.line(verdicts), flush=True)
    print(f"\n{compare.summary(said)}")
    count, alarms = settings.cases or 0, 0
    for words in compare.false_alarms(count, settings.seed):
        alarms += 1
        print(f"FAILED {words}", file=sys.stderr)
    if count:
        print(f"{count:,} random right kernels: {alarms or 'no'} false alarms.")
    results = [compare.as_json(verdicts) for verdicts in said]
    _write(settings, {"kernels": results, "right": count, "alarms": alarms})
    missed = any(bool(v.kernel.fault) == v.ok for v in said)
    return 1 if missed or alarms else 0


def _console() -> Any:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 110)


def _write(settings: Verify, results: dict[str, Any]) -> None:
    if settings.json is not None:
        settings.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    run(main, "train")
