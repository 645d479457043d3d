"""Settings that several public functions take are the same, and all are checked.

Each signature is written out, so that `help` and type checkers show it.
"""

import inspect

import jax.numpy as jnp
import pytest

from jaxconv import (
    conv,
    conv_input_grad,
    conv_param_grad,
    explain,
    per_example_grad_norms,
)

SETTINGS = {  # none is its default
    "strides": 2,
    "padding": "VALID",
    "padding_mode": "circular",
    "input_dilation": 3,
    "kernel_dilation": 4,
    "groups": 5,
    "method": "taps",
    "memory_limit": 6,
    "precision": "high",
}
X, W, G = jnp.zeros((1, 2, 8)), jnp.zeros((2, 3, 3)), jnp.zeros((1, 3, 8))
CALLS = {
    conv: ((X, W), {}),
    conv_input_grad: ((G, W), {"input_shape": X.shape}),
    conv_param_grad: ((X, G), {"kernel_shape": W.shape}),
    explain: ((X, W), {}),
    per_example_grad_norms: ((X, G), {"kernel_shape": W.shape}),
}
LEFT_OUT = {per_example_grad_norms: {"memory_limit", "preferred_element_type"}}


def defaulted(function):
    parameters = inspect.signature(function).parameters.values()
    return [p for p in parameters if p.default is not p.empty]


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
def test_settings_have_the_names_types_and_defaults_of_conv(function):
    left_out = LEFT_OUT.get(function, set())
    expected = [p for p in defaulted(conv) if p.name not in left_out]
    assert defaulted(function) == expected
    assert {p.kind for p in expected} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
def test_every_setting_is_checked(monkeypatch, function):
    seen = {}

    def checks(*shapes, **settings):
        seen.update(settings)
        raise InterruptedError

    left_out = LEFT_OUT.get(function, set())
    settings = {k: value for k, value in SETTINGS.items() if k not in left_out}
    module = inspect.getmodule(inspect.unwrap(function))
    monkeypatch.setattr(module, "prepared", checks)
    operands, shapes = CALLS[function]
    with pytest.raises(InterruptedError):
        function(*operands, **shapes, **settings)
    assert seen == settings
