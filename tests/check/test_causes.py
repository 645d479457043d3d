"""Which failure leads a report, and which follow from it."""

import pytest

from jaxconv.check import Failure, Report, Row
from jaxconv.check.causes import causes_of, in_order

STATE = Failure("once more", "param_grad", "another result")
RAISED = Failure("runs", "input_grad", "raised")
SHAPE = Failure("shape", "param_grad", "of another shape", "two axes are exchanged")
NOT_LINEAR = Failure("linear in x", "output", "element 3 of 5")
PATTERN = Failure("adjoint identity", "input_grad", "element 1", "it is turned")
ELEMENT = Failure("step of 1", "input_grad", "element 2")
OTHER = Failure("step of 1", "param_grad", "element 7")
ROUNDING = Failure("rounding", "input_grad", "errors of rounding's size")
INFINITE = Failure("inf contained", "input_grad", "element 3")
TYPE = Failure("type", "input_grad", "float64")
ORDER = [
    STATE, RAISED, SHAPE, NOT_LINEAR, PATTERN, ELEMENT, ROUNDING, INFINITE, TYPE
]  # fmt: skip


def test_the_most_specific_comes_first():
    assert in_order(ORDER[::-1]) == ORDER


def grouped(*failures):
    return [(cause.failures, cause.follow) for cause in causes_of(failures)]


def test_wrong_elements_of_a_map_follow_from_its_pattern():
    assert grouped(ELEMENT, PATTERN, OTHER) == [
        ((PATTERN,), (ELEMENT,)),
        ((OTHER,), ()),
    ]


def test_all_follows_from_an_output_that_is_not_linear():
    assert grouped(ELEMENT, OTHER, NOT_LINEAR) == [((NOT_LINEAR,), (ELEMENT, OTHER))]


def test_what_explains_nothing_stands_alone():
    assert grouped(TYPE, PATTERN) == [((PATTERN,), ()), ((TYPE,), ())]
    assert grouped(RAISED, ELEMENT) == [((RAISED,), ()), ((ELEMENT,), ())]
    rounded = Failure("adjoint identity", "input_grad", "x", "it is rounded to float16")
    assert grouped(TYPE, rounded) == [((rounded,), (TYPE,))]


def test_the_same_failure_of_several_maps_is_one_cause():
    alike = [Failure("rounding", name, "alike") for name in ("output", "param_grad")]
    (cause,) = causes_of(alike)
    assert str(cause) == "output and param_grad, rounding: alike."


LINES = {
    "a pattern": (
        (PATTERN, ELEMENT, INFINITE),
        [
            "input_grad: it is turned.",
            "  adjoint identity: element 1.",
            "  from the same cause: input_grad (step of 1, inf contained).",
        ],
    ),
    "none": ((OTHER,), ["param_grad, step of 1: element 7."]),
    "a question": (
        (Failure("runs", "output", "raised it. Is it?"),),
        ["output, runs: raised it. Is it?"],
    ),
}


@pytest.mark.parametrize(("failures", "lines"), LINES.values(), ids=LINES.keys())
def test_a_report_leads_with_the_cause_in_a_sentence(failures, lines):
    rows = Row("adjoint identity", "output", 3, 0.0), Row("b", "output", 0, 0.0, "why")
    report = Report(rows, failures, ("it adds 3",))
    shown = str(report).splitlines()
    assert shown[: len(lines)] == lines
    assert shown[len(lines)].startswith("check ")
    assert shown[-2:] == [
        "Note: it adds 3.",
        "1 check was skipped: see .table(skipped=True).",
    ]
    assert "skipped: why" not in str(report)
    assert "skipped: why" in report.table(skipped=True)
