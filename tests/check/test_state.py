"""Maps that give another result for the same arguments: found first, and why."""

import numpy as np
import pytest

from jaxconv.check import check_bilinear
from tests.check.test_survive import RIGHT, W, X, failed, output, param_grad

pytestmark = pytest.mark.usefixtures("our_errors")


class Accumulates:
    dw = 0

    def __call__(self, x, g):
        self.dw = self.dw + param_grad(x, g)
        return self.dw


class Remembers:
    def output(self, x, w):
        self.x = x
        return output(x, w)

    def param_grad(self, x, g):
        return param_grad(self.x, g)


class Random:
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __call__(self, x, g):
        return param_grad(x, g) + self.rng.normal()


def reads_beyond(x, g):
    longer = np.lib.stride_tricks.as_strided(x, (x.size + 1,), x.strides[-1:])
    dw = param_grad(x, g)
    dw[-1, -1] += longer[-1]
    return dw


def never_written(x, g):
    dw = np.empty((4, 2), x.dtype)
    dw[:3] = param_grad(x, g)[:3]
    return dw


def check(**changed):
    return check_bilinear(**RIGHT | changed, x_shape=X, w_shape=W)


CASES = {
    "accumulates": (Accumulates, "an accumulator is never cleared between calls"),
    "random": (Random, "it keeps state between calls, or is random"),
    "reads beyond": (lambda: reads_beyond, "reads memory before or beyond an argument"),
    "never written": (lambda: never_written, "memory that it never wrote, as of np"),
}


@pytest.mark.parametrize(("make", "words"), CASES.values(), ids=CASES.keys())
def test_the_reason_leads(make, words):
    report = check(param_grad=make())
    assert failed(report) == {("param_grad", "once more")}
    first, *_ = str(report).splitlines()
    assert "it returns another result for the same arguments: " in first
    assert words in first


def test_state_that_other_calls_change_is_found():
    layer = Remembers()
    report = check(output=layer.output, param_grad=layer.param_grad)
    assert failed(report) == {("param_grad", "once more")}
    assert "after calls with others: it keeps state between calls" in str(report)


def test_state_that_shows_late_is_found_at_the_end():
    calls = []

    def late(x, g):
        calls.append(1)
        return param_grad(x, g) + (len(calls) > 20)

    report = check(param_grad=late)
    first = report.failures[0]
    assert (first.map, first.check) == ("param_grad", "once more")
    assert "from the same cause: param_grad (" in str(report)


def test_what_a_map_keeps_of_its_arguments_is_its_own():
    """Each call is handed arrays of its own: a view that is kept does not change."""
    kept = []

    def keeps(x, g):
        kept.append(x)
        return param_grad(x, g)

    assert check(param_grad=keeps).ok
    assert len({id(array) for array in kept}) == len(kept)
