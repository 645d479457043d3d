"""Steps with masked rows, averaged parameters, accumulated and clipped gradients."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.train import Config, init_state, make_optimizer, make_step
from jaxconv.train.batches import Batches
from jaxconv.train.devices import Devices
from jaxconv.train.optimizer import learning_rates
from jaxconv.train.scaling import Scaling, scaling_of
from tests.train.dense import DENSE, equal

X = np.random.default_rng(0).normal(size=(5, 1, 2, 3)).astype(np.float32)
LABELS = np.array([0, 1, 2, 1, 0], np.int32)


# Rows that do not count


@pytest.mark.parametrize(
    "model",
    [DENSE, nn.serial(nn.Conv2D(2, 3), nn.BatchNorm(), nn.Flatten(), nn.Dense(3))],
    ids=["dense", "batch_norm"],
)
def test_rows_that_the_mask_leaves_out_count_nowhere(model):
    optimizer = make_optimizer(Config(momentum=0.5))
    padded = np.concatenate([X, np.full((3, 1, 2, 3), 1e3, np.float32)])
    labels, mask = np.concatenate([LABELS, [2, 2, 2]]), np.arange(8) < 5
    found = []
    for batch in ((X, LABELS), (padded, labels, mask)):
        state = init_state(model, optimizer, (1, 2, 3), seed=0)
        found.append(make_step(model, optimizer)(state, *batch))
    (state, metrics), (masked, masked_metrics) = found
    for one, other in zip(
        jax.tree.leaves((state.params, metrics)),
        jax.tree.leaves((masked.params, masked_metrics)),
        strict=True,
    ):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)


def test_microbatches_of_masked_rows_average_to_the_batch():
    optimizer = make_optimizer(Config())
    mask = np.array([True, True, True, False, False])
    found = []
    for parts in (1, 2, 5):  # with 5, two have no row that counts
        state = init_state(DENSE, optimizer, (1, 2, 3), seed=0)
        step = make_step(DENSE, optimizer, parts)
        found.append(jax.tree.leaves(step(state, X, LABELS, mask)[0].params))
    for parts in found[1:]:
        for one, other in zip(found[0], parts, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)


def test_batches_that_do_not_divide_are_filled_up():
    """Seven images, four at a time: every image once, and a row that does not count."""
    images = np.arange(7, dtype=np.uint8).reshape(7, 1, 1, 1)
    labels = np.arange(7, dtype=np.int32)
    batches = Batches((images, labels), Scaling(1.0, 2.0), 4, Devices())
    assert batches.per_epoch == 2
    for epoch in (0, 1):
        first, second = (
            jax.tree.map(np.asarray, batches.at(2 * epoch + i, seed=3)) for i in (0, 1)
        )
        assert first.images.shape == second.images.shape == (4, 1, 1, 1)
        assert (first.size, second.size) == (4, 3)
        assert first.mask.tolist() == [True] * 4
        assert second.mask.tolist() == [True] * 3 + [False]
        seen = [*first.labels, *second.labels[:3]]
        assert sorted(seen) == list(range(7))
        assert second.images[3] == second.labels[3] == 0
        values = first.images[:, 0, 0, 0] * 2 + 1
        np.testing.assert_array_equal(values, first.labels)
    whole = Batches((images, labels), Scaling(1.0, 2.0), 7, Devices())
    assert whole.at(0, seed=3).mask is None


def test_the_scaling_gives_mean_0_and_deviation_1(rng):
    images = rng.integers(0, 256, (50, 3, 7, 5), dtype=np.uint8)
    scaled = scaling_of(images)(images)
    assert scaled.dtype == np.float32
    assert scaled.mean(dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert scaled.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)


# Averages and accumulation


def test_the_average_follows_the_params():
    """The first step keeps 2/11 of the old average, the second 3/12, as 0.9 is more."""
    optimizer = make_optimizer(Config(learning_rate=0.5))
    state = init_state(DENSE, optimizer, (1, 2, 3), seed=0, average=True)
    step = make_step(DENSE, optimizer, ema=0.9)
    expected = np.array(state.params["dense1"]["weights"])
    for kept in (2 / 11, 3 / 12):
        state, _ = step(state, X, LABELS)
        new = np.array(state.params["dense1"]["weights"])
        expected = kept * expected + (1 - kept) * new
    average = state.average["dense1"]["weights"]
    np.testing.assert_allclose(average, expected, rtol=1e-6)
    assert not np.allclose(average, new)


@pytest.mark.parametrize("average", [False, True])
def test_a_state_without_its_average_is_refused(average):
    optimizer = make_optimizer(Config())
    state = init_state(DENSE, optimizer, (1, 2, 3), seed=0, average=average)
    step = make_step(DENSE, optimizer, ema=0.0 if average else 0.9)
    with pytest.raises(ValueError, match=rf"Write init_state.*average={not average}\)"):
        step(state, X, LABELS)


def test_accumulated_gradients_are_those_of_a_larger_batch():
    """Two steps of one half each: one update, that of the whole."""
    config = Config(learning_rate=0.5, accumulate=2)
    x, labels = X[:4], LABELS[:4]
    optimizer = make_optimizer(config)
    state = init_state(DENSE, optimizer, (1, 2, 3), seed=0)
    first = jax.tree.map(np.array, state.params)
    step = make_step(DENSE, optimizer)
    with jax.numpy_dtype_promotion("standard"):  # optax.MultiSteps mixes its types
        state, _ = step(state, x[:2], labels[:2])
        equal(state.params, first)
        state, _ = step(state, x[2:], labels[2:])
    optimizer = make_optimizer(dataclasses.replace(config, accumulate=1))
    whole = init_state(DENSE, optimizer, (1, 2, 3), seed=0)
    whole, _ = make_step(DENSE, optimizer)(whole, x, labels)
    for one, other in zip(
        jax.tree.leaves(state.params), jax.tree.leaves(whole.params), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_the_last_update_is_of_the_steps_that_are_left():
    """Five steps, two at a time: updates after the second, the fourth, the fifth."""
    optimizer = make_optimizer(Config(learning_rate=1.0, momentum=0.0, accumulate=2), 5)
    params = jnp.zeros(())
    state, seen = optimizer.init(params), []
    with jax.numpy_dtype_promotion("standard"):
        for gradient in (1.0, 3.0, 5.0, 7.0, 9.0):
            update, state = optimizer.update(jnp.asarray(gradient), state, params)
            seen.append(float(update))
    assert seen == [0, -2, 0, -6, -9]


def test_gradients_are_clipped_by_their_norm():
    config = Config(learning_rate=1.0, momentum=0.0, clip_norm=0.5)
    optimizer = make_optimizer(config)
    gradients = {"a": jnp.array(3.0), "b": jnp.array(4.0)}
    updates, _ = optimizer.update(gradients, optimizer.init(gradients), gradients)
    assert updates == pytest.approx({"a": -0.3, "b": -0.4})


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_learning_rate_warms_up(schedule):
    config = Config(schedule=schedule, learning_rate=2.0, warm_up=4, accumulate=3)
    rate = learning_rates(config, 36)  # 12 updates
    with jax.numpy_dtype_promotion("standard"):
        rates = [float(rate(update)) for update in (0, 1, 2, 4, 8, 12)]
    falls = [2, 2, 2] if schedule == "constant" else [2, 1, 0]
    assert rates == pytest.approx([0, 0.5, 1, *falls])
