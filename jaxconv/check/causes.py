"""One failure, one cause: which failures come first, and which only follow from them.

State kept between calls, or memory read beyond an array, explains whatever else is
found, so it comes before all; then that a map cannot be called, or gives another shape;
then an output that is not linear, for the gradients are checked against it; then
mistakes that are recognised; then wrong elements.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

REPEATED = "once more"
ARGUMENTS = "arguments"
MEMORY = "own memory"
SHAPE = "shape"
TYPE = "type"
CONSTANT = "output at x = 0"
SCALE = "scale"
ROUNDING = "rounding"
CONTAINED = "inf contained"
_FIRST = (REPEATED, "runs", ARGUMENTS, MEMORY, SHAPE, CONSTANT, SCALE)
_ALONE = ("runs", ARGUMENTS, SHAPE, TYPE, ROUNDING)  # nothing follows from them
_OWN = ("runs", ARGUMENTS, CONSTANT, SCALE)  # and they follow from nothing
_LAST = (ROUNDING, CONTAINED, "under jit", TYPE)


@runtime_checkable
class Fact(Protocol):
    """What a `Failure` says."""

    @property
    def check(self) -> str:
        """The check that failed."""

    @property
    def map(self) -> str:
        """The map that it is about."""

    @property
    def problem(self) -> str:
        """What was expected and what was found."""

    @property
    def pattern(self) -> str | None:
        """The mistake that it looks like."""


F = TypeVar("F", bound=Fact)


class Cause(NamedTuple):
    """A failure, the same failure of other maps, and what follows from it."""

    failures: tuple[Fact, ...]  # alike but for the map
    follow: tuple[Fact, ...]

    @property
    def lines(self) -> list[str]:
        """The cause in a sentence, and in further lines the evidence."""
        first = self.failures[0]
        maps = _listed(list(dict.fromkeys(failure.map for failure in self.failures)))
        problem = _ended(first.problem)
        lines = [f"{maps}, {first.check}: {problem}"]
        if first.pattern:
            lines = [f"{maps}: {_ended(first.pattern)}", f"  {first.check}: {problem}"]
        if self.follow:
            lines.append(f"  from the same cause: {_by_map(self.follow)}.")
        return lines

    def __str__(self) -> str:
        """Return the lines."""
        return "\n".join(self.lines)


def in_order(failures: Iterable[F]) -> list[F]:
    """Return failures, the most specific first."""
    return sorted(failures, key=_rank)


def causes_of(failures: Iterable[Fact]) -> list[Cause]:
    """Group failures by their causes; each belongs to one cause."""
    left = in_order(failures)
    causes = []
    while left:
        first = left[0]
        alike = [one for one in left if _says(one) == _says(first)]
        rest = [one for one in left if one not in alike]
        follow = [one for one in rest if any(_follows(one, c) for c in alike)]
        causes.append(Cause(tuple(alike), tuple(follow)))
        left = [one for one in rest if one not in follow]
    return causes


def _rank(failure: Fact) -> int:
    if failure.check in _FIRST:
        return _FIRST.index(failure.check)
    if _is_of_the_form(failure):
        return len(_FIRST)
    if failure.pattern is not None:
        return len(_FIRST) + 1
    last = _LAST.index(failure.check) + 1 if failure.check in _LAST else 0
    return len(_FIRST) + 2 + last


def _is_of_the_form(failure: Fact) -> bool:
    """Return whether the output is no bilinear function, whatever the gradients are."""
    linear = failure.check == CONSTANT or failure.check.startswith("linear in")
    return failure.map == "output" and linear


def _says(failure: Fact) -> tuple[str, str, str | None]:
    problem, _, _ = failure.problem.partition(", called as")
    return failure.check, problem, failure.pattern


def _follows(failure: Fact, cause: Fact) -> bool:
    """Return whether a failure is explained by another."""
    if cause.check in _ALONE or failure.check in _OWN:
        return False
    if failure.check == TYPE:
        return failure.map == cause.map and "rounded" in (cause.pattern or "")
    return failure.map == cause.map or _explains_all(cause)


def _explains_all(cause: Fact) -> bool:
    """Return whether the gradients are held against an output that is no measure."""
    unsteady = cause.map == "output" and cause.check in (REPEATED, MEMORY)
    return unsteady or _is_of_the_form(cause)


def _by_map(failures: Sequence[Fact]) -> str:
    """Name checks that failed, map by map."""
    named = []
    for name in dict.fromkeys(failure.map for failure in failures):
        checks = dict.fromkeys(one.check for one in failures if one.map == name)
        named.append(f"{name} ({', '.join(checks)})")
    return ", ".join(named)


def _listed(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _ended(text: str) -> str:
    return text if text.endswith("?") else f"{text}."
