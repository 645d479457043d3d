import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.explore import model as model_module
from jaxconv.explore import trained as module
from jaxconv.explore.images import forward
from jaxconv.explore.model import open_model
from jaxconv.explore.trained import FILE, cache_folder, trained
from jaxconv.train import Config, RunError, Scaling
from jaxconv.train.result import Result
from jaxconv.train.runs import open_run, save_model
from tests.explore.small import PIXELS, model
from tests.train.runs import make_run


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Train nothing: return a list of the settings that training was asked for."""
    asked = []

    def train(config, observer):
        asked.append(config)
        return types.SimpleNamespace(
            params=model().params, scaling=Scaling(33.5, 78.25), interrupted=False
        )

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return asked


def quiet(line):
    """Say nothing."""


def is_ours(params):
    return jax.tree.all(jax.tree.map(jnp.array_equal, params, model().params))


def test_the_model_is_trained_once(runs, tmp_path):
    lines = []
    for _ in range(2):
        params, scaling = trained(lines.append)
        assert is_ours(params)
        assert scaling == Scaling(33.5, 78.25)
    assert len(runs) == 1
    assert lines == ["Training the chapter's model on MNIST, once: some seconds."]
    assert [file.name for file in (tmp_path / "jaxconv").iterdir()] == [FILE]


def test_a_damaged_file_is_replaced(runs, tmp_path):
    trained(quiet)
    file = tmp_path / "jaxconv" / FILE
    whole = file.read_bytes()
    for damaged in whole[:5000], b"", whole[:-4] + b"none":
        file.write_bytes(damaged)
        assert is_ours(trained(quiet)[0])
        assert len(file.read_bytes()) == len(whole)
    assert len(runs) == 4


def test_other_settings_are_trained_anew(runs):
    trained(quiet, Config(seed=1))
    trained(quiet, Config(seed=2))
    trained(quiet, Config(seed=2))
    assert [config.seed for config in runs] == [1, 2]


def test_without_a_cache_the_model_is_trained_each_time(runs, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        lines = []
        assert is_ours(trained(lines.append)[0])
        assert len(lines) == 2
        assert lines[1].startswith("The model is not kept, and will be trained each")
    assert len(runs) == 2


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for relative in "", "relative/folder":
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert cache_folder() == tmp_path / ".cache" / "jaxconv"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert cache_folder() == tmp_path / "other" / "jaxconv"


def test_who_has_no_home_trains_each_time(runs, monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(module.Path, "home", home)
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    lines = []
    assert is_ours(trained(lines.append)[0])
    assert lines[1].endswith("trained each time: the user has no home")


def test_a_training_that_was_stopped_is_not_kept(runs, monkeypatch, tmp_path):
    stopped = types.SimpleNamespace(interrupted=True)
    monkeypatch.setattr(module, "train", lambda config, observer: stopped)
    with pytest.raises(KeyboardInterrupt):
        trained(quiet)
    assert not (tmp_path / "jaxconv").exists()


def test_training_gives_what_is_kept():
    assert {"params", "scaling", "interrupted"} < set(Result.__dataclass_fields__)


@pytest.mark.exhaustive
def test_a_model_that_was_trained_shows_mnist(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    short = Config(max_batches=10, max_test_images=50, validate_every=0)
    monkeypatch.setattr(model_module, "trained", lambda say: trained(say, short))
    opened = open_model()
    assert opened.classes == tuple("0123456789")
    images, labels = opened.digits
    assert (images.shape, labels[0]) == ((10000, 1, 28, 28), 7)
    x = (images[:200] - np.float32(opened.scaling.mean)) / np.float32(78.567)
    assert np.isclose(opened.scaled("test", images[0, 0]), x[0], atol=1e-3).all()
    right = sum(
        np.argmax(forward(opened, images[at, 0])["logits"]) == labels[at]
        for at in range(50)
    )
    assert right > 25


@pytest.mark.exhaustive
def test_a_run_brings_its_own_model(tmp_path):
    opened = open_model(make_run(tmp_path / "first"))
    assert opened.scaling == Scaling(33.3, 78.6)
    assert opened.filters == 32
    assert forward(opened, PIXELS)["maps"] != forward(model(), PIXELS)["maps"]


@pytest.mark.exhaustive
def test_where_a_runs_images_are_gone_mnist_takes_their_place(tmp_path):
    folder = make_run(tmp_path / "first")
    params = open_run(folder).params
    described = json.loads((folder / "settings.json").read_text())
    described["settings"]["data_dir"] = str(tmp_path / "gone")
    save_model(folder, params, described)
    assert open_model(folder).digits[0].shape == (10000, 1, 28, 28)


@pytest.mark.exhaustive
def test_a_run_of_another_model_is_refused(tmp_path):
    folder = make_run(tmp_path / "other", "lenet5")
    with pytest.raises(RunError, match=r"other: holds lenet5 .* --model chapter5"):
        open_model(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RunError, match="nowhere: no such folder"):
        open_model(tmp_path / "nowhere")
