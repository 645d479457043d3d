"""Whatever a map does, `check_bilinear` says so and checks the others."""

import itertools
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.check import check_bilinear
from jaxconv.check.modes import first_line

pytestmark = pytest.mark.usefixtures("our_errors")

X, W = (3, 4), (4, 2)  # a product of matrices is bilinear
OPERANDS = {
    "output": r"output\(x, w\) with float32\[3,4\] and float32\[4,2\]",
    "input_grad": r"input_grad\(g, w\) with float32\[3,2\] and float32\[4,2\]",
    "param_grad": r"param_grad\(x, g\) with float32\[3,4\] and float32\[3,2\]",
}


def output(x, w):
    return np.einsum("ni,io->no", x, w)


def input_grad(g, w):
    return np.einsum("no,io->ni", g, w)


def param_grad(x, g):
    return np.einsum("ni,no->io", x, g)


RIGHT = {"output": output, "input_grad": input_grad, "param_grad": param_grad}
LAYOUT = {"layout": "NC/IO"}


def check(x_shape=X, w_shape=W, **changed):
    maps = RIGHT | {key: changed.pop(key) for key in RIGHT if key in changed}
    return check_bilinear(**maps, x_shape=x_shape, w_shape=w_shape, **changed)


def after(name, change):
    """A map whose result is changed."""
    return {name: lambda a, b: change(RIGHT[name](a, b))}


def failed(report):
    return {(failure.map, failure.check) for failure in report.failures}


def with_element(value):
    def change(a):
        a[1, 1] = value
        return a

    return change


def leave(a, b):
    sys.exit(3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", RIGHT)
def test_a_result_that_is_not_finite_is_a_failure_with_element_and_shapes(name, value):
    report = check(**after(name, with_element(value)))
    assert failed(report) == {(name, "runs")}
    what = rf"returned {value} at element \(1, 1\) of \(\d, \d\) for finite arguments, "
    with pytest.raises(
        AssertionError, match=what + f"called as {OPERANDS[name]}; 1 of"
    ):
        report.raise_on_failure()


LATER = {
    "raises": (
        lambda a, b: {}["lost"],
        r"raised KeyError: 'lost' \(test_survive",
    ),
    "ends the process": (leave, "raised SystemExit: 3"),
    "returns None": (lambda a, b: None, "returned None"),
    "returns a type": (lambda a, b: object(), "a object, no array of numbers"),
    "another shape": (lambda a, b: np.ones((7, 2)), r"the result is float64\(7, 2\), "),
}


@pytest.mark.parametrize(("wrong", "words"), LATER.values(), ids=LATER.keys())
@pytest.mark.parametrize("name", ["input_grad", "param_grad"])
def test_the_other_gradient_is_checked_all_the_same(name, wrong, words):
    (other,) = {"input_grad", "param_grad"} - {name}
    maps = {name: wrong} | after(other, lambda a: -a)
    report = check(**maps)
    first = {failure.map: str(failure) for failure in reversed(report.failures)}
    assert words.replace("\\", "") in first[name]
    assert "the sign is wrong" in first[other]


def test_without_an_output_the_gradients_are_held_against_each_other():
    calls = itertools.count()
    tired = {"output": lambda x, w: output(x, w) if next(calls) < 3 else None}
    report = check(**tired)
    assert failed(report) == {("output", "runs")}
    report = check(**{"output": lambda x, w: output(x, w) * np.nan}, **LAYOUT)
    assert failed(report) == {("output", "runs")}
    wrong = after("param_grad", lambda a: 2 * a)
    report = check(**{"output": lambda x, w: output(x, w) * np.nan}, **wrong)
    assert ("param_grad", "adjoint identity") in failed(report)
    assert "the two gradients do not agree with each other" in str(report)


def test_an_output_that_cannot_be_called_ends_nothing():
    report = check(output=lambda x, w: 1 / 0)
    assert failed(report) == {("output", "runs")}
    assert "the shape of g is not known" in report.table(skipped=True)
    empty = check(output=lambda x, w: output(x, w)[:0])
    assert "array without elements, of shape (0, 2)" in str(empty)


def write(x, g):
    x *= 2
    return param_grad(x / 2, g)


def write_in_place(x, w):
    y = x @ w
    x[0, 0] = 7
    return y


def test_an_argument_that_is_written_to_is_named():
    report = check(param_grad=write)
    assert failed(report) == {("param_grad", "arguments")}
    assert "writes to its argument x: element (0, 0) was 1 and is 2" in str(report)
    report = check(output=write_in_place)
    assert failed(report) == {("output", "arguments")}


def test_a_result_in_the_memory_of_an_argument_is_named():
    report = check((3, 4), (3, 4), output=lambda x, w: x, input_grad=None,
                   param_grad=lambda x, g: np.array(g))  # fmt: skip
    first = report.failures[0]
    assert (first.map, first.check) == ("output", "own memory")
    assert "lies in the memory of its argument x" in first.problem


def test_functions_of_both_kinds_of_arrays_are_checked_as_jax():
    """So that their derivatives are; that NumPy's arguments are written to is seen."""

    def halve(x, w):
        x *= 0.5
        return x @ w * 2

    maps = {"input_grad": lambda g, w: g @ w.T, "param_grad": lambda x, g: x.T @ g}
    report = check(output=lambda x, w: x @ w, **maps)
    assert report.ok, str(report)
    assert {row.map for row in report.rows if row.check == "autodiff"} == set(maps)
    assert failed(check(output=halve, **maps)) == {("output", "arguments")}


def endless(a, b):
    while True:
        pass


def test_an_endless_map_is_stopped_and_the_other_is_checked():
    report = check(input_grad=endless, timeout=0.05)
    assert failed(report) == {("input_grad", "runs")}
    assert "took longer than 0.05 s, called as input_grad(g, w)" in str(report)
    assert "step of 1" in {row.check for row in report.rows if row.map == "param_grad"}
    slow = check(param_grad=lambda x, g: time.sleep(0.2), timeout=0.02)
    assert failed(slow) == {("param_grad", "runs")}


def test_a_time_limit_changes_nothing_else():
    with jax.enable_x64(True):
        wide = {
            "output": lambda x, w: x @ w,
            "input_grad": lambda g, w: jnp.asarray(g, "float64") @ w.T,
        }
        report = check(**wide, dtype="float64", timeout=60)
    assert report.ok, str(report)


@pytest.mark.parametrize("name", ["input_grad", "param_grad"])
def test_a_gradient_may_be_missing(name):
    report = check(**{name: None})
    assert report.ok, str(report)
    assert f"{name}        " not in str(report)
    assert "it is not given" in report.table(skipped=True)
    (other,) = {"input_grad", "param_grad"} - {name}
    report = check(**{name: None}, **after(other, lambda a: 3 * a), **LAYOUT)
    assert report.failures[0].pattern.startswith("it is 3 times what it should be")


def in_float64(function):
    return lambda a, b: function(np.asarray(a, np.float64), np.asarray(b, np.float64))


WIDE = {name: in_float64(function) for name, function in RIGHT.items()}


def test_numpy_in_float64_is_checked_in_float64():
    for maps in (WIDE, {"param_grad": WIDE["param_grad"]}):
        report = check(**maps)
        assert report.ok, str(report)
    assert check(dtype="float64").ok
    with pytest.raises(ValueError, match="float64 needs 64-bit types switched on"):
        check(output=lambda x, w: jnp.dot(x, w), dtype="float64")


def test_functions_of_both_kinds_join_those_of_numpy_alone():
    """`x @ w` gives JAX's arrays for JAX's, in float32; here it is to be in float64."""
    report = check(output=lambda x, w: x @ w, **WIDE_GRADIENTS)
    assert report.ok, str(report)


def test_the_shape_of_a_result_is_a_mistake_by_name():
    first = check(param_grad=lambda x, g: param_grad(x, g).T).failures[0]
    assert (first.check, first.pattern) == ("shape", "axes 0 and 1 are exchanged")


def test_what_a_callback_raised_is_told():
    text = (
        "INTERNAL: CpuCallback error: Traceback (most recent call last):\n  f()\nE: no."
    )
    assert first_line(RuntimeError(text)) == "RuntimeError: E: no"


def test_another_type_is_one_failure_and_values_are_checked():
    report = check(**WIDE, dtype="float32")
    assert failed(report) == {(name, "type") for name in RIGHT}
    assert "the result is float64(3, 2), not float32(3, 2)" in str(report)
    wrong = {"param_grad": lambda x, g: -WIDE["param_grad"](x, g)}
    report = check(**wrong, dtype="float32")
    assert [f.check for f in report.failures][:1] == ["adjoint identity"]
    assert report.failures[0].pattern == "the sign is wrong"
    assert ("param_grad", "type") in failed(report)
    mixed = check(output=lambda x, w: jnp.asarray(output(x, w)), **WIDE_GRADIENTS)
    assert failed(mixed) == {(name, "type") for name in WIDE_GRADIENTS}


WIDE_GRADIENTS = {name: WIDE[name] for name in ("input_grad", "param_grad")}


def test_values_far_too_large_are_found():
    """Such an output is not the count of products that it is of ones."""
    report = check(output=lambda x, w: output(x, w) * np.float32(1e30), **LAYOUT)
    assert not report.ok
    assert ("input_grad", "adjoint identity") in failed(report)


def spoiled_by_zeros(x, w):
    return output(x, w) if x.all() and w.all() else output(x, w) * np.nan


@pytest.mark.parametrize("amplification", [None, 8])
def test_a_result_that_is_not_finite_later_is_a_failure(amplification):
    """Of operands with zeros, as where a map normalises them."""
    wrong = after("input_grad", lambda a: a + 1)
    facts = {"amplification": amplification}
    report = check(output=spoiled_by_zeros, **wrong, **facts)
    assert ("input_grad", "adjoint identity") in failed(report)
    assert ("param_grad", "step of 1") not in failed(report)


def test_a_shape_that_changes_later_is_a_failure_wherever_it_is_met():
    """Be it where a bound on rounding is computed."""
    for fine in range(9, 18):
        calls = itertools.count()

        def shrinking(g, w, calls=calls, fine=fine):
            dx = input_grad(g, w)
            return dx if next(calls) < fine else dx[:1]

        facts = {"amplification": 8, "scale": "batch", **LAYOUT}
        mean = {"param_grad": lambda x, g: param_grad(x, g) / 3}
        report = check(input_grad=shrinking, **mean, **facts)
        assert failed(report) == {("input_grad", "shape")}
        assert "the result is float32(1, 4), not float32(3, 4)" in str(report)


def test_backward_stands_for_both_gradients():
    def backward(x, w, g):
        return input_grad(g, w), 2 * param_grad(x, g)

    report = check_bilinear(output, None, None, X, W, backward=backward)
    assert {failure.map for failure in report.failures} == {"param_grad"}


def test_scalars_and_vectors_of_numpy_are_checked():
    report = check((5,), (5,), output=np.vdot, input_grad=lambda g, w: g * w,
                   param_grad=lambda x, g: g * x)  # fmt: skip
    assert report.ok, str(report)


OPTIONS = {
    "no gradient": (
        {"input_grad": None, "param_grad": None},
        r"a gradient must be given: input_grad\(g, w\), .*or backward\(x, w, g\)",
    ),
    "both": ({"backward": print}, "backward stands for both .* beside input_grad"),
    "backward": (
        {"input_grad": None, "param_grad": None, "backward": 3},
        r"backward must be a function of \(x, w, g\), got 3",
    ),
    "no shape": ({"w_shape": None}, "w_shape is missing: write the shape of w, as in"),
    "timeout": ({"timeout": 0}, "timeout must be None or a number of seconds .* got 0"),
    "scale": ({"scale": "mean"}, "scale must be None or \"batch\", .* got 'mean'"),
    "no batch": ({"scale": "batch"}, 'scale="batch" needs an axis of x .*"NC/IO"'),
    "layout": ({"layout": "NHWC/HWIO"}, "x must have the 4 axes NHWC"),
}


@pytest.mark.parametrize(("given", "message"), OPTIONS.values(), ids=OPTIONS.keys())
def test_mistake(given, message):
    with pytest.raises(ValueError, match=f"check_bilinear: .*{message}"):
        check(**given)
