"""Two tiers of tests: which parameters of a test run always, and which when asked.

The fast tier is what `pytest` runs: every kind of fact, on few seeds. `--exhaustive`
adds what is marked `exhaustive`: more seeds, each fact on each method.
"""

from collections.abc import Iterable
from typing import Any

import pytest


def fast(values: Iterable[Any], *kept: Any) -> list[Any]:
    """Return parameters: those `kept` run always, the others with --exhaustive."""
    values = list(values)
    for value in kept:
        if value not in values:
            raise ValueError(f"fast: {value!r} is none of {values}.")
    return [
        value if value in kept else pytest.param(value, marks=pytest.mark.exhaustive)
        for value in values
    ]


def methods():
    """Run a test with one method, and with --exhaustive with another.

    For facts that do not depend on the method, such as the primitives' rules.
    """
    return pytest.mark.parametrize("method", fast(("im2col", "xla"), "im2col"))
