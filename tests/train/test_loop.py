"""What the loop does beyond steps: validation, early stops, and data it refuses."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxconv import nn
from jaxconv.train import Config, DivergedError, Metrics, PlainLines, fit
from jaxconv.train.keeper import Notes
from jaxconv.train.measured import Measured
from jaxconv.train.rate_finder import find_learning_rate
from jaxconv.train.splits import splits_of
from tests.train.dense import DENSE, equal
from tests.train.stripes import stripes

DATA = stripes(23, 8)
QUICK = Config(batch_size=5, learning_rate=0.1, microbatches=1, validate_every=0)


def trained(model=DENSE, data=DATA, **settings):
    """Train on the stripes; return the result and the lines that were told."""
    lines = []
    with jax.numpy_dtype_promotion("standard"):  # optax's schedules mix their types
        config = dataclasses.replace(QUICK, **settings)
        return fit(model, data, config, PlainLines(lines.append)), lines


# Validation, and when to stop


def test_what_is_validated_and_returned_is_the_average():
    result, _ = trained(ema=0.9)
    equal(result.params, result.state.average)
    images, labels = DATA.test
    logits = DENSE.apply(result.params, result.scaling(images))
    assert result.accuracy == np.mean(np.argmax(logits, 1) == labels)


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
