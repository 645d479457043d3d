"""`check_gradients` of gradients written by hand: NumPy, layers, anything callable."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.check import check_gradients

pytestmark = pytest.mark.usefixtures("our_errors")

X = np.linspace(0.5, 1, 3)
PARAMS = {"w": np.linspace(-1, 1, 6).reshape(3, 2), "b": np.ones(2), "steps": 3}


def dense(params, x):
    return np.tanh(x @ params["w"] + params["b"]) * params["steps"]


def backward(params, x, g):
    y = dense(params, x)
    g = g * (params["steps"] - y**2 / params["steps"])
    return {"w": np.outer(x, g), "b": g}, params["w"] @ g


def check(change=lambda dp, dx: (dp, dx), fun=dense, **options):
    def changed(params, x, g):
        return change(*backward(params, x, g))

    return check_gradients(fun, (PARAMS, X), backward=changed, **options)


def test_a_right_gradient_of_a_numpy_function_passes():
    report = check()
    assert report.ok, str(report)
    assert [(row.check, row.map) for row in report.rows] == [
        ("once more", "fun"),
        ("order 1", "backward"),
    ]


def with_error(dp, dx):
    error = np.zeros((3, 2))
    error[2, 1] = 1e-6
    return dp | {"w": dp["w"] + error}, dx


@pytest.mark.parametrize("entries", [256, 1], ids=["each", "at random"])
def test_a_wrong_element_is_named(entries):
    (failure,) = check(with_error, entries=entries).failures
    assert (failure.map, failure.check) == ("backward", "order 1")
    assert "at args[0]['w'][2, 1] is " in failure.problem


def test_a_scalar_loss_takes_a_number_and_one_gradient_alone():
    def loss(x):
        return float(np.sum(x**2))

    def slope(x, g):
        assert isinstance(g, float)
        return 2 * x * g

    assert check_gradients(loss, (X,), backward=slope).ok
    (failure,) = check_gradients(loss, (X,), backward=lambda x, g: x * g).failures
    assert "derivative of output 0 at args[0][2] is 1, expected 2" in failure.problem


def test_each_library_gets_its_own_arrays_and_may_write_into_them():
    def fun(x, y, n):
        assert (type(x), type(n)) == (np.ndarray, int)
        assert isinstance(y, jax.Array)
        assert np.allclose(x, X, atol=0.01)
        result = x * np.asarray(y) * n
        x[:] = 0
        return result

    def gradient(x, y, n, g):
        return g * np.asarray(y) * n, g * x * n, None

    assert check_gradients(fun, (X, jnp.ones(3), 2), backward=gradient).ok


def test_each_of_several_results_has_its_own_weights():
    def fun(x):
        return {"square": x**2, "count": 3, "sum": np.sum(x)}

    def gradient(x, g):
        assert g["count"] == 0
        return 2 * x * g["square"] + g["sum"]

    assert check_gradients(fun, (X,), backward=gradient).ok


def test_gradients_in_float32_are_checked_as_coarsely():
    def slope(x, g):
        return (g * np.cos(x)).astype("float32")

    assert check_gradients(np.sin, (X,), backward=slope).ok


def test_a_gradient_that_is_written_for_jax_is_checked_too():
    report = check_gradients(jnp.sin, (X,), backward=lambda x, g: g * jnp.sin(x))
    assert [failure.map for failure in report.failures] == ["backward"]


WRONG = {
    "raises": (lambda dp, dx: 1 / 0, r"raised ZeroDivisionError: division by zero\."),
    "one of two": (lambda dp, dx: dx[0], r"must return a tuple of 2 gradients, one "),
    "no leaf": (
        lambda dp, dx: ({"w": dp["w"]}, dx),
        r"must return a gradient at args\[0\]\['b'\], got gradients at args\[0\]\[",
    ),
    "a shape": (
        lambda dp, dx: (dp | {"w": dp["w"].T}, dx),
        r"must return a gradient of shape \(3, 2\) at args\[0\]\['w'\], got \(2, 3\)\.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_gradient_is_a_failure(change, words):
    (failure,) = check(change).failures
    assert re.match(f"backward, order 1: backward {words}", str(failure))


def test_a_function_that_does_not_repeat_itself_is_not_compared():
    rng = np.random.default_rng(0)
    report = check(fun=lambda params, x: dense(params, x) * rng.normal())
    (failure,) = report.failures
    assert "fun, once more: it returns another result" in str(failure)


def test_a_function_that_raises_a_step_away_is_a_failure():
    def fragile(params, x):
        if not np.array_equal(x, X):
            raise ValueError("out of range")
        return dense(params, x)

    (failure,) = check(fun=fragile).failures
    assert (
        failure.problem
        == "fun raised ValueError: out of range at a small step from args"
    )


def test_what_the_function_raises_says_how_it_was_called():
    def broken(params, x):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken") as caught:
        check(fun=broken)
    assert (
        "args[0]['w'] float64[3,2], args[1] float64[3]." in caught.value.__notes__[-1]
    )


MISTAKES = {
    "order 2": ({"order": 2}, "order must be 1 with backward, which has no derivative"),
    "no function": ({"backward": 3}, r"backward must be a function of \(\*args, g\)"),
    "no result": ({"fun": lambda x: None}, r"got none\. Is its return missing\?"),
}


@pytest.mark.parametrize(("given", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(given, message):
    given = {"fun": np.sin, "args": (X,), "backward": lambda x, g: g} | given
    with pytest.raises(ValueError, match=f"check_gradients: .*{message}"):
        check_gradients(**given)


def test_a_point_where_the_function_is_not_finite_is_named_without_warnings():
    def gradient(x, g):
        return g / x

    (failure,) = check_gradients(np.log, (np.zeros(2),), backward=gradient).failures
    assert "at args[0][0] cannot be checked: fun is not finite" in failure.problem
