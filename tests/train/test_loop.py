"""What the loop does beyond steps: averages, accumulation, early stops, the guard."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxconv import nn
from jaxconv.train import (
    Config,
    DivergedError,
    Metrics,
    PlainLines,
    fit,
    init_state,
    make_optimizer,
    make_step,
)
from jaxconv.train.batches import Batches
from jaxconv.train.devices import Devices
from jaxconv.train.keeper import Notes
from jaxconv.train.measured import Measured
from jaxconv.train.optimizer import learning_rates
from jaxconv.train.rate_finder import find_learning_rate
from jaxconv.train.scaling import Scaling, scaling_of
from jaxconv.train.splits import splits_of
from tests.train.stripes import stripes

DENSE = nn.serial(nn.Flatten(), nn.Dense(3))
X = np.random.default_rng(0).normal(size=(5, 1, 2, 3)).astype(np.float32)
LABELS = np.array([0, 1, 2, 1, 0], np.int32)


DATA = stripes(23, 8)
QUICK = Config(batch_size=5, learning_rate=0.1, microbatches=1, validate_every=0)


def trained(model=DENSE, data=DATA, **settings):
    """Train on the stripes; return the result and the lines that were told."""
    lines = []
    with jax.numpy_dtype_promotion("standard"):  # optax's schedules mix their types
        config = dataclasses.replace(QUICK, **settings)
        return fit(model, data, config, PlainLines(lines.append)), lines


def equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


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


def test_what_is_validated_and_returned_is_the_average():
    result, _ = trained(ema=0.9)
    equal(result.params, result.state.average)
    images, labels = DATA.test
    logits = DENSE.apply(result.params, result.scaling(images))
    assert result.accuracy == np.mean(np.argmax(logits, 1) == labels)


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


# Validation, and when to stop


def test_the_best_params_of_the_held_out_images_are_kept():
    """Where there is nothing to learn, the last params are not the best ones."""
    noise = np.random.default_rng(5).integers(0, 256, (23, 1, 3, 4), np.uint8)
    data, seen = DATA._replace(train=(noise, DATA.train[1])), []

    class Recorder(PlainLines):
        def validation(self, done, accuracy):
            seen.append(accuracy)

    config = dataclasses.replace(QUICK, held_out=6, validate_every=2, epochs=4)
    result = fit(DENSE, data, config, Recorder(lambda line: None))
    assert result.batches == 16
    assert result.accuracy == max(seen) > seen[-1]
    images, labels = splits_of(data, config).test
    logits = DENSE.apply(result.params, result.scaling(images))
    assert result.accuracy == np.mean(np.argmax(logits, 1) == labels)


def test_training_stops_where_no_validation_is_better():
    """After the first ones all images are right: then two more validations."""
    result, lines = trained(held_out=6, validate_every=1, epochs=20, patience=2)
    assert result.accuracy == 1
    early = [line for line in lines if line.startswith("Stopping early")]
    best = next(
        i for i, line in enumerate(lines[1:], 1) if "100.00%" in line
    )  # a line for each batch
    assert early == [
        f"Stopping early after {best + 2} batches: no validation was better than that "
        f"after {best}."
    ]
    assert result.batches == best + 2


def test_patience_is_counted_from_the_last_better_validation():
    notes, waited = Notes(), []
    for done, accuracy in enumerate([0.5, 0.4, 0.6, 0.6, 0.5], 1):
        notes.is_better(accuracy, done)
        waited.append(notes.waited)
    assert waited == [0, 1, 0, 1, 2]
    assert (notes.best_accuracy, notes.best_step) == (0.6, 3)


def test_a_few_batches_are_learned_by_heart():
    result, _ = trained(overfit_batches=2, epochs=10, seed=4)
    assert result.batches == 50  # as many steps as for all images
    assert result.accuracy == 1
    assert result.scaling != trained()[0].scaling  # that of ten images


def test_a_data_sets_notes_are_told():
    _, lines = trained(data=DATA._replace(notes=("These are stripes.",)))
    assert lines[0] == "These are stripes."


def test_the_first_loss_that_is_not_finite_is_named():
    measured = Measured()
    for done, loss in enumerate([1.0, 2.0, float("inf"), float("nan")], 1):
        measured.add(done, Metrics(jnp.asarray(loss), jnp.asarray(0.5)), 7)
    assert measured.take(2, "")[:2] == (1.5, 0.5)
    with pytest.raises(DivergedError, match=r"after 3 batches: .*Go on from there"):
        measured.take(0, "Go on from there.")


# The learning-rate finder


def test_the_suggested_rate_lies_where_the_loss_falls():
    found = find_learning_rate(DENSE, DATA, QUICK)
    least = found.rates[np.argmin(found.losses)]
    assert found.rates[0] == 1e-6
    assert 1e-4 < found.suggestion <= least / 10
    assert np.all(np.diff(np.log(found.rates)) == pytest.approx(0.1628, rel=1e-3))


def test_a_model_that_cannot_learn_has_no_rate():
    stuck = nn.serial(nn.Flatten(), nn.Dense(3), nn.elementwise(lambda x: 0 * x))
    with pytest.raises(ValueError, match=r"the loss falls at no rate"):
        find_learning_rate(stuck, DATA, QUICK, steps=20)
    with pytest.raises(ValueError, match=r"steps must be at least 20, got 3"):
        find_learning_rate(DENSE, DATA, QUICK, steps=3)


def test_fit_says_what_its_data_must_be(our_errors):
    with pytest.raises(TypeError, match=r"data must be a Dataset, got .*data\.load"):
        fit(DENSE, "mnist", QUICK)
    with pytest.raises(TypeError, match=r"fit: model must be a Layer"):
        fit(optax.sgd(0.1), DATA, QUICK)


IMAGES, CLASSES = DATA.train
BAD_DATA = {
    "floats": (
        {"train": (IMAGES / 255, CLASSES)},
        r"data\.train must begin with images of uint8.* got float64 \(23, 1, 3, 4\)",
    ),
    "fewer labels": (
        {"test": (IMAGES, CLASSES[:9])},
        r"data\.test must end with .* 23 images, got int32 \(9,\)",
    ),
    "labels from 1": (
        {"train": (IMAGES, CLASSES + 1)},
        r"labels of data\.train must lie in 0 \.\. 2.* got 1 to 3",
    ),
    "two sizes": (
        {"test": (IMAGES[..., 1:], CLASSES)},
        r"of one shape .* got \(1, 3, 4\) and \(1, 3, 3\)",
    ),
    "two classes": (
        {"classes": ("a", "b", "c", "d")},
        r"each of the 4 classes, got outputs of shape \(3,\)",
    ),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_fit_refuses_data_that_do_not_fit(case):
    change, message = BAD_DATA[case]
    with pytest.raises(ValueError, match=message):
        fit(DENSE, DATA._replace(**change), QUICK)


def test_shifts_beyond_the_image_are_refused():
    with pytest.raises(ValueError, match=r"max_shift must be below .* 3 x 4, got 3"):
        fit(DENSE, DATA, dataclasses.replace(QUICK, max_shift=3.0))


def test_a_rate_that_never_rises_is_remarked_on():
    _, lines = trained(warm_up=99)
    assert lines[0].startswith("The learning rate rises over 99 updates (warm_up), and")
