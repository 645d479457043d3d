"""Answers are JSON that a browser reads, with six digits and without NaN."""

import json

import numpy as np
import pytest

from jaxconv.explore.answers import to_json

VALUES = {
    "nothing": None,
    "truth": [True, False, np.True_],
    "text": 'a "word"\\ \u2028 ü',
    "whole numbers": [0, -3, 2**60, np.int64(7), np.uint8(255)],
    "mixed": [1, 2.5, "three", None, [4.0]],
    "empty": [[], {}, ""],
    "inner": {"a": {"b": [[1.5, 2.0], [0.25, -0.0]]}},
    "array": np.arange(6).reshape(2, 3),
    "truths": np.array([[True, False]]),
    "keys": {1: 2, "a": (3.0, 4)},
}


def plain(value):
    """Return what is left of a value in JSON."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_values_come_back(value):
    assert json.loads(to_json(value)) == plain(value)


def test_floats_have_six_digits(rng):
    array = rng.standard_normal((20, 30)).astype(np.float32) * 10.0 ** rng.integers(
        -30, 30, (20, 30)
    ).astype(np.float32)
    text = to_json({"array": array, "list": array.tolist()})
    found = json.loads(text)
    assert found["array"] == found["list"]
    np.testing.assert_allclose(found["array"], array, rtol=5e-6)
    assert max(map(len, text.split(","))) <= len('{"array":[[-1.23456e-30')


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.float32(np.nan)])
def test_what_is_not_finite_is_null(value):
    assert to_json(value) == "null"
    assert to_json([1.5, value, -2.0]) == "[1.5,null,-2]"
    assert to_json({"a": [[value]]}) == '{"a":[[null]]}'
