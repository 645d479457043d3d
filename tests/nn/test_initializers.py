"""Weights have the variance of their initializer, which sees JAX's order of axes."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from tests.tiers import fast

KEY = jax.random.key(0)


def test_glorot_has_variance_2_over_fan_in_and_fan_out():
    _, params = nn.Conv2D(64, 5, weight_init="glorot").init(KEY, (32, 9, 9))
    expected = 2 / (25 * 32 + 25 * 64)
    # The variance of 51,200 draws has a relative deviation of sqrt(2 / 51200) = 0.6 %.
    assert jnp.var(params["filters"]) == pytest.approx(expected, rel=0.04)


def test_standard_has_variance_1():
    _, params = nn.Dense(200, weight_init="standard").init(KEY, (300,))
    assert jnp.var(params["weights"]) == pytest.approx(1, rel=0.04)


def test_an_initializer_of_jax_is_taken():
    layer = nn.Dense(2, weight_init=jax.nn.initializers.constant(3.0))
    _, params = layer.init(KEY, (4,))
    assert (params["weights"] == 3).all()


def he(fan_in):
    return 2 / fan_in


VARIANCES = {  # 5 x 5 filters, 32 channels in, 64 out
    "glorot": ("glorot", 1, 2 / (25 * 32 + 25 * 64)),
    "he": ("he", 1, he(25 * 32)),
    "lecun": ("lecun", 1, 1 / (25 * 32)),
    "he_normal()": (jax.nn.initializers.he_normal(), 1, he(25 * 32)),
    "glorot_uniform()": (
        jax.nn.initializers.glorot_uniform(),
        1,
        2 / (25 * 32 + 25 * 64),
    ),
    "he, grouped": ("he", 4, he(25 * 8)),
    "he_normal(), grouped": (jax.nn.initializers.he_normal(), 4, he(25 * 8)),
}
KINDS = {"conv": nn.Conv2D, "transposed": nn.ConvTranspose}


@pytest.mark.parametrize(
    "case",
    fast(
        [f"{kind}: {name}" for kind, name in itertools.product(KINDS, VARIANCES)],
        "conv: glorot",
        "conv: he",
        "conv: lecun",
        "conv: he_normal()",
        "transposed: he, grouped",
        "transposed: he_normal(), grouped",
    ),
)
def test_weights_have_the_variance_that_their_fans_give(case):
    kind, name = case.split(": ")
    weight_init, groups, expected = VARIANCES[name]
    layer = KINDS[kind](64, 5, weight_init=weight_init, groups=groups)
    _, params = layer.init(KEY, (32, 6, 6))
    # At least 12,800 draws: a relative deviation of sqrt(2 / 12800) = 1.3 %.
    assert jnp.var(params["filters"]) == pytest.approx(expected, rel=0.06)


def test_dense_weights_have_the_variance_that_their_fans_give():
    for weight_init in ("he", jax.nn.initializers.he_normal()):
        _, params = nn.Dense(400, weight_init=weight_init).init(KEY, (100,))
        assert jnp.var(params["weights"]) == pytest.approx(2 / 100, rel=0.04)


def coded(key, shape, dtype):
    """Draw no numbers but the index of each place, of which `shape` has ten at most."""
    places = [
        10**i * jnp.arange(n).reshape(-1, *(1,) * i)
        for i, n in enumerate(reversed(shape))
    ]
    return functools.reduce(jnp.add, jnp.broadcast_arrays(*places)).astype(dtype)


def test_an_initializer_sees_jaxs_order_of_axes():
    _, params = nn.Conv2D(4, (3, 2), weight_init=coded, groups=2).init(KEY, (6, 5, 7))
    assert params["filters"].shape == (3, 4, 3, 2)
    assert params["filters"][2, 3, 1, 0] == 1023  # (height, width, in, out)


def test_an_initializer_sees_groups_of_a_transposed_layer_as_of_any():
    layer = nn.ConvTranspose(4, (3, 2), weight_init=coded, groups=2)
    _, params = layer.init(KEY, (6, 5, 7))
    assert params["filters"].shape == (6, 2, 3, 2)
    # Input 4 is the second one of group 1, whose output 0 is output 2 of all.
    assert params["filters"][4, 0, 1, 0] == 1012


def test_named_weights_are_the_same_numbers_as_ever():
    _, params = nn.Conv2D(3, 2).init(KEY, (2, 4, 5))
    draw = jax.nn.initializers.glorot_normal(in_axis=0, out_axis=1)
    expected = draw(KEY, (2, 3, 2, 2), jnp.float32)
    np.testing.assert_array_equal(params["filters"], expected)


def test_params_are_float32_whatever_an_initializer_draws():
    def ones(key, shape, dtype):
        return np.ones(shape, int)

    _, dense = nn.Dense(3, weight_init=ones).init(KEY, (2,))
    _, conv = nn.Conv1D(3, 2, weight_init=ones).init(KEY, (2, 4))
    assert dense["weights"].dtype == conv["filters"].dtype == "float32"


def test_no_weight_is_drawn_for_shapes_alone():
    model = nn.serial(
        nn.Conv2D(2**16, 3, bias=True, weight_init="he"),
        nn.Depthwise(3, weight_init=jax.nn.initializers.he_normal()),
        nn.ConvTranspose(2**16, 3, groups=4, weight_init="lecun"),
        nn.Separable(2**16, 3, flatten=True, weight_init="standard"),
        nn.Dense(2**16),
    )
    init = functools.partial(model.init, input_shape=(2**16, 8, 8))
    _, params = jax.eval_shape(init, KEY)
    assert params["conv1"]["filters"].shape == (2**16, 2**16, 3, 3)
    assert params["dense1"]["weights"].shape == (100 * 2**16, 2**16)
