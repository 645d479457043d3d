"""Activations: values, derivatives at corners, and hints for their names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.check import check_gradients
from jaxconv.nn import activations as act
from tests.tiers import fast

X = (-2.0, 0.0, 2.0, 8.0)
VALUES = {  # by Python's math
    "softplus": (act.Softplus(), [0.126928011, 0.693147181, 2.126928011, 8.000335406]),
    "relu6": (act.ReLU6(), [0, 0, 2, 6]),
    "leaky_relu": (act.LeakyReLU(), [-0.02, 0, 2, 8]),
    "leaky_relu, 0.5": (act.LeakyReLU(0.5), [-1, 0, 2, 8]),
    "elu": (act.ELU(), [-0.864664717, 0, 2, 8]),
    "elu, 2": (act.ELU(2.0), [-1.729329434, 0, 2, 8]),
    "gelu": (act.GELU(), [-0.045402306, 0, 1.954597694, 8]),
    "gelu, exact": (act.GELU(approximate=False), [-0.045500264, 0, 1.954499736, 8]),
    "silu": (act.SiLU(), [-0.238405844, 0, 1.761594156, 7.997317199]),
}


@pytest.mark.parametrize("case", VALUES)
def test_value_of_activation(case):
    layer, expected = VALUES[case]
    assert layer.name == case.partition(",")[0]
    y = layer.apply({}, jnp.array([X]))
    np.testing.assert_allclose(y[0], expected, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("case", fast(VALUES, "relu6"))
def test_gradients_of_activation(case):
    x = jnp.array([[-1.75, -0.5, 0.5, 1.25, 7.0]])
    report = check_gradients(lambda x: VALUES[case][0].apply({}, x), (x,))
    assert report.ok, str(report)


@pytest.mark.parametrize(
    ("make", "slopes"),
    [(act.ReLU, [0, 1]), (act.ReLU6, [0, 0]), (act.LeakyReLU, [1, 1])],
)
def test_derivative_at_corners(make, slopes):
    y, pull = jax.vjp(lambda x: make().apply({}, x), jnp.array([[0.0, 6.0]]))
    assert pull(jnp.ones_like(y))[0][0].tolist() == slopes


def test_relu6_lets_nan_through():
    assert jnp.isnan(act.ReLU6().apply({}, jnp.array([jnp.nan]))).all()


@pytest.mark.extras
@pytest.mark.parametrize(
    ("ours", "name", "settings"),
    [
        (act.Softplus(), "Softplus", {}),
        (act.ReLU(), "ReLU", {}),
        (act.ReLU6(), "ReLU6", {}),
        (act.LeakyReLU(0.2), "LeakyReLU", {"negative_slope": 0.2}),
        (act.ELU(1.5), "ELU", {"alpha": 1.5}),
        (act.GELU(), "GELU", {"approximate": "tanh"}),
        (act.GELU(approximate=False), "GELU", {}),
        (act.SiLU(), "SiLU", {}),
        (act.Sigmoid(), "Sigmoid", {}),
        (act.Tanh(), "Tanh", {}),
    ],
)
def test_activation_and_derivative_are_pytorchs(ours, name, settings):
    torch = pytest.importorskip("torch")
    their_x = torch.linspace(-8, 8, 64, requires_grad=True)  # without 0
    expected = getattr(torch.nn, name)(**settings)(their_x)
    expected.sum().backward()
    x = jnp.array(their_x.detach().numpy())
    y, pull = jax.vjp(lambda x: ours.apply({}, x), x)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    slopes = pull(jnp.ones_like(x))[0]
    np.testing.assert_allclose(slopes, their_x.grad.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("gelu", r"GELU\(\)"),
        ("leaky_relu", r"LeakyReLU\(\)"),
        ("swish", r"SiLU\(\)"),
        ("relu6", r"ReLU6\(\)"),
        ("softmax", r"a function such as jax\.nn\.gelu"),
    ],
)
def test_an_activations_name_is_no_activation(name, call):
    with pytest.raises(ValueError, match=rf"got '{name}'\. Write {call}\."):
        nn.Dense(3, activation=name)


MISTAKES = {
    "slope": (
        lambda: act.LeakyReLU("x"),
        r"LeakyReLU: slope must be a number, got 'x'",
    ),
    "alpha": (lambda: act.ELU(None), r"ELU: alpha must be a number, got None"),
    "no parentheses": (
        lambda: nn.Dense(3, activation=act.LeakyReLU),
        r"Write LeakyReLU\(\)\.",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(("call", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_an_activation_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
