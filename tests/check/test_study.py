"""The comparison of gradient checkers: what could not be run, and counts as ranges."""

import importlib.util
import runpy
import sys

import pytest

from jaxconv.check.mutations import BUGS
from jaxconv.check.study import NO_BUG, Kills, spread, study

LARGE = "input_grad: one element 2 % too large"


NEVER = (False,) * 3
COUNTS = {
    "one missed, each time another": (NEVER, [(1, 0, 1), (1, 1, 0)], "1 to 2"),
    "all found": (NEVER, [(1, 1, 1), (1, 1, 1)], "2"),
    "a false alarm": ((1, 0, 0), [(1, 0, 1), (1, 1, 1)], "1 to 2"),
    "false alarms at every point": ((1, 1, 1), [(1, 1, 1)], "-"),
    "not run": (None, [None, None], "-"),
}


@pytest.mark.parametrize(("right", "bugs", "words"), COUNTS.values(), ids=COUNTS.keys())
def test_counts_are_of_bugs_found_at_one_point(right, bugs, words):
    columns = [row and tuple(map(bool, row)) for row in (right, *bugs)]
    assert spread(columns[0], columns[1:]) == words


@pytest.mark.exhaustive
def test_without_torch_there_is_no_count(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "torch" else found(name),
    )
    monkeypatch.setattr("jaxconv.check.study.POINTS", 2)
    right, bug = study({LARGE: BUGS[LARGE]})
    assert (right.bug, right.check_bilinear) == (NO_BUG, (False, False))
    assert bug.bug == LARGE
    assert bug.check_bilinear == (True, True)
    assert len(bug.check_grads) == 2
    assert bug.gradcheck is None


ROWS = [
    Kills(NO_BUG, (False,) * 10, (False,) * 10, None),
    Kills("one", (True,) * 10, (True,) * 4 + (False,) * 6, None),
    Kills("two", (True,) * 10, (True,) * 10, None),
]


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (ROWS, 0),
        ([*ROWS[:2], Kills("two", (False,) * 10, (True,) * 10, None)], 1),
        ([ROWS[0]._replace(check_bilinear=(False,) * 9 + (True,)), *ROWS[1:]], 1),
    ],
    ids=["all found", "one missed", "a false alarm"],
)
def test_the_script_shows_ranges_and_dashes(rows, code, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["verify.py", "--mutations"])
    monkeypatch.syspath_prepend("scripts")
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("jaxconv.check.study.study", lambda: iter(rows))
    with pytest.raises(SystemExit) as stop:
        runpy.run_path("scripts/verify.py", run_name="__main__")
    assert stop.value.code == code
    lines = capsys.readouterr().out.splitlines()
    cells = {
        line.split("│")[1].strip(): line.split("│")[2:-1]
        for line in lines
        if "│" in line
    }
    table = {name: [cell.strip() for cell in row] for name, row in cells.items()}
    assert table["one"] == ["10 of 10", "4 of 10", "-"]
    if code == 0:
        assert table["found at a point, of 2"] == ["2", "1 to 2", "-"]
