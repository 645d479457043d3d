"""The toy's three maps: the chapter's numbers, and loops for other settings."""

import numpy as np
import pytest

from jaxconv.explore.requests import BadRequestError, Body
from jaxconv.explore.toy import toy

FIELDS = ("x", "w", "g", "stride", "padding", "dilation")


def asked(**changed):
    fields = {
        "x": [1, 2, 3, 4, 5],
        "w": [1, 1, 1],
        "stride": 1,
        "padding": [1, 1],
        "dilation": 1,
    }
    found = toy(Body("toy", fields | changed, FIELDS))
    return {name: np.asarray(value).tolist() for name, value in found.items()}


def test_it_is_the_chapters_example():
    assert asked() == {
        "output": [3, 6, 9, 12, 9],
        "input_grad": [2, 3, 3, 3, 2],
        "param_grad": [10, 15, 14],
    }


def by_loops(x, w, g, stride, padding, dilation):
    """Compute the maps in the words of the chapter."""
    padded = [0] * padding[0] + x + [0] * padding[1]
    places = range(0, len(padded) - (len(w) - 1) * dilation, stride)
    output, grad, at_w = [], [0] * len(padded), [0] * len(w)
    for o, start in enumerate(places):
        reads = [start + p * dilation for p in range(len(w))]
        output.append(sum(padded[i] * w[p] for p, i in enumerate(reads)))
        for p, i in enumerate(reads):
            grad[i] += g[o] * w[p]
            at_w[p] += g[o] * padded[i]
    at_x = grad[padding[0] : padding[0] + len(x)]
    return {"output": output, "input_grad": at_x, "param_grad": at_w}


SETTINGS = {
    "strided": (5, 3, 2, [1, 0], 1),
    "dilated": (7, 3, 1, [2, 2], 2),
    "one weight": (4, 1, 3, [0, 0], 4),
    "padded beyond the filter": (3, 2, 1, [4, 3], 1),
    "all at once": (8, 4, 2, [3, 1], 2),
    "one output": (3, 5, 1, [1, 1], 1),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", SETTINGS.values(), ids=SETTINGS.keys())
def test_settings_mean_what_they_say(case, rng):
    size, taps, stride, padding, dilation = case
    length = (size + sum(padding) - (taps - 1) * dilation - 1) // stride + 1
    x, w, g = (rng.integers(-9, 10, n).tolist() for n in (size, taps, length))
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    expected = by_loops(x, w, g, **settings)
    assert asked(x=x, w=w, g=g, **settings) == expected


def test_a_filter_that_does_not_fit_is_refused():
    with pytest.raises(
        BadRequestError, match="toy: w spans 9 numbers, more than the 7"
    ):
        asked(w=[1, 2, 3], dilation=4)


def test_a_gradient_of_another_length_is_refused():
    with pytest.raises(BadRequestError, match="toy: g must be an array of 3 numbers"):
        asked(g=[1, 1, 1, 1, 1], stride=2)
