"""Recognise the mistake that a wrong result looks like.

Each guess computes the result that a mistake would give, from the right result or from
a map with changed operands. It must equal the found one in every element; where edges
are left aside, in all others.
"""

import numpy as np

from jaxconv.check.patterns import moved, operands, parts, sums, values
from jaxconv.check.patterns.case import Case, cases
from jaxconv.check.patterns.source import Source

_OF_THE_RESULT = (values.guesses, moved.guesses, parts.guesses, moved.scrambled)
_OF_THE_MAPS = (operands.recognise, sums.recognise)
_IN_PART = (parts.written, values.factor, values.added, moved.inside, parts.region)


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
        _ask(_IN_PART[:3], views)
        or (_ask(_OF_THE_MAPS, views[:1]) if source.affordable else None)
        or _ask(_IN_PART[3:], views)
    )


def _first(case: Case, guesses) -> str | None:
    for pattern, wrong in guesses(case):
        if np.array_equal(case.found, wrong):
            return pattern
    return None


def _ask(recognisers, views) -> str | None:
    answers = (recognise(case) for recognise in recognisers for case in views)
    return next((pattern for pattern in answers if pattern is not None), None)
