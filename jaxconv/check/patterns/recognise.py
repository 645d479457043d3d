"""Recognise the mistake that a wrong result looks like.

Each guess computes the result that a mistake would give, from the right result or from
a map with changed operands. It must equal the found one in every element; where edges
are left aside, in all others.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from jaxconv.check.patterns import moved, operands, parts, sums, values
from jaxconv.check.patterns.case import Case, Guesses, cases
from jaxconv.check.patterns.source import Source

Recogniser = Callable[[Case], str | None]

_OF_THE_RESULT = (values.guesses, moved.guesses, parts.guesses, moved.scrambled)
_OF_ITS_VALUES = (parts.written, values.factor, values.added)
_OF_THE_MAPS = (operands.recognise, sums.recognise)
_IN_PART = (moved.inside, parts.region)
_GROUP = " of each group"


def recognise(source: Source, found: np.ndarray) -> str | None:
    """Return the mistake that leads from the right result to the found one, or None.

    Args:
      source: gives the right result, and that of changed operands.
      found: what the map under test returned.
    """
    if not np.isfinite(found).all():
        return None
    views = cases(source, found)
    for guesses in _OF_THE_RESULT:
        for case in views:
            pattern = _first(case, guesses)
            if pattern is not None:
                return pattern
    return (
        _ask(_OF_ITS_VALUES, views)
        or _ask(_OF_THE_MAPS, views[:1] if _is_widespread(source, found) else [])
        or _ask(_IN_PART, views)
    )


def locate(source: Source, found: np.ndarray) -> str | None:
    """Say along which axes the wrong elements lie at some indices only."""
    return parts.locate(cases(source, found)[0])


def _is_widespread(source: Source, found: np.ndarray) -> bool:
    """Return whether as many elements are wrong as by a mistake in all products."""
    wrong = (found != source.right).sum()
    return source.affordable and bool(wrong >= min(8, found.size / 4))


def _first(case: Case, guesses: Callable[[Case], Guesses]) -> str | None:
    for pattern, wrong in guesses(case):
        if np.array_equal(case.found, wrong):
            return pattern
    return None


def _ask(recognisers: Iterable[Recogniser], views: Sequence[Case]) -> str | None:
    """Return what the first of them says, by groups if whole groups are meant."""
    for recognise in recognisers:
        answers = [pattern for pattern in map(recognise, views) if pattern is not None]
        if answers:
            return min(
                answers, key=lambda words: _GROUP in words or "group" not in words
            )
    return None
