"""One step of training: a lower loss, other units dropped, microbatches averaged."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.train import Config, init_state, make_optimizer, make_step


def test_the_step_donates_its_state():
    model, optimizer = nn.Dense(3), make_optimizer(Config())
    state = init_state(model, optimizer, (4,), seed=0)
    make_step(model, optimizer)(state, jnp.ones((2, 4)), jnp.array([0, 1]))
    assert state.params["weights"].is_deleted()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_step_lowers_the_loss_of_its_batch(optimizer):
    model = nn.Dense(3)
    optimizer = make_optimizer(Config(optimizer=optimizer))
    state = init_state(model, optimizer, (4,), seed=0)
    step = make_step(model, optimizer)
    x, labels = jnp.eye(4), jnp.array([0, 1, 2, 0])
    losses = []
    for _ in range(5):
        with jax.numpy_dtype_promotion("standard"):  # optax's adam mixes its types
            state, metrics = step(state, x, labels)
        losses.append(float(metrics.loss))
    assert losses == sorted(losses, reverse=True)
    assert state.step == 5


def test_every_step_drops_other_units():
    model, optimizer = nn.Dropout(0.5), make_optimizer(Config())
    state = init_state(model, optimizer, (50,), seed=0)
    step = make_step(model, optimizer)
    x, labels = jnp.arange(100.0).reshape(2, 50), jnp.array([0, 1])
    state, first = step(state, x, labels)
    _, second = step(state, x, labels)
    assert first.loss != second.loss


@pytest.mark.parametrize("microbatches", [2, 3, 9])
def test_microbatches_average_to_the_batch(microbatches, rng):
    model = nn.serial(nn.Conv2D(2, 3, flatten=True), nn.Dense(3))
    optimizer = make_optimizer(Config(learning_rate=0.5))
    x, labels = jnp.array(rng.normal(size=(5, 1, 4, 4)), "float32"), jnp.arange(5) % 3
    runs = []
    for count in (1, microbatches):
        state = init_state(model, optimizer, (1, 4, 4), seed=0)
        state, metrics = make_step(model, optimizer, count)(state, x, labels)
        runs.append(jax.tree.leaves((state.params, metrics)))
    for whole, parts in zip(*runs, strict=True):
        np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


def test_every_microbatch_drops_other_units():
    model, optimizer = nn.Dropout(0.5), make_optimizer(Config())
    x, labels = jnp.arange(50.0)[None], jnp.array([0])
    state = init_state(model, optimizer, (50,), seed=0)
    _, one = make_step(model, optimizer)(state, x, labels)
    state = init_state(model, optimizer, (50,), seed=0)
    twice = jnp.concatenate([x, x]), jnp.concatenate([labels, labels])
    _, two = make_step(model, optimizer, 2)(state, *twice)
    assert one.loss != two.loss


def test_a_step_asks_for_a_microbatch_and_an_image(our_errors):
    model, optimizer = nn.Dense(3), make_optimizer(Config())
    with pytest.raises(ValueError, match=r"microbatches must be at least 1, got 0"):
        make_step(model, optimizer, 0)
    state = init_state(model, optimizer, (4,), seed=0)
    with pytest.raises(ValueError, match=r"must hold at least one image"):
        make_step(model, optimizer)(state, jnp.ones((0, 4)), jnp.array([], "int32"))
