"""The loop and its observers, on a few batches of the real MNIST."""

import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.data import DatasetError, load
from jaxconv.train import (
    Config,
    DivergedError,
    PlainLines,
    batches,
    init_state,
    make_optimizer,
    train,
)
from jaxconv.train.interrupts import interrupts
from jaxconv.train.step import make_count_correct, order_of
from tests.data.files import contents, write
from tests.methods import UNIVERSAL

quick = Config(max_batches=30, max_test_images=500, validate_every=10)


def run(config: Config):
    lines = []
    return train(config, PlainLines(lines.append)), lines


@pytest.fixture(scope="module")
def ran():
    return run(quick)


def test_thirty_batches_learn_something(ran):
    result, _ = ran
    assert result.batches == 30
    assert result.accuracy > 0.5  # a guess is right one time in ten
    assert not result.interrupted


def test_plain_lines_has_a_line_for_each_validation(ran):
    result, lines = ran
    assert lines[0] == "Training for 30 batches."
    starts = [f"Validation accuracy after {n} batches is " for n in (10, 20, 30)]
    assert all(map(str.startswith, lines[1:], starts))
    assert f"{result.accuracy:.2%}" in lines[-1]


@pytest.mark.exhaustive  # what is resumed is held against it, too
def test_same_seed_same_bits(ran):
    again, _ = run(quick)
    jax.tree.map(np.testing.assert_array_equal, again.state.params, ran[0].state.params)
    assert again.accuracy == ran[0].accuracy


def test_another_seed_other_weights_other_units_kept_another_order():
    model, optimizer = nn.Dense(3), make_optimizer(Config())
    one, two = (init_state(model, optimizer, (4,), seed=seed) for seed in (1, 2))
    assert not jnp.array_equal(one.params["weights"], two.params["weights"])
    keys = [jax.random.key_data(state.key).tolist() for state in (one, two)]
    assert keys[0] != keys[1]
    assert order_of(100, 1, 0).tolist() != order_of(100, 2, 0).tolist()


def test_every_epoch_takes_each_image_once_in_another_order():
    first, second = order_of(100, 1, 0).tolist(), order_of(100, 1, 1).tolist()
    assert sorted(first) == sorted(second) == list(range(100))
    assert list(range(100)) != first != second


def test_the_loop_takes_the_images_in_that_order(tmp_path, rng, monkeypatch):
    asked = []
    batches._order.cache_clear()
    monkeypatch.setattr(
        batches, "order_of", lambda *of: asked.append(of) or order_of(*of)
    )
    write(tmp_path, contents(rng))
    run(Config(data_dir=tmp_path, seed=5, batch_size=4, epochs=2))
    assert asked == [(7, 5, 0), (7, 5, 1)]


def test_the_defaults_are_the_chapters():
    config = Config()
    assert (config.model, config.method, config.epochs) == ("chapter5", "auto", 1)
    assert (config.batch_size, config.seed) == (60, 20190402)
    assert config.microbatches == 2
    assert (config.optimizer, config.learning_rate) == ("sgd", 0.01)
    assert (config.momentum, config.validate_every) == (0.9, 100)


@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [("sgd", [-0.5, -0.5 * 1.75]), ("adam", [-0.5, -0.5])],
)
def test_the_optimizer_follows_its_settings(optimizer, steps):
    """A constant gradient of 1: sgd gathers momentum, adam steps as before."""
    config = Config(optimizer=optimizer, learning_rate=0.5, momentum=0.75)
    made = make_optimizer(config)
    state = made.init(jnp.zeros(()))
    for step in steps:
        with jax.numpy_dtype_promotion("standard"):  # optax's adam mixes its types
            update, state = made.update(jnp.ones(()), state, jnp.zeros(()))
        # adam divides by 1 - 0.999, which float32 knows to 6e-8 / 1e-3.
        assert update == pytest.approx(step, rel=6e-5)


def test_accuracy_is_of_the_images_asked_for_and_of_the_last_params():
    result, _ = run(
        Config(max_batches=3, max_test_images=7, validate_every=2, batch_size=8)
    )
    images, labels = load().test
    count = make_count_correct(nn.models.chapter5())
    right, finite = count(result.params, result.scaling(images[:7]), labels[:7])
    assert finite
    assert result.accuracy == right / 7


def test_validation_drops_nothing():
    logits = jnp.eye(50)
    right, _ = make_count_correct(nn.Dropout(0.01))({}, logits, jnp.arange(50))
    assert right == 50


def test_progress_is_reported_every_ten_batches_and_at_the_end():
    class Recorder(PlainLines):
        def progress(self, progress):
            assert progress.loss > 0
            assert 0 <= progress.accuracy <= 1
            assert progress.images_per_second > 0
            assert progress.learning_rate == 0.01
            assert progress.epoch == 0
            seen.append(progress.done)

    seen = []
    config = Config(max_batches=23, max_test_images=10, batch_size=4)
    train(config, Recorder(lambda line: None))
    assert seen == [10, 20, 23]


def test_the_first_ctrl_c_is_noted_and_the_second_one_acts():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interrupts() as interrupted:
            assert not interrupted()
            signal.raise_signal(signal.SIGINT)
            assert interrupted()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        with interrupts():
            pass
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_ignored_ctrl_c_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts() as interrupted:
            signal.raise_signal(signal.SIGINT)
            assert not interrupted()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.exhaustive
def test_both_methods_train_alike(monkeypatch):
    """Two algorithms for one operation: the same steps, to rounding."""
    ran = []
    for name, algorithm in UNIVERSAL.items():
        real = algorithm._param_grad
        monkeypatch.setattr(
            algorithm,
            "_param_grad",
            lambda *args, name=name, real=real: ran.append(name) or real(*args),
        )
    config = {"max_batches": 2, "batch_size": 4, "max_test_images": 20}
    by_loops, _ = run(Config(method="loops", **config))
    assert set(ran) == {"loops"}
    by_im2col, _ = run(Config(method="im2col", **config))
    assert set(ran) == {"loops", "im2col"}
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
        by_loops.state.params,
        by_im2col.state.params,
    )


def test_the_last_smaller_batch_is_trained_on_too(tmp_path, rng):
    """Seven images, three at a time, twice over."""
    write(tmp_path, contents(rng))
    result, _ = run(Config(data_dir=tmp_path, batch_size=3, epochs=2))
    assert result.batches == 6
    assert result.state.step == 6


@pytest.mark.exhaustive
def test_divergence_is_said():
    with pytest.raises(
        DivergedError,
        match=r"the loss.*after \d batches: .*lower learning_rate.*clip_norm",
    ):
        run(Config(learning_rate=1e38, max_batches=20, max_test_images=10))


def test_divergence_in_the_last_step_is_said():
    """The step's own loss is still finite: it was computed before the update."""
    with pytest.raises(DivergedError, match=r"output of the model.*after 1 batch:"):
        run(Config(learning_rate=1e38, max_batches=1, max_test_images=10))


def test_a_folder_of_one_grey_is_refused(tmp_path, rng):
    files = contents(rng)
    black = files["train-images-idx3-ubyte"][:16] + bytes(7 * 28 * 28)
    write(tmp_path, files | {"train-images-idx3-ubyte": black})
    with pytest.raises(DatasetError, match=r"all pixels of the training images are 0"):
        run(Config(data_dir=tmp_path, batch_size=7))


def test_config_refuses_what_the_command_line_would(our_errors):
    with pytest.raises(ValueError, match=r"optimizer must be one of sgd, adam, got"):
        Config(optimizer="rmsprop")
    with pytest.raises(ValueError, match=r"epochs must be a whole number.* got 1\.5"):
        Config(epochs=1.5)
