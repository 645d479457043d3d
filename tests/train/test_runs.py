"""The folder of a run: what it holds, going on from it, and what is refused."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.train import (
    Config,
    DivergedError,
    PlainLines,
    RunError,
    fit,
    loop,
    open_run,
    runs,
)
from jaxconv.train.checkpoints import CheckpointError
from jaxconv.train.models import make_model
from tests.train.stripes import stripes

pytest.importorskip("orbax.checkpoint")

MODEL = nn.serial(nn.Conv2D(2, 3, dropout=0.5, flatten=True), nn.Dense(3))
CONFIG = Config(
    batch_size=4,
    epochs=3,
    validate_every=2,
    checkpoint_every=3,
    held_out=3,
    ema=0.9,
    accumulate=2,
    max_shift=1.0,
)


DATA = stripes(20, 6)


def trained(folder, config=CONFIG, model=MODEL, **settings):
    """Train in a folder; return the result and the lines that were told."""
    lines = []
    config = dataclasses.replace(config, run=folder, **settings)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes its types
        return fit(model, DATA, config, PlainLines(lines.append)), lines


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never stopped: its folder and its result."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, trained(folder)[0]


def same_bits(one, other):
    one, other = (jax.tree.leaves(state._replace(key=())) for state in (one, other))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_leaves_all_that_is_needed_to_use_it(whole):
    folder, result = whole
    names = {path.name for path in folder.iterdir() if path.name[0] != "."}
    assert names == {
        "settings.json",
        "metrics.jsonl",
        "checkpoints",
        "model.safetensors",
        "report.html",
    }
    run = open_run(folder, MODEL)
    jax.tree.map(np.testing.assert_array_equal, run.params, result.params)
    assert (run.classes, run.input_shape) == (("a", "b", "c"), (1, 3, 4))
    assert run.scaling == result.scaling
    described = json.loads((folder / "settings.json").read_text())
    assert described == run.settings
    assert described["settings"]["ema"] == 0.9
    assert described["settings"]["resume"] is False
    assert described["data"]["train_images"] == 17


def test_ctrl_c_keeps_what_was_reached_and_the_run_goes_on(whole, tmp_path):
    class Interrupting(PlainLines):
        def validation(self, done, accuracy):
            if done == 4:
                import signal

                signal.raise_signal(signal.SIGINT)

    folder = tmp_path / "run"
    config = dataclasses.replace(CONFIG, run=folder)
    with jax.numpy_dtype_promotion("standard"):
        first = fit(MODEL, DATA, config, Interrupting(lambda line: None))
    assert (first.batches, first.interrupted) == (4, True)
    result, lines = trained(folder, resume=True)
    assert lines[0] == "Going on after 4 batches."
    same_bits(result.state, whole[1].state)
    assert result.accuracy == whole[1].accuracy
    jax.tree.map(np.testing.assert_array_equal, result.params, whole[1].params)


def test_a_run_is_not_overwritten(whole):
    folder, _ = whole
    with pytest.raises(RunError, match=r"holds a run already\. Give resume to go on"):
        trained(folder)
    file = folder / "settings.json"
    with pytest.raises(RunError, match=r"settings\.json: is a file"):
        trained(file)


def test_checkpoints_without_settings_are_not_overwritten(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(RunError, match=r"holds a run already"):
        trained(tmp_path)


@pytest.mark.exhaustive
def test_two_processes_do_not_train_in_one_folder(tmp_path):
    pytest.importorskip("fcntl", reason="needs POSIX locks")
    with runs.hold(tmp_path), pytest.raises(RunError, match=r"another process trains"):
        trained(tmp_path)
    trained(tmp_path)


def test_a_finished_run_that_goes_on_is_the_same_run(whole, tmp_path):
    folder, result = whole
    again, _ = trained(folder, resume=True)
    same_bits(again.state, result.state)
    assert again.accuracy == result.accuracy


CHANGED = {
    "epochs": (4, "epochs is 3 in the checkpoint and 4 now"),  # gradients wait
    "seed": (5, "seed is 20190402 in the checkpoint and 5 now"),
    "learning_rate": (0.5, "learning_rate is 0.01 in the checkpoint and 0.5 now"),
    "held_out": (4, "held_out is 3 in the checkpoint and 4 now"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_run_with_other_settings_is_refused(name, whole):
    value, message = CHANGED[name]
    before = (whole[0] / "settings.json").read_bytes()
    with pytest.raises(CheckpointError, match=message):
        trained(whole[0], resume=True, **{name: value})
    assert (whole[0] / "settings.json").read_bytes() == before


def test_settings_that_change_no_number_may_change(whole):
    result, _ = trained(whole[0], resume=True, checkpoint_every=5, keep=2)
    same_bits(result.state, whole[1].state)


@pytest.mark.exhaustive
def test_a_run_at_a_constant_rate_may_go_on_for_longer(tmp_path):
    config = dataclasses.replace(CONFIG, accumulate=1, epochs=1)
    trained(tmp_path / "run", config)
    result, lines = trained(tmp_path / "run", config, epochs=2, resume=True)
    assert lines[0] == "Going on after 5 batches."
    assert result.batches == 10
    straight, _ = trained(tmp_path / "other", config, epochs=2)
    same_bits(result.state, straight.state)
    settings = (tmp_path / "run" / "settings.json").read_bytes()
    with pytest.raises(RunError, match=r"has done 10 batches, more than the 5 of the"):
        trained(tmp_path / "run", config, resume=True)
    assert (tmp_path / "run" / "settings.json").read_bytes() == settings


def test_nothing_that_is_not_finite_is_kept(tmp_path):
    """The loss of the last step was finite; what it led to is not."""
    config = Config(
        batch_size=20,
        epochs=2,
        learning_rate=1e38,
        weight_decay=1e10,
        checkpoint_every=1,
    )
    with pytest.raises(DivergedError, match=r"^a parameter is not .* after 1 batch:"):
        trained(tmp_path / "run", config)
    assert not list((tmp_path / "run" / "checkpoints").glob("[0-9]*"))


def test_a_folder_without_a_trained_model_is_none(tmp_path):
    with pytest.raises(RunError, match=r"nowhere: no such folder"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"is not the folder of a run.*--run FOLDER"):
        open_run(tmp_path)
    nn.save(tmp_path / "model.safetensors", {"a": np.ones(1, np.float32)})
    with pytest.raises(RunError, match=r"holds parameters, but not the settings of"):
        open_run(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(RunError, match=r"has not ended.*--resume"):
        open_run(tmp_path)


def test_a_model_of_ones_own_is_asked_for_and_recognised(whole):
    """The same parameters, another activation."""
    folder, _ = whole
    other = nn.serial(
        nn.Conv2D(2, 3, activation=nn.Tanh(), dropout=0.5, flatten=True), nn.Dense(3)
    )
    with pytest.raises(RunError, match=r"trained by fit .*open_run\(folder, model\)"):
        open_run(folder)
    with pytest.raises(RunError, match=r"another model than the one given"):
        open_run(folder, other)
    with pytest.raises(CheckpointError, match=r"the model's program is"):
        trained(folder, resume=True, model=other)


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunError, match=r"holds other files: thesis\.tex\. Name a new"):
        trained(tmp_path, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.exhaustive
def test_a_run_that_was_resumed_is_opened(tmp_path):
    config = Config(epochs=1, batch_size=10, run=tmp_path / "run", resume=True)
    data, images = DATA, np.zeros((20, 1, 8, 9), np.uint8)
    images[:, :, 2] = np.arange(9)
    data = DATA._replace(train=(images, DATA.train[1]), test=(images, DATA.train[1]))
    model = make_model(config, 3)
    result = loop.run_fit(model, data, config, PlainLines(lambda line: None), own=False)
    run = open_run(tmp_path / "run")
    jax.tree.map(np.testing.assert_array_equal, run.params, result.params)
    x = run.scaling(images[:2])
    y = jax.jit(run.model.apply)(run.params, x)
    np.testing.assert_array_equal(y, jax.jit(model.apply)(result.params, x))
