"""Mistakes with normalising layers: each message says what to write instead."""

import jax
import jax.numpy as jnp
import pytest

from jaxconv import nn
from jaxconv.nn.batch_norm import BatchNorm
from jaxconv.nn.local_response import LocalResponseNorm
from jaxconv.nn.normalization import GroupNorm, LayerNorm
from jaxconv.nn.standardize import weight_standardized

KEY = jax.random.key(0)


def applied(layer, *shape, params_of=(4, 3), **kwargs):
    def call():
        _, params = layer.init(KEY, params_of)
        return layer.apply(params, jnp.ones(shape), **kwargs)

    return call


MISTAKES = {
    "momentum of 0": (
        lambda: BatchNorm(momentum=0),
        r"BatchNorm: momentum must be .*0",
    ),
    "momentum above 1": (lambda: BatchNorm(momentum=1.5), r"at most 1, got 1\.5"),
    "momentum of True": (lambda: BatchNorm(momentum=True), r"momentum .*got True"),
    "epsilon of 0": (lambda: BatchNorm(epsilon=0), r"BatchNorm: epsilon must be a num"),
    "layer's epsilon": (lambda: LayerNorm(epsilon=-1), r"LayerNorm: epsilon .*got -1"),
    "group's epsilon": (lambda: GroupNorm(2, epsilon="x"), r"GroupNorm: epsilon .*'x'"),
    "no groups": (
        lambda: GroupNorm(0),
        r"GroupNorm: groups must be an int of at least",
    ),
    "groups do not divide": (
        lambda: GroupNorm(3).init(KEY, (4, 5, 5)),
        r"groups must divide the channels, got 3 groups and 4 channels \(axis 0 of",
    ),
    "groups do not divide x": (
        lambda: GroupNorm(3).apply({}, jnp.ones((2, 4))),
        r"got 3 groups and 4 channels \(axis 1 of \(2, 4\)\)",
    ),
    "a batch of one": (
        applied(BatchNorm(), 1, 4, 1, params_of=(4, 1), key=KEY),
        r"BatchNorm: training takes at least two numbers a channel, got 1 .*1, 4, 1",
    ),
    "other channels": (
        applied(BatchNorm(), 2, 3, 4),
        r"BatchNorm: x has 3 channels \(axis 1 of \(2, 3, 4\)\) but mean is of \(4,\)",
    ),
    "layer's other channels": (
        applied(LayerNorm(), 2, 3, 4),
        r"LayerNorm: x has 3 channels .* scale is of \(4,\)\. Is x channels-last",
    ),
    "an x without channels": (
        applied(GroupNorm(2), 4),
        r"GroupNorm: x must be \(batch, channels, \*space\).*got \(4,\)\. Write x",
    ),
    "a shape of none": (
        lambda: BatchNorm().init(KEY, ()),
        r"BatchNorm: input_shape must be \(channels, \*space\)",
    ),
    "params without statistics": (
        lambda: BatchNorm().apply({}, jnp.ones((2, 4))),
        r"BatchNorm: params has no 'mean', only \[\]",
    ),
    "x before params": (
        lambda: LayerNorm().apply(jnp.ones((2, 4)), {}),
        r"LayerNorm: params must be a dict",
    ),
    "standardised dense": (
        lambda: weight_standardized(nn.Dense(3)).init(KEY, (4,)),
        r"dense has no filters of its own, only \['bias', 'weights'\]",
    ),
    "standardised numbers": (
        lambda: weight_standardized(nn.Conv2D(3, 1)).init(KEY, (1, 4, 4)),
        r"one number for each of the output channels \(axis 1 of \(1, 3, 1, 1\)\)",
    ),
    "standardised function": (
        lambda: weight_standardized(jnp.tanh),
        r"weight_standardized: layer must be a Layer with filters",
    ),
    "a size of 0": (
        lambda: LocalResponseNorm(0),
        r"LocalResponseNorm: size must be an",
    ),
    "a beta of 0": (
        lambda: LocalResponseNorm(beta=0),
        r"beta must be a number above 0",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(("call", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_normalisation_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


WRONG_TYPES = {
    "whole numbers": (
        lambda: LayerNorm().apply({}, jnp.ones((2, 4), int)),
        r"LayerNorm: x must be of floating-point.*got int32\. Write x\.astype",
    ),
    "decay": (lambda: BatchNorm(decay=0.9), r"Write momentum=1 - decay for decay="),
    "eps": (lambda: BatchNorm(eps=1e-3), r"BatchNorm: .*Write epsilon= for eps="),
    "channels": (lambda: BatchNorm(64), r"the size of the input is for init"),
    "num_groups": (lambda: GroupNorm(num_groups=2), r"Write groups= for num_groups="),
    "key of 0": (
        lambda: BatchNorm().update({}, jnp.ones((2, 4)), key=0),
        r"BatchNorm: key must be a JAX random key",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(
    ("call", "message"), WRONG_TYPES.values(), ids=WRONG_TYPES.keys()
)
def test_a_wrong_type_in_normalisation_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()
