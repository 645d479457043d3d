"""What `check_bilinear` says of maps that do not run and of options out of range."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv
from jaxconv.check import check_bilinear
from jaxconv.check.calling import MapError
from jaxconv.check.cases import parse_case
from jaxconv.check.verify import verify

pytestmark = pytest.mark.usefixtures("our_errors")

X, W = (3, 4), (4, 2)  # a product of matrices is bilinear


def output(x, w):
    return x @ w


def input_grad(g, w):
    return g @ w.T


def param_grad(x, g):
    return x.T @ g


RIGHT = {"output": output, "input_grad": input_grad, "param_grad": param_grad}


def check(x_shape=X, w_shape=W, **changed):
    maps = RIGHT | {key: changed.pop(key) for key in RIGHT if key in changed}
    return check_bilinear(*maps.values(), x_shape, w_shape, **changed)


def broken(*given):
    raise RuntimeError("no device.\nmore words")


class Foreign:
    """An array that cannot be read."""

    def __array__(self, *given, **facts):
        raise RuntimeError("it is elsewhere")


CALLED = {
    "output": r"output\(x, w\) with float32\[3,4\] and float32\[4,2\]",
    "input_grad": r"input_grad\(g, w\) with float32\[3,2\] and float32\[4,2\]",
    "param_grad": r"param_grad\(x, g\) with float32\[3,4\] and float32\[3,2\]",
}
BROKEN = {
    "raises": (broken, r"raised RuntimeError: no device \(test_check_misuse\.py, "),
    "returns None": (lambda a, b: None, r"returned None \(is its return missing\?\), "),
    "returns a pair": (lambda a, b: (a, b), "returned a tuple of 2, no array, "),
    "returns a list": (lambda a, b: [[1.0]], "returned a list of 1, no array, "),
    "returns text": (lambda a, b: "a", "returned a str, no array of numbers, "),
    "returns another's": (lambda a, b: Foreign(), "a Foreign, no array: Runtime"),
    "takes one": (lambda a: a, r"raised TypeError: .* takes 1 positional argument "),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize(("wrong", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_map_that_gives_no_array_is_named_with_its_shapes(name, wrong, words):
    report = check(**{name: wrong})
    (failure,) = report.failures
    assert (failure.map, failure.check) == (name, "runs")
    assert re.search(f"{words}.*called as {CALLED[name]}", str(failure))
    assert [row.map for row in report.rows if row.result == "FAILED"] == [name]


EXCHANGED = {
    "output": lambda w, x: x @ w,
    "input_grad": lambda w, g: g @ w.T,
    "param_grad": lambda g, x: x.T @ g,
}


@pytest.mark.parametrize("name", RIGHT)
def test_exchanged_arguments_are_recognised(name):
    (failure,) = check(**{name: EXCHANGED[name]}).failures
    first, second = {"output": "xw", "input_grad": "gw", "param_grad": "xg"}[name]
    assert f"called as {name}({first}, {second}) with" in failure.problem
    assert "With its arguments exchanged it returns" in failure.problem


def test_exchanged_arguments_that_fit_give_a_wrong_shape():
    """Element by element either order runs."""
    report = check(
        (3, 1), (1, 5), output=lambda x, w: x * w,
        input_grad=lambda g, w: (g * w).sum(1, keepdims=True),
        param_grad=lambda g, x: (g * x).sum(1, keepdims=True).T,
    )  # fmt: skip
    (failure,) = report.failures
    assert failure.problem.startswith("the result is float32(1, 3), not float32(1, 5)")


def test_exchanged_arguments_of_one_shape_are_a_pattern():
    report = check(
        (9,), (9,), output=lambda x, w: jnp.convolve(x, w)[:9],
        input_grad=lambda g, w: jnp.correlate(g, w, "full")[8:],
        param_grad=lambda g, x: jnp.correlate(g, x, "full")[8:],
    )  # fmt: skip
    assert report.failures[0].map == "param_grad"
    assert report.failures[0].pattern == "its arguments are exchanged"


def test_exchanged_gradients_are_recognised():
    (failure,) = check(input_grad=param_grad, param_grad=input_grad).failures
    assert str(failure).endswith(
        "param_grad does what input_grad should: are the two exchanged?"
    )


def test_a_map_that_fails_later_takes_no_further_part():
    calls = []

    def tired(x, g):
        calls.append(1)
        if len(calls) > 12:
            raise RuntimeError("no more")
        return x.T @ g

    report = check(param_grad=tired)
    assert "param_grad, runs: raised RuntimeError: no more" in str(report)
    failed = [row for row in report.rows if row.result == "FAILED"]
    assert [(row.check, row.map) for row in failed] == [("runs", "param_grad")]
    last = [row.map for row in report.rows if row.check.startswith("linear in")]
    assert last == ["output"] * 2 + ["input_grad"] * 2


def with_rule(backward):
    rule = jax.custom_vjp(output)
    rule.defvjp(lambda x, w: (x @ w, (x, w)), backward)
    return rule


def test_a_rule_that_raises_fails_and_is_not_passed_over():
    rule = with_rule(lambda saved, g: (g @ saved[1].T, 1 / 0))
    report = check(output=rule)
    assert [str(failure) for failure in report.failures] == [
        "output, autodiff: its derivative raised ZeroDivisionError: division by zero."
    ]


def test_a_rule_without_a_forward_mode_is_checked_in_reverse():
    """The rule calls a custom_vjp again, of which there is no forward derivative."""
    inner = with_rule(lambda saved, g: (g @ saved[1].T, saved[0].T @ g))
    rule = with_rule(lambda saved, g: (inner(g, saved[1].T), inner(saved[0].T, g)))
    report = check(output=rule, order=2)
    assert report.ok, str(report)
    forward = [row for row in report.rows if row.check == "order 2, forward"]
    assert {row.skipped for row in forward} == {"a custom_vjp has no forward mode"}
    assert "order 2, reverse" in {row.check for row in report.rows if not row.skipped}


def test_a_callback_is_passed_over():
    def callback(x, w):
        shape = jax.ShapeDtypeStruct((x.shape[0], w.shape[1]), x.dtype)
        return jax.pure_callback(np.matmul, shape, x, w)

    report = check(output=callback)
    assert report.ok, str(report)
    rows = [row for row in report.rows if row.check == "autodiff"]
    assert {row.skipped for row in rows} == {"a callback has no derivative"}


def test_scalars_are_arrays():
    def product(a, b):
        return a * b

    report = check_bilinear(product, product, product, (), ())
    assert report.ok, str(report)


def test_a_map_that_is_not_finite_is_named():
    (failure,) = check(output=lambda x, w: x @ w / 0).failures
    assert re.search(
        r"output, runs: returned -?inf at element \(0, 0\) of \(3, 2\) for finite "
        f"arguments, called as {CALLED['output']}; 6 of 6 are not finite",
        str(failure),
    )


def test_a_failure_inside_the_library_names_no_line_of_it():
    (failure,) = check_bilinear(
        jaxconv.conv, jaxconv.conv_input_grad, None, (2, 3, 8), (3, 4, 3)
    ).failures
    assert "conv_input_grad: input_shape is missing" in failure.problem
    assert "line" not in failure.problem


def test_a_case_whose_map_raises_has_failed_at_that_map(monkeypatch):
    def check_case(case):
        raise MapError("input_grad", "raised RuntimeError")

    monkeypatch.setattr("jaxconv.check.verify.check_case", check_case)
    summary = verify(parse_case("taps/mb2ic3oc4iw9kw3"))
    assert [failure.map for _, failure in summary.failures] == ["input_grad"]


OPTIONS = {
    "no elements": (
        {"x_shape": (3, 0)},
        r"must have elements, got \(3, 0\) and \(4, 2",
    ),
    "order 0": ({"order": 0}, r"order must be an int from 1 to 3, got 0\."),
    "order 4": ({"order": 4}, r"order must be an int from 1 to 3, got 4\."),
    "order True": ({"order": True}, "order must be an int from 1 to 3, got True"),
    "no entries": ({"entries": 0}, r"entries must be an int of at least 1, got 0\."),
    "seed": ({"seed": "a"}, r"seed must be an int of at least 0, got 'a'\."),
    "dtype int": ({"dtype": int}, r"dtype must be floating-point .* got int64\."),
    "dtype of no name": ({"dtype": "foo"}, r"dtype must be .* got 'foo'\."),
    "dtype long": (
        {"dtype": "float64", "output": jnp.matmul},
        "float64 needs 64-bit types switched on",
    ),
    "amplification": ({"amplification": -1}, "None or a number above 0, got -1"),
    "no function": (
        {"param_grad": "no"},
        r"param_grad must be a function of \(x, g\), got 'no'\.",
    ),
    "array for a shape": (
        {"x_shape": np.ones(X)},
        r"the shape of x must be a sequence of sizes, got an array.*Write x\.shape\.",
    ),
    "size below 0": ({"w_shape": (4, -2)}, r"the shape of w must be .* got \(4, -2\)"),
}


@pytest.mark.parametrize(("given", "message"), OPTIONS.values(), ids=OPTIONS.keys())
def test_mistake(given, message):
    with pytest.raises(ValueError, match=f"check_bilinear: .*{message}"):
        check(**given)
