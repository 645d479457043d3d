"""Cases of one line, what is checked of each, and the script that runs many."""

import itertools
import json

import numpy as np
import pytest

from jaxconv.check.cases import EVERY_METHOD, Case, check_case, parse_case
from jaxconv.check.problems import parse_problem, problem, random_geometry
from jaxconv.check.verify import random_cases, verify
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import loops, taps
from jaxconv.conv.methods.rounding import Rounding, of_sum
from tests.check.script import script

LINE = "g2mb3ic4oc6ih7iw5kh3kw2sh2ph1pw1"
GEOMETRY = Geometry.of((3, 4, 7, 5), (2, 6, 3, 2), strides=(2, 1), padding=1, groups=2)


def test_a_line_is_a_convolution_and_back():
    assert parse_problem(LINE) == GEOMETRY
    assert problem(GEOMETRY) == LINE
    rng = np.random.default_rng(0)
    for geometry in [random_geometry(rng) for _ in range(300)]:
        assert parse_problem(problem(geometry)) == geometry


@pytest.mark.parametrize(
    ("line", "x_shape", "w_shape", "facts"),
    [
        ("mb1ic3oc4ih8kh3ph1", (1, 3, 8, 8), (3, 4, 3, 3), {"padding": 1}),
        ("ic3oc4id5kd2", (2, 3, 5, 5, 5), (3, 4, 2, 2, 2), {"padding": 0}),
        ("mb1_ic3_oc4_iw9_kw3_ow9_pw1", (1, 3, 9), (3, 4, 3), {"padding": 1}),
        ("ic3oc4iw9ow8kw3", (2, 3, 9), (3, 4, 3), {"padding": ((0, 1),)}),
        (
            "ic3oc4iw9kw3dw1zw2pw-1qw4",
            (2, 3, 9),
            (3, 4, 3),
            {"padding": ((-1, 4),), "kernel_dilation": 2, "input_dilation": 3},
        ),
    ],
)
def test_a_line_is_read_as_onednn_reads_it(line, x_shape, w_shape, facts):
    assert parse_problem(line) == Geometry.of(x_shape, w_shape, **facts)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "cannot read nothing"),
        ("mb2ic3oc4xx5iw3kw1", "cannot read 'xx5'"),
        ("mb2ic3iw3kw1", "lacks oc"),
        ("mb2ic3oc4iw3", "lacks kw"),
        ("mb2ic3oc4iw3kw1kh2", "has no axis for kh"),
        ("g2mb2ic3oc4iw3kw1", "3 input channels cannot be split into 2 groups"),
        ("mb2ic3oc4iw3kw5", "filter"),
    ],
)
def test_a_line_that_is_no_convolution_is_refused(line, words):
    with pytest.raises(ValueError, match=words):
        parse_problem(line)


def test_a_fourth_axis_has_no_name():
    with pytest.raises(ValueError, match="3 spatial axes, got 4"):
        problem(Geometry.of((1, 1, 2, 2, 2, 2), (1, 1, 1, 1, 1, 1)))


def test_a_case_is_a_line_and_back():
    case = Case("taps", "bfloat16", 7, GEOMETRY)
    assert parse_case(str(case)) == [case]
    serving = {method for method in EVERY_METHOD if "winograd" not in method}
    found = {one.method for one in parse_case(LINE)}
    assert found | {"onednn"} == serving  # which not every machine has
    with pytest.raises(ValueError, match=r"'tap' in 'tap/.*' is not a method"):
        parse_case(f"tap/{LINE}")
    with pytest.raises(ValueError, match=r"case: method \"winograd\" does not serve"):
        parse_case(f"winograd/{LINE}")
    assert str(parse_case("taps/mb2ic3oc4ih5kh3cl1")[0]).endswith("ih5iw5kh3kw3cl1")


def test_everything_that_must_hold_is_checked():
    report = check_case(Case("auto", "float32", 0, GEOMETRY))
    assert report.ok, str(report)
    assert {row.check for row in report.rows} >= {
        "adjoint identity", "step of 1", "unit impulses", "autodiff",
        "order 2, forward", "order 3, forward", "order 2, reverse", "order 3, reverse",
        "autodiff of its code", "lax, whole numbers", "lax, real numbers",
    }  # fmt: skip
    real = [row.error for row in report.rows if row.check == "lax, real numbers"]
    assert 0 < max(real) <= 1


def broken(monkeypatch, name, change, method=taps):
    """Change what a map of a method returns."""
    real = getattr(method, name)

    def wrong(*given, **facts):
        return change(real(*given, **facts))

    monkeypatch.setattr(method, name, wrong)


widths = itertools.count(11)


def unseen():
    """Return a geometry that no test compiled: it would find a method unbroken."""
    shapes = (1, 2, 3, next(widths)), (1, 4, 3, 2)
    return Geometry.of(*shapes, strides=(2, 1), padding=1, groups=2)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("_param_grad", lambda a: a.at[0, 1, 0, 1].add(1)),
        ("_output", lambda a: 2 * a),
        ("_input_grad", lambda a: a.astype("bfloat16").astype(a.dtype)),
    ],
    ids=["one element", "a factor", "rounded"],
)
def test_a_broken_method_fails(name, change, monkeypatch):
    broken(monkeypatch, name, change)
    assert not check_case(Case("taps", "float32", 0, unseen())).ok


def test_maps_that_agree_on_the_wrong_convolution_differ_from_lax(monkeypatch):
    for name in ("_output", "_input_grad", "_param_grad"):
        broken(monkeypatch, name, lambda a: 2 * a, loops)
    report = check_case(Case("loops", "float32", 0, unseen()))
    assert {f.check for f in report.failures} == {
        "lax, whole numbers",
        "lax, real numbers",
    }


def test_a_bound_that_is_too_small_is_found(monkeypatch):
    """Real numbers are held to what the method states."""

    def tighter(*given):
        return Rounding(of_sum(*given).relative / 100, "sum")

    monkeypatch.setattr(taps, "_rounding", tighter)
    report = check_case(Case("taps", "float32", 0, GEOMETRY))
    assert {failure.check for failure in report.failures} == {"lax, real numbers"}


def test_random_cases_are_the_same_for_the_same_seed():
    first, again, other = (random_cases(seed) for seed in (1, 1, 2))
    lines = [[str(next(cases)) for _ in range(12)] for cases in (first, again, other)]
    assert lines[0] == lines[1] != lines[2]


def test_failures_and_exceptions_are_counted(monkeypatch):
    broken(monkeypatch, "_param_grad", lambda a: a[:, :1])
    geometry = unseen()
    cases = [Case(method, "float32", 0, geometry) for method in ("taps", "xla")]
    seen = []
    summary = verify(cases, lambda case, report: seen.append(case))
    assert seen == cases
    assert not summary.ok
    assert {case for case, _ in summary.failures} == {cases[0]}
    assert summary.as_json()["failures"][0]["case"] == str(cases[0])
    assert "2 cases in" in str(summary)


def test_time_is_up_and_nothing_is_no_success():
    assert verify(random_cases(), minutes=0).cases == 0
    assert not verify([]).ok


def test_the_script_shows_a_table_and_writes_json(monkeypatch, capsys, tmp_path):
    file = tmp_path / "found.json"
    case = "xla/float32/3/mb2ic1oc2iw5kw2"
    assert script(monkeypatch, "--case", case, "--json", str(file)) == 0
    assert "1 cases in" in capsys.readouterr().out
    found = json.loads(file.read_text())
    assert found["ok"]
    assert [row["map"] for row in found["maps"]] == [
        "input_grad",
        "output",
        "param_grad",
    ]


def test_the_script_names_the_failing_case_and_returns_1(monkeypatch, capsys):
    broken(monkeypatch, "_output", lambda a: a + 1)
    line = problem(unseen())
    assert script(monkeypatch, "--case", f"taps/{line}") == 1
    assert f"FAILED --case taps/float32/0/{line}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--case", "tops/iw3"], "--case: case: 'tops' in 'tops/iw3' is not a method"),
        (["--case", "taps/iw3"], "lacks ic, oc, kw"),
        (["--cases", "-1"], "must not be negative"),
    ],
)
def test_a_bad_argument_is_one_line_and_code_2(arguments, words, monkeypatch, capsys):
    assert script(monkeypatch, *arguments) == 2
    assert words in capsys.readouterr().err
