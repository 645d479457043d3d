"""What the settings beyond the chapter's do: schedules, decay, turned images."""

import dataclasses
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.data import load
from jaxconv.train import (
    Config,
    PlainLines,
    cli,
    init_state,
    make_optimizer,
    make_step,
    train,
)
from jaxconv.train.augment import turn_and_shift
from jaxconv.train.config import Model
from jaxconv.train.models import make_model
from jaxconv.train.optimizer import learning_rates
from jaxconv.train.presets import PRESETS, take_preset
from jaxconv.train.splits import splits_of
from tests.data.files import contents, write

KEY = jax.random.key(0)
ONE = jnp.ones(())


def counting():
    """A layer with a weight, and statistics whose digits are the sizes of batches."""

    def init(key, input_shape):
        return input_shape, {
            "weights": jnp.ones((1, 1)),
            "statistics": {"count": jnp.zeros((1, 1))},
        }

    def apply(params, x, *, key=None):
        return x * params["weights"]

    def update(params, x, *, key=None):
        count = params["statistics"]["count"]
        batch = jnp.full_like(count, len(x))
        return x * (params["weights"] + 0 * count), {
            **params,
            "statistics": {"count": 10 * count + batch},
        }

    return nn.Layer(init, apply, "counting", update=update)


def test_a_schedule_rises_and_falls():
    one_cycle = learning_rates(Config(schedule="one-cycle", learning_rate=1.0), 100)
    with jax.numpy_dtype_promotion("standard"):  # optax's schedules mix their types
        rates = [float(one_cycle(step)) for step in range(101)]
    assert np.argmax(rates) == 30
    assert max(rates) == 1
    assert rates[0] < 0.05
    assert rates[100] < 0.001
    cosine = learning_rates(Config(schedule="cosine", learning_rate=2.0), 100)
    with jax.numpy_dtype_promotion("standard"):
        rates = [float(cosine(step)) for step in (0, 50, 100)]
    assert rates == pytest.approx([2, 1, 0])
    assert learning_rates(Config(learning_rate=3.0), None) == 3


def test_a_schedule_asks_for_the_number_of_steps():
    with pytest.raises(ValueError, match=r'schedule "cosine" needs the number of step'):
        make_optimizer(Config(schedule="cosine"))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_weights_decay_and_biases_do_not(optimizer):
    config = Config(optimizer=optimizer, learning_rate=0.5, weight_decay=0.25)
    made = make_optimizer(config)
    params = {"weights": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    zeros = jax.tree.map(jnp.zeros_like, params)
    with jax.numpy_dtype_promotion("standard"):  # optax's adam mixes its types
        updates, _ = made.update(zeros, made.init(params), params)
    np.testing.assert_allclose(updates["weights"], np.full((2, 2), -0.125))
    np.testing.assert_array_equal(updates["bias"], np.zeros(2))


def test_label_smoothing_spreads_the_label():
    logits, labels = jnp.array([[2.0, 0, -1], [0, 1, 0]]), jnp.array([0, 2])
    smoothed = nn.softmax_cross_entropy(logits, labels, label_smoothing=0.3)
    targets = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    expected = -(targets * np.log(jax.nn.softmax(logits))).sum(1).mean()
    assert smoothed == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match=r"label_smoothing must be at least 0 and bel"):
        nn.softmax_cross_entropy(logits, labels, label_smoothing=1.0)


# Turning and shifting


def test_nothing_to_turn_leaves_images_as_they_are(rng):
    images = jnp.array(rng.normal(size=(3, 2, 6, 5)), "float32")
    same = turn_and_shift(KEY, images, degrees=0.0, pixels=0.0)
    np.testing.assert_array_equal(same, images)


def test_images_are_shifted_each_its_own_way():
    """A ramp shifted by s is the ramp less s, away from the border."""
    images = jnp.broadcast_to(jnp.arange(20.0), (50, 1, 9, 20))
    moved = turn_and_shift(KEY, images, degrees=0.0, pixels=3.0)
    shifts = (images - moved)[:, 0, :, 4:-4]
    by_image = shifts.mean((1, 2))
    assert jnp.abs(shifts - by_image[:, None, None]).max() < 1e-5
    assert 2 < by_image.max() < 3
    assert -3 < by_image.min() < -2


def test_images_are_turned_about_their_centre():
    """A ramp along x, turned by a, is cos a along x and sin a along y."""
    x = jnp.arange(11.0) - 5
    images = jnp.broadcast_to(x, (50, 1, 11, 11))
    moved = turn_and_shift(KEY, images, degrees=20.0, pixels=0.0)[:, 0, 3:-3, 3:-3]
    np.testing.assert_allclose(moved[:, 2, 2], np.zeros(50), atol=1e-5)
    angles = jnp.arctan2(moved[:, 3, 2], moved[:, 2, 3])
    assert jnp.hypot(moved[:, 3, 2], moved[:, 2, 3]) == pytest.approx(1, rel=1e-5)
    assert 15 < jnp.degrees(angles).max() < 20
    assert -20 < jnp.degrees(angles).min() < -15


def test_the_border_goes_on_outside(rng):
    images = jnp.full((4, 1, 5, 5), 7.0)
    moved = turn_and_shift(KEY, images, degrees=45.0, pixels=4.0)
    np.testing.assert_allclose(moved, images, rtol=1e-6)


# The step


def test_the_step_augments_anew_each_time():
    model, optimizer = nn.Dense(3), make_optimizer(Config())
    seen = []

    def augment(key, images):
        jax.debug.callback(
            lambda data: seen.append(data.tolist()), jax.random.key_data(key)
        )
        return 0 * images

    step = make_step(model, optimizer, augment=augment)
    state = init_state(model, optimizer, (4,), seed=0)
    for _ in range(2):
        state, metrics = step(state, jnp.ones((2, 4)), jnp.array([0, 1]))
        assert metrics.loss == pytest.approx(np.log(3), rel=0.2)
    jax.effects_barrier()
    assert seen[0] != seen[1]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_statistics_are_updated_and_not_trained(optimizer):
    """A batch of five is not cut in two, and what decays leaves statistics alone."""
    model = nn.serial(nn.Dense(3), counting())
    made = make_optimizer(Config(optimizer=optimizer, weight_decay=0.5))
    state = init_state(model, made, (4,), seed=0)
    step = make_step(model, made, microbatches=2)
    with jax.numpy_dtype_promotion("standard"):  # optax's adam mixes its types
        for _ in range(2):
            state, _ = step(state, jnp.ones((5, 4)), jnp.arange(5) % 3)
    params = state.params["counting1"]
    assert params["statistics"]["count"].item() == 55
    assert params["weights"].item() != 1


# Runs


def run(config):
    lines = []
    return train(config, PlainLines(lines.append)), lines


def test_held_out_images_are_not_trained_on(tmp_path, rng, monkeypatch):
    """Seven images of seven grey levels: two held out, the same for each seed."""
    files = contents(rng)
    levels = bytes(level for level in range(7) for _ in range(28 * 28))
    files["train-images-idx3-ubyte"] = files["train-images-idx3-ubyte"][:16] + levels
    write(tmp_path, files)
    found = []
    for seed in (1, 2):
        config = Config(data_dir=tmp_path, held_out=2, batch_size=4, seed=seed)
        splits = splits_of(load(tmp_path), config)
        (images, labels), (held, held_labels) = splits.train, splits.test
        assert len(images) == len(labels) == 5
        assert len(held) == len(held_labels) == 2
        assert len(np.unique(np.concatenate([images, held])[:, 0, 0, 0])) == 7
        found.append(held[:, 0, 0, 0].tolist())
    assert found[0] == found[1]
    with pytest.raises(ValueError, match=r"held_out takes 7: none is left"):
        splits_of(load(tmp_path), dataclasses.replace(config, held_out=7))


@pytest.mark.exhaustive
def test_validation_can_wait_for_the_end():
    result, lines = run(
        Config(max_batches=12, max_test_images=10, batch_size=4, validate_every=0)
    )
    (line,) = [line for line in lines if line.startswith("Validation")]
    assert line.startswith(
        f"Validation accuracy after 12 batches is {result.accuracy:.2%}"
    )


def test_a_preset_gives_the_defaults_and_options_come_on_top():
    preset, words = take_preset(["--seed", "3", "--preset", "lenet5", "--epochs", "2"])
    assert preset is PRESETS["lenet5"]
    assert words == ["--seed", "3", "--epochs", "2"]
    assert take_preset(["--preset=lenet5"]) == (PRESETS["lenet5"], [])
    assert take_preset([]) == (Config(), [])


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", get_args(Model))
def test_every_model_has_a_step(name):
    model, optimizer = make_model(Config(model=name), 7), make_optimizer(Config())
    shape = (1, 28, 28)
    state = jax.eval_shape(lambda: init_state(model, optimizer, shape, seed=0))
    images, labels = jnp.zeros((4, *shape)), jnp.zeros(4, "int32")
    new, metrics = jax.eval_shape(make_step(model, optimizer), state, images, labels)
    assert new == state
    assert metrics.loss.shape == ()
    logits = jax.eval_shape(model.apply, state.params, images)
    assert logits.shape == (4, 7)


@pytest.mark.exhaustive
def test_a_residual_network_trains():
    config = Config(model="resnet8", max_batches=2, max_test_images=10, batch_size=4)
    with jax.numpy_dtype_promotion("standard"):
        result, _ = run(config)
    assert result.batches == 2


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", PRESETS)  # they take three other models
def test_every_preset_trains(name, capsys):
    given = ["--preset", name, "--max-batches", "2", "--max-test-images", "10"]
    with jax.numpy_dtype_promotion("standard"):  # optax's adam mixes its types
        assert cli.main([*given, "--batch-size", "4"]) == 0
    assert "validation accuracy is" in capsys.readouterr().out


def test_an_unknown_preset_is_one_line(capsys):
    assert cli.main(["--preset", "lenet"]) == 2
    error = capsys.readouterr().err
    assert "--preset must be one of chapter5" in error
    assert "got 'lenet'. Did you mean lenet5?" in error


BAD = {
    "weight_decay": (-1.0, r"weight_decay must be a number of at least 0, got -1\.0"),
    "max_shift": (float("inf"), r"max_shift must be a number of at least 0, got inf"),
    "label_smoothing": (1.0, r"label_smoothing must be .* below 1, got 1\.0"),
    "schedule": ("step", r"schedule must be one of constant, cosine, one-cycle, got"),
    "held_out": (-1, r"held_out must be a whole number of at least 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_setting_is_refused(name, our_errors):
    value, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        Config(**{name: value})
    with pytest.raises(ValueError, match=r"method loops is for the model chapter5"):
        Config(method="loops", model="lenet5")
