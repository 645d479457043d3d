"""The checker finds the seeded bugs, and the picture shows what the report says."""

import json
import re

import pytest

from jaxconv.explore import checker as checker_module
from jaxconv.explore.answers import to_json
from jaxconv.explore.checker import Checker
from jaxconv.explore.checking import SourceError, check_source
from jaxconv.explore.examples import EXAMPLES, LINE
from jaxconv.explore.refusals import RefusedError
from jaxconv.explore.requests import Body

PATTERNS = {  # which the report recognises
    "not-turned": "the filter is turned once too often or not at all",
    "padding": "it is off by -1 along axis 0",
    "tap": r"tap \(0, 0\) is left out",
    "backwards": "it is turned by 180 degrees",
    "halved": "it is 0.5 times what it should be",
    "image": "the filter is turned once too often or not at all",
}
NUMPY = """
def output(x, w):
    return np.convolve(x, w[::-1], "valid")


def input_grad(g, w):
    return np.convolve(g, w[::-1])


def param_grad(x, g):
    return np.convolve(x, g[::-1], "valid")
"""


def test_a_picture_shows_what_the_report_says():
    found = check_source(NUMPY)
    assert "turned once too often or not at all" in found["failures"][0]["pattern"]
    assert len(found["picture"]["found"][0]) == 8
    check_picture(found["picture"], found["failures"][0])


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_found_out(name):
    found = json.loads(to_json(check_source(EXAMPLES[name].source)))
    assert set(found) == {"ok", "report", "failures", "picture"}
    if name == "right":
        assert (found["ok"], found["failures"], found["picture"]) == (True, [], None)
        return
    picture = found["picture"]
    failure = next(one for one in found["failures"] if one["map"] == picture["map"])
    assert not found["ok"]
    assert failure["problem"] in found["report"]
    if pattern := PATTERNS.get(name):
        assert re.search(pattern, failure["pattern"])
    check_picture(picture, failure)


def check_picture(picture, failure):
    """Check that the picture has the numbers that the first failure names."""
    found, expected, wrong = (picture[key] for key in ("found", "expected", "wrong"))
    assert any(map(any, wrong))
    for rows in zip(found, expected, wrong, strict=True):
        assert all((a != b) == differ for a, b, differ in zip(*rows, strict=True))
    named = re.match(
        r"element \(([\d, ]+)\) is (\S+), expected ([^\s;,]+)", failure["problem"]
    )
    if named and picture["map"] != "output":  # whose numbers are of other operands
        *row, column = (int(n) for n in named[1].rstrip(",").split(","))
        at = row[0] if row else 0
        assert wrong[at][column]
        assert found[at][column] == float(named[2])
        assert expected[at][column] == float(named[3])


BAD = {
    "nothing": ("x = 1", "it lacks output and input_grad and param_grad"),
    "a function missing": (LINE.replace("param_grad", "w_grad"), "it lacks param_grad"),
    "not Python": ("def output(x, w:\n", r"cannot be read: .+ \(line 1\)"),
    "a zero byte": ("x = 1\0", "cannot be read"),
    "half a surrogate": ("x = '\ud800'", "cannot be read|stops"),
    "10,000 brackets": ("(" * 10_000, "cannot be read|stops"),
    "10,000 signs": ("x = " + "-" * 8_000 + "1", "cannot be read|stops"),
    "an error": ("1 / 0", "stops: ZeroDivisionError: division by zero"),
    "an end": ("raise SystemExit(3)", "stops: SystemExit: 3"),
    "a missing package": ("import nothing_of_this_name", "stops: ModuleNotFoundError"),
    "a large shape": (f"x_shape = 300\n{LINE}", "x_shape must be 1 to 4 whole numbers"),
    "a long shape": (f"x_shape = (1,) * 9\n{LINE}", "x_shape must be"),
    "a shape of words": (f"w_shape = 'three'\n{LINE}", "w_shape must be"),
    "a shape of zeros": (f"w_shape = (0,)\n{LINE}", "w_shape must be"),
}


@pytest.mark.parametrize(("source", "said"), BAD.values(), ids=BAD.keys())
def test_code_that_is_no_good_is_one_sentence(source, said):
    with pytest.raises(SourceError, match=said) as raised:
        check_source(source)
    assert "\n" not in str(raised.value)


def test_a_map_that_raises_is_reported_with_its_line():
    source = LINE.replace("jnp.pad(g, 2)", "jnp.pad(g, 1 / 0)")
    found = check_source(source)
    assert not found["ok"]
    assert found["picture"] is None
    assert "ZeroDivisionError" in found["failures"][0]["problem"]
    assert "<your code>, line 6" in found["failures"][0]["problem"]


def ask(checker, **fields):
    body = Body("check", fields, ("example", "source"), may_run_code=True)
    return checker.check(body)


def test_one_check_runs_at_a_time(monkeypatch):
    monkeypatch.setattr(checker_module, "_WAIT", 0.01)
    checker = Checker()
    with checker._alone(), pytest.raises(RefusedError, match="Another check is runn"):
        ask(checker, example="right")


@pytest.fixture(scope="module")
def checker():
    checker = Checker(allow_code=True, limit=4)
    yield checker
    checker.close()


BROKEN = {
    "no end": "while True: pass",
    "an end": f"{NUMPY}\ndef output(x, w): import os; os._exit(1)",
    "closed channels": "import os; os.closerange(0, 30)",
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN.keys())
def test_code_that_ends_its_process_ends_nothing_else(source, checker):
    with pytest.raises(RefusedError, match="longer than 4 s, or ends its process"):
        ask(checker, source=source)
    noisy = f"print('noise'); import sys; sys.stdin.read()\n{NUMPY}"
    assert not ask(checker, source=noisy)["ok"]


@pytest.mark.exhaustive
def test_pasted_code_is_answered_as_an_example(checker):
    found = ask(checker, source=NUMPY)
    assert found == json.loads(to_json(check_source(NUMPY)))
    with pytest.raises(RefusedError, match="it lacks output"):
        ask(checker, source="x = 1")
    with pytest.raises(RefusedError, match="stops: SystemExit"):
        ask(checker, source="exit()")
