"""Seeded bugs in the three maps of a convolution: the checker finds each of them."""

import numpy as np
import pytest

from jaxconv.check import check_bilinear
from jaxconv.check.mutations import BUGS, W, X, with_bug
from tests.check.counts import COUNTS


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
def test_the_bug_is_found(bug):
    assert not check_bilinear(*with_bug(bug), X, W, **COUNTS).ok


def test_there_are_enough_bugs():
    assert len(BUGS) >= 40


def test_the_right_maps_pass():
    report = check_bilinear(*with_bug({}), X, W, **COUNTS)
    assert report.ok, str(report)
    assert np.prod([row.skipped is None for row in report.rows])
