"""Seeded bugs in the three maps of a convolution: the checker finds each of them."""

import numpy as np
import pytest

from jaxconv.check import check_bilinear
from jaxconv.check.mutations import BUGS, W, X, with_bug
from tests.check.counts import COUNTS
from tests.tiers import fast


@pytest.mark.parametrize("name", fast(BUGS, *list(BUGS)[::10]))
def test_the_bug_is_found(name):
    assert not check_bilinear(*with_bug(BUGS[name]), X, W, **COUNTS).ok


def test_there_are_enough_bugs():
    assert len(BUGS) >= 40


def test_the_right_maps_pass():
    report = check_bilinear(*with_bug({}), X, W, **COUNTS)
    assert report.ok, str(report)
    assert np.prod([row.skipped is None for row in report.rows])
