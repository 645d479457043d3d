"""`check_gradients`: right derivatives pass, wrong rules are found and named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv
from jaxconv.check import check_gradients


def scaled_exp(error, where=slice(None), forward=True):
    """exp with a rule of its own, whose derivative is wrong by a factor at places."""

    def factors(x):
        return jnp.ones_like(x).at[where].set(1 + error)

    if forward:
        rule = jax.custom_jvp(jnp.exp)
        rule.defjvps(lambda t, y, x: t * y * factors(x))
        return rule
    rule = jax.custom_vjp(jnp.exp)
    rule.defvjp(lambda x: (jnp.exp(x), x), lambda x, g: (g * jnp.exp(x) * factors(x),))
    return rule


def test_a_right_model_passes(rng):
    params = {
        "w": jnp.array(rng.normal(size=(2, 3, 3)), "float32"),
        "b": jnp.array(rng.normal(size=3), "float32"),
    }
    x = jnp.array(rng.normal(size=(2, 2, 6)), "float32")

    def model(params, x):
        return jnp.tanh(jaxconv.conv(x, params["w"]) + params["b"][None, :, None])

    report = check_gradients(model, (params, x))
    assert report.ok, str(report)
    assert [row.map for row in report.rows] == [
        "fwd", "rev", "fwd of fwd", "rev of fwd", "fwd of rev", "rev of rev",
    ]  # fmt: skip


@pytest.mark.parametrize("error", [1e-2, 1e-5])
def test_a_wrong_forward_rule_is_found_in_both_modes(error):
    report = check_gradients(scaled_exp(error, 3), (jnp.linspace(-1, 1, 7),), order=1)
    assert [failure.map for failure in report.failures] == ["fwd", "rev"]
    assert "the derivative of output 3 at args[0][3]" in report.failures[0].problem


def test_a_wrong_reverse_rule_is_found_and_names_the_leaf():
    exp = scaled_exp(0.02, (1, 0), forward=False)

    def fun(tree):
        return {"sum": exp(tree["a"]).sum() + tree["n"], "b": tree["b"] ** 2}

    args = ({"a": jnp.ones((2, 3)), "b": jnp.arange(2.0), "n": 3},)
    report = check_gradients(fun, args, order=1, modes=("rev",))
    assert "at args[0]['a'][1, 0]" in report.failures[0].problem
    assert len(report.failures) == 1


@pytest.mark.parametrize("outputs", ["many", "one"])
def test_one_wrong_element_of_a_large_array_is_found(outputs):
    exp = scaled_exp(0.02, 1234)
    fun = exp if outputs == "many" else lambda x: exp(x).sum()
    report = check_gradients(fun, (jnp.linspace(-1, 1, 3000),), order=1)
    assert "args[0][1234]" in report.failures[0].problem


def test_a_wrong_second_derivative_is_found():
    @jax.custom_jvp
    def square(x):
        return x**2

    @square.defjvp
    def rule(primals, tangents):
        (x,), (t,) = primals, tangents
        return x**2, 2 * jax.lax.stop_gradient(x) * t

    x = jnp.arange(1.0, 4)
    assert check_gradients(square, (x,), order=1).ok
    second = check_gradients(square, (x,), order=2)
    assert {failure.check for failure in second.failures} == {"order 2"}


def test_a_function_that_goes_through_float32_is_checked_as_coarsely(rng):
    x = jnp.array(rng.normal(size=5))

    def fun(x):
        return jnp.sin(x.astype("float32"))

    assert check_gradients(fun, (x,), order=1).ok


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(
    ("fun", "args", "facts", "message"),
    [
        (jnp.sin, (jnp.arange(3),), {}, "must hold a real floating-point array, got"),
        (jnp.sin, (jnp.ones(3),), {"modes": ("back",)}, 'modes must be "fwd", "rev"'),
        (
            jnp.argmax,
            (jnp.ones(3),),
            {},
            "fun must return a real floating-point array, got",
        ),
    ],
    ids=["whole numbers", "unknown mode", "no real result"],
)
def test_mistake(fun, args, facts, message):
    with pytest.raises(ValueError, match=message):
        check_gradients(fun, args, **facts)


def test_numbers_are_counted():
    report = check_gradients(jnp.sin, (jnp.ones(3),), order=1, modes=("fwd",))
    assert np.sum([row.compared for row in report.rows]) == 9
