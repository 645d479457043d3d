"""What is refused by the training step and the loop, and what they say."""

import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxconv import nn
from jaxconv.data import Dataset
from jaxconv.train import (
    Config,
    PlainLines,
    batches,
    fit,
    init_state,
    make_optimizer,
    make_step,
    train,
)
from jaxconv.train.interrupts import Stop
from tests.data.files import contents, write

MODEL, SGD = nn.Dense(3), make_optimizer(Config())
X = jnp.ones((2, 4))
LABELS = jnp.array([0, 1])


def state(optimizer=SGD):
    return init_state(MODEL, optimizer, (4,), seed=0)


WRONG_TYPES = {
    "an optimizer's name": (
        lambda: init_state(MODEL, "adam", (4,), 0),
        r"init_state: optimizer must be .*optax\.adam\(1e-3\).*got 'adam'",
    ),
    "an optimizer without its parentheses": (
        lambda: make_step(MODEL, optax.sgd),
        r"make_step: optimizer must be .*got <function sgd>",
    ),
    "a config as optimizer": (
        lambda: init_state(MODEL, Config(), (4,), 0),
        r"make_optimizer\(config\), got Config",
    ),
    "a name as config": (
        lambda: make_optimizer("adam"),
        r"make_optimizer: config must be a Config, got 'adam'",
    ),
    "params as model": (
        lambda: init_state({"weights": X}, SGD, (4,), 0),
        r"init_state: model must be a Layer, got a dict of 'weights'",
    ),
    "a model without its parentheses": (
        lambda: make_step(nn.ReLU, SGD),
        r"make_step: model must be a Layer, got <function ReLU>\. Write ReLU\(\)",
    ),
    "a seed that is text": (
        lambda: init_state(MODEL, SGD, (4,), "a"),
        r"init_state: seed must be an int, not a key, got 'a'",
    ),
    "a key as seed": (
        lambda: init_state(MODEL, SGD, (4,), jax.random.key(0)),
        r"init_state: seed must be an int, not a key, got a random key of shape \(\)",
    ),
    "a dict as config": (
        lambda: train({}, PlainLines()),
        r"train: config must be a Config, got \{\}",
    ),
    "an observer without its parentheses": (
        lambda: train(Config(), PlainLines),
        r"train: observer must have .*Write PlainLines\(\)",
    ),
    "print as observer": (lambda: train(Config(), print), r"Write PlainLines\(\)"),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(
    ("call", "message"), WRONG_TYPES.values(), ids=WRONG_TYPES.keys()
)
def test_a_wrong_type_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.usefixtures("our_errors")
def test_a_seed_may_be_traced_and_numbers_numpys():
    init = jax.jit(lambda seed: init_state(MODEL, SGD, (4,), seed).params["bias"])
    assert init(np.int64(3)).shape == (3,)
    config = Config(epochs=np.int64(2), learning_rate=np.float32(0.1))
    assert (config.epochs, config.num_classes) == (2, None)


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize("microbatches", [0, 1.5, "2"])
def test_microbatches_are_whole(microbatches):
    with pytest.raises(ValueError, match=r"microbatches must be at least 1, got"):
        make_step(MODEL, SGD, microbatches)


BATCHES = {
    "more labels": ((X, jnp.array([0, 1, 2])), r"of shape \(2,\), got \(3,\) for"),
    "one-hot labels": ((X, jnp.eye(2, 3)), r"of shape \(2,\), got \(2, 3\)"),
    "labels first": ((LABELS, X), r"The order is step\(state, images, labels\)"),
    "no images": ((X[:0], LABELS[:0]), r"at least one image"),
}


@pytest.mark.parametrize(("batch", "message"), BATCHES.values(), ids=BATCHES.keys())
def test_a_batch_has_a_label_for_each_image(batch, message):
    with pytest.raises(ValueError, match=message):
        make_step(MODEL, SGD)(state(), *batch)


def test_a_state_of_another_optimizer_is_refused():
    with pytest.raises(ValueError, match=r"state was made with another optimizer"):
        make_step(MODEL, SGD)(state(optax.adam(1e-3)), X, LABELS)


def test_a_state_that_was_used_is_refused_and_the_step_goes_on():
    step, used = make_step(MODEL, SGD), state()
    new, _ = step(used, X, LABELS)
    with pytest.raises(ValueError, match=r"state was given to a step before"):
        step(used, X, LABELS)
    assert step(new, X, LABELS)[0].step == 2


def test_a_label_out_of_range_makes_the_loss_of_a_step_nan():
    for label in (-1, 3):
        _, metrics = make_step(MODEL, SGD)(state(), X, np.array([0, label]))
        assert jnp.isnan(metrics.loss)


# Ctrl-C


def test_ctrl_c_before_the_first_step_acts_at_once(tmp_path, rng, monkeypatch):
    write(tmp_path, contents(rng))
    batches._order.cache_clear()
    monkeypatch.setattr(
        batches, "order_of", lambda *_: signal.raise_signal(signal.SIGINT)
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(Config(data_dir=tmp_path, batch_size=7), PlainLines(print))
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_told_once():
    lines = []
    stop = Stop(PlainLines(lines.append))
    assert not stop(5)
    stop.interrupted = lambda: True
    assert stop(5)
    assert stop(6)
    assert lines == [
        "Stopping after 5 batches to validate. Ctrl-C again leaves at once."
    ]


def test_ctrl_c_during_a_validation_is_told_at_once():
    """The run of one batch ends with a validation, in which Ctrl-C comes."""
    lines = []

    class Interrupting(PlainLines):
        def progress(self, progress):
            signal.raise_signal(signal.SIGINT)

    images = np.arange(12 * 16, dtype=np.uint8).reshape(12, 1, 4, 4)
    labels = np.arange(12, dtype=np.int32) % 3
    data = Dataset((images, labels), (images, labels), ("a", "b", "c"), "twelve")
    config = Config(batch_size=12, validate_every=1)
    result = fit(
        nn.serial(nn.Flatten(), nn.Dense(3)), data, config, Interrupting(lines.append)
    )
    assert lines[1:] == [
        "Stopping after 1 batch to validate. Ctrl-C again leaves at once.",
        f"Validation accuracy after 1 batch is {result.accuracy:.2%}",
    ]
