"""Tuples of arrays flow through combinators: joined, added, and around a shortcut."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.nn.activations import Linear, elementwise
from jaxconv.nn.combine import each, parallel, residual, serial
from jaxconv.nn.convolution import Conv2D
from jaxconv.nn.layer import eval_shape, update
from jaxconv.nn.shortcut import PadChannels
from jaxconv.nn.walk import walk

KEY = jax.random.key(0)
PAIR = ((2, 4, 3), (1, 4, 3))
DOUBLE = elementwise(lambda x: 2 * x, "double")


def draw_pair(rng):
    return tuple(
        jnp.asarray(rng.standard_normal((2, *shape), np.float32)) for shape in PAIR
    )


def test_each_joins_what_it_makes_of_a_pair(rng):
    first, second = draw_pair(rng)
    layer = each(DOUBLE, Linear(), join="concatenate")
    y = layer.apply({}, (first, second))
    assert layer.init(KEY, PAIR)[0] == y.shape[1:] == (3, 4, 3)
    np.testing.assert_array_equal(y, np.concatenate([2 * first, second], 1))
    layer = each(DOUBLE, PadChannels(2), join="sum")
    y = layer.apply({}, (first, second))
    assert layer.init(KEY, PAIR)[0] == y.shape[1:] == (2, 4, 3)
    np.testing.assert_array_equal(y[:, 1], 2 * first[:, 1])
    np.testing.assert_allclose(y[:, 0], 2 * first[:, 0] + second[:, 0])


def test_each_names_its_own_error():
    with pytest.raises(ValueError, match=r"^each: outputs that are added must"):
        eval_shape(each(DOUBLE, Linear(), join="sum"), PAIR)
    with pytest.raises(ValueError, match=r"^each: give at least one layer"):
        each()


@pytest.mark.usefixtures("our_errors")
def test_each_knows_its_joins():
    with pytest.raises(
        ValueError, match=r'^each: join must be "sum", "concat.* \'add\''
    ):
        each(DOUBLE, join="add")


def test_a_residual_adds_a_pair_to_a_pair(rng):
    pair = draw_pair(rng)
    model = residual(each(DOUBLE, DOUBLE))
    assert model.init(KEY, PAIR) == (PAIR, {})
    apply = jax.jit(lambda pair: update(model, {}, pair)[0])
    for y, x in zip(apply(pair), pair, strict=True):
        np.testing.assert_allclose(y, 3 * x, rtol=1e-6)


def test_pairs_that_are_added_must_have_one_shape():
    other = each(PadChannels(3), Linear())
    with pytest.raises(ValueError, match=r"parallel: outputs that are added .*\(3, 4"):
        eval_shape(parallel(each(DOUBLE, DOUBLE), other), PAIR)


def test_a_walk_goes_on_behind_a_pair_that_was_joined():
    model = serial(each(DOUBLE, PadChannels(2), join="sum"), Conv2D(5, 3))
    *before, last = walk(model, PAIR)
    assert last.path == "conv1"
    assert last.input_shape == (2, 4, 3)
    assert last.sources == tuple(before)
