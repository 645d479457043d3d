"""What `check_gradients` says of missing modes, broken rules and wrong options."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxconv.check import check_gradients

pytestmark = pytest.mark.usefixtures("our_errors")

ARGS = (jnp.linspace(0.5, 1, 3),)


def sine(backward=lambda x, g: (g * jnp.cos(x),)):
    """sin with a rule for the reverse mode."""
    rule = jax.custom_vjp(jnp.sin)
    rule.defvjp(lambda x: (jnp.sin(x), x), backward)
    return rule


def loop(x):
    """A power, by a loop that has no reverse mode."""
    return lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, c[1] * x), (0, x))[1]


def results(report):
    return {row.map: row.result for row in report.rows}


def test_a_single_mode_may_stand_by_itself():
    report = check_gradients(jnp.sin, ARGS, order=1, modes="rev")
    assert results(report) == {"rev": "ok"}


def test_a_custom_vjp_is_checked_in_reverse():
    assert results(check_gradients(sine(), ARGS)) == {
        "fwd": "skipped: a custom_vjp has no forward mode",
        "rev": "ok",
        "fwd of rev": "ok",
        "rev of rev": "ok",
    }


def test_a_wrong_custom_vjp_is_found_by_default():
    report = check_gradients(sine(lambda x, g: (g * jnp.sin(x),)), ARGS, order=1)
    assert [failure.map for failure in report.failures] == ["rev"]


def test_a_loop_is_checked_forward():
    why = "skipped: a loop whose length is traced has no reverse mode"
    assert results(check_gradients(loop, ARGS, order=1)) == {"fwd": "ok", "rev": why}


def test_a_function_with_none_of_the_modes_is_refused():
    message = r"one of the modes \('fwd',\), but a custom_vjp has no forward mode"
    with pytest.raises(ValueError, match=message):
        check_gradients(sine(), ARGS, modes="fwd")


@pytest.mark.parametrize(
    ("backward", "words"),
    [
        (lambda x, g: (1 / 0,), "ZeroDivisionError: division by zero."),
        (lambda x, g: (g[:1],), "ValueError: Custom VJP bwd rule must produce"),
    ],
    ids=["raises", "of another shape"],
)
def test_a_rule_that_raises_fails_and_is_not_passed_over(backward, words):
    report = check_gradients(sine(backward), ARGS)
    assert [failure.map for failure in report.failures] == ["rev"]
    assert f"rev, order 1: JAX's derivative raised {words}" in str(report)
    assert results(report)["rev"] == "FAILED"


OPTIONS = {
    "order 0": ({"order": 0}, r"order must be an int of at least 1, got 0\."),
    "order by text": ({"order": "2"}, "order must be an int of at least 1, got '2'"),
    "no entries": ({"entries": 0}, r"entries must be an int of at least 1, got 0\."),
    "seed": ({"seed": -1}, r"seed must be an int of at least 0, got -1\."),
    "no elements": ({"args": (jnp.ones((2, 0)),)}, r"must have elements, got \(2, 0\)"),
    "no modes": ({"modes": None}, r'modes must be "fwd", "rev" or both, .* got None\.'),
    "unknown mode": ({"modes": "reverse"}, r"got 'reverse'\."),
    "an array": ({"args": ARGS[0]}, r"args must be a tuple .*, got an array\."),
    "a number": ({"args": 1.0}, r"got a float\. For a single one write \(x,\)"),
    "a dict": ({"args": {"x": ARGS[0]}}, r"got a dict\."),
    "text": ({"args": (*ARGS, "relu")}, r"got a str at args\[1\]\. Bind it"),
    "no function": ({"fun": 3}, r"fun must be a function of args, got 3\."),
    "no return": ({"fun": lambda x: None}, r"got none\. Is its return missing\?"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "message"), OPTIONS.values(), ids=OPTIONS.keys())
def test_mistake(given, message):
    given = {"fun": jnp.sin, "args": ARGS} | given
    with pytest.raises(ValueError, match=f"check_gradients: .*{message}"):
        check_gradients(**given)


def test_a_point_where_the_function_is_not_finite_is_named():
    report = check_gradients(jnp.sqrt, (jnp.zeros(2),), order=1, modes="rev")
    assert "at args[0][0] cannot be checked: fun is not finite there" in str(report)


def test_what_the_function_raises_says_how_it_was_called():
    def fun(x, tree):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken") as caught:
        check_gradients(fun, (*ARGS, {"n": 3, "b": jnp.ones((2, 1))}))
    (note,) = (n for n in caught.value.__notes__ if "check_gradients" in n)
    assert "args[0] float64[3], args[1]['b'] float64[2,1], args[1]['n'] int" in note


def test_numpy_functions_are_told_apart():
    with pytest.raises(jax.errors.TracerArrayConversionError) as caught:
        check_gradients(np.sin, ARGS)
    assert "written with jax.numpy, not NumPy" in caught.value.__notes__[-1]
