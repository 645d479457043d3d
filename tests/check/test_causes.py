"""Which failure leads a report, and which follow from it."""

import numpy as np
import pytest

from jaxconv.check import Failure, Report, Row
from jaxconv.check.adjoint import check_adjoint
from jaxconv.check.causes import causes_of, in_order
from jaxconv.check.diagnose import Diagnosis
from jaxconv.check.trial import Trial

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


def test_how_it_was_called_makes_no_other_cause():
    calls = {"input_grad": "(g, w)", "param_grad": "(x, g)"}
    alike = [
        Failure("runs", m, f"raised E, called as {m}{c}") for m, c in calls.items()
    ]
    (cause,) = causes_of(alike)
    assert cause.failures == tuple(alike)


DIAGNOSES = {
    "of the output": (
        Diagnosis("agree", "the output is wrong: it is turned"),
        ("output", "agree", "it is turned"),
    ),
    "of either": (
        Diagnosis("both agree"),
        (
            "param_grad",
            "both agree: either it is wrong, or both of them are alike",
            None,
        ),
    ),
    "no finite one": (
        np.linalg.LinAlgError("SVD did not converge"),
        ("param_grad", "the sums differ, and some results are not finite", None),
    ),
}


@pytest.mark.parametrize(("found", "said"), DIAGNOSES.values(), ids=DIAGNOSES.keys())
def test_a_diagnosis_is_put_down_to_a_map(found, said, monkeypatch):
    """A diagnosis may fail: of other operands a map may return anything."""

    def diagnose(trial, name, sums, forward):
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr("jaxconv.check.adjoint.diagnose", diagnose)
    factor = 1 if isinstance(found, Exception) else 2
    trial = Trial(
        {
            "output": lambda x, w: x * w,
            "input_grad": lambda g, w: factor * g * w,
            "param_grad": lambda x, g: 2 * x * g,
        },
        (3,), (3,), "float32", 0,
    )  # fmt: skip
    for name in trial.maps:
        trial.results[name] = trial.run(name)
    check_adjoint(trial)
    last = trial.failures[-1]
    assert (last.map, last.problem, last.pattern) == said


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
