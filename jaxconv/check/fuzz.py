"""Thousands of random convolutions by oneDNN, in child processes that it may end.

A wrong configuration ends the process or hangs, so children compute, a batch each, and
the parent watches: a child that is silent for too long is killed, one that ends is
noticed, the case is reported, and the rest of the batch goes on in a new child. Some
children at a time keep the cores contended, which brings races out.

A race is rare, the implementation that has it is not: so a case fails also where oneDNN
says that it ran its general implementation or its reference.
"""

import collections
import dataclasses
import json
import platform
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jaxlib
import numpy as np

from jaxconv.check.fuzz_cases import random_line
from jaxconv.check.fuzz_children import TIME_LIMIT, Children, Outcome
from jaxconv.check.results import Results
from jaxconv.conv.methods import onednn_region

DTYPES = "float32", "bfloat16"
BATCH = 200  # cases of a child
_FIRST = "mb2ic3oc4ih6iw5kh3kw2ph1pw0qw1"
_NEEDS = {"float32": "avx2", "bfloat16": "avx512_bf16"}


@dataclasses.dataclass
class Tally:
    """What came of the cases of one type and layout."""

    cases: int = 0
    numbers: int = 0
    failures: int = 0
    ran: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )


@dataclasses.dataclass(repr=False)
class Summary(Results):
    """The results of a run, by type and layout."""

    tallies: dict[tuple[str, str], Tally] = dataclasses.field(default_factory=dict)
    failures: list[Outcome] = dataclasses.field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count a case."""
        self.cases += 1
        tally = self.tallies.setdefault(outcome.kind, Tally())
        tally.cases += 1
        tally.numbers += outcome.numbers
        tally.ran += outcome.ran
        if outcome.problem is not None:
            tally.failures += 1
            self.failures.append(outcome)

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        """Show the table, and the result in one line."""
        from rich.table import Table

        table = Table("type", "layout", "cases", "numbers", "ran", "failures")
        for key, tally in sorted(self.tallies.items()):
            ran = "\n".join(f"{n:,} {name}" for name, n in tally.ran.most_common())
            counts = (
                f"{tally.cases:,}",
                f"{tally.numbers:,}",
                ran,
                f"{tally.failures:,}",
            )
            table.add_row(*key, *counts, end_section=True)
        yield table
        yield str(self)

    def as_json(self) -> dict[str, Any]:
        """Return the summary as what `json.dump` takes."""
        return super().as_json() | {
            "kinds": [
                {"type": dtype, "layout": layout} | _as_json(tally)
                for (dtype, layout), tally in sorted(self.tallies.items())
            ],
            "failures": [_as_json(failure) for failure in self.failures],
        }


def _as_json(counted: Tally | Outcome) -> dict[str, Any]:
    """Return the fields; `asdict` would rebuild the counter from pairs."""
    return vars(counted) | {"ran": dict(counted.ran)}


def random_batches(dtype: str, cases: int, seed: int = 0) -> Iterator[list[str]]:
    """Draw cases of a type, the same for one seed, a batch at a time."""
    rng = np.random.default_rng((seed, len(dtype)))
    for start in range(0, cases, BATCH):
        yield [random_line(rng, dtype) for _ in range(min(BATCH, cases - start))]


def fuzz(
    batches: Iterable[Sequence[str]],
    tell: Callable[[Outcome], None] = lambda outcome: None,
    *,
    jobs: int = 2,
    time_limit: float | int = TIME_LIMIT,
    unverified: bool = False,
) -> Summary:
    """Compute the batches, `jobs` at a time; Ctrl-C ends the children and keeps sums.

    With `unverified` they run on a jaxlib that is not among the verified.
    """
    summary, start = Summary(), time.monotonic()
    outcomes: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
    children = Children(iter(batches), outcomes, time_limit, unverified)
    threads = [threading.Thread(target=children.follow) for _ in range(jobs)]
    try:
        for thread in threads:
            thread.start()
        ended = 0
        while ended < jobs:
            outcome = outcomes.get()
            if outcome is None:
                ended += 1
                continue
            summary.add(outcome)
            tell(outcome)
    except KeyboardInterrupt:
        summary.interrupted = True
    finally:
        children.stop()
        for thread in threads:
            thread.join()
    summary.seconds = time.monotonic() - start
    return summary


def types_here() -> tuple[tuple[str, str, str], list[str]]:
    """Return this jaxlib, system and machine, and the types the processor has."""
    here = jaxlib.__version__, platform.system(), platform.machine()
    features = onednn_region.features()
    return here, [
        dtype
        for dtype in DTYPES
        if _NEEDS[dtype] in features
        and onednn_region.NOT_WITH.get(dtype) not in features
    ]


def first_call(dtype: str) -> str | None:
    """Compute one small convolution in a child; return what became of it if not right.

    The jaxlib may be any: a child that dies is an answer.
    """
    summary = fuzz([[f"onednn/{dtype}/0/{_FIRST}"]], jobs=1, unverified=True)
    return next((outcome.problem for outcome in summary.failures), None)


def line_for_table(here: tuple[str, str, str], dtypes: Sequence[str]) -> str:
    """Write the line of `onednn_region.VERIFIED` for a jaxlib.

    >>> line_for_table(("0.9", "Linux", "x86_64"), ["float32"])
    '("0.9", "Linux", "x86_64"): {"float32": "avx2"},'
    """
    row = json.dumps({dtype: _NEEDS[dtype] for dtype in dtypes})
    return f"({json.dumps(here)[1:-1]}): {row},"
