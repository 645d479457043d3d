"""Checkpoints: the same bits, which ones are kept, and which runs they are of."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxconv.train import TrainState
from jaxconv.train.checkpoints import CheckpointError
from tests.train.saving import bits, checkpoints, names, restored, saved, state_of

# The same bits


def everything():
    """A state with each kind of leaf that an optimiser or a layer may have."""
    params = {
        "odd/name.": jnp.asarray([[-0.0, jnp.nan, jnp.inf], [1e-45, 1.5, -2.5]]),
        "list": [jnp.arange(5, dtype=jnp.bfloat16), None, {}, ()],
        "empty": jnp.zeros((0, 3)),
        "mask": jnp.array([True, False, True]),
        "host": np.arange(3, dtype=np.float64) / 3,
    }
    learned = {"w": jnp.linspace(0, 1, 6).reshape(2, 3)}
    optimizer = optax.MultiSteps(
        optax.chain(optax.clip(1.0), optax.adam(1e-3), optax.identity()), 3
    )
    key = jax.random.key(3)
    return TrainState(params, optimizer.init(learned), key, jnp.int32(7), learned)


def test_a_state_is_restored_with_the_same_bits(tmp_path):
    state = everything()
    here = checkpoints(tmp_path)
    here.save(state, {"best": 0.1}, accuracy=None)
    here.close()
    like = jax.tree.map(lambda leaf: leaf, state)
    found, notes = checkpoints(tmp_path).restore(like, pytest.fail)
    assert notes == {"best": 0.1}
    assert bits(found) == bits(state)


@pytest.mark.exhaustive
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lamb", "lion", "adafactor"])
def test_float64_and_any_optimiser_are_restored_with_the_same_bits(optimizer, tmp_path):
    with jax.enable_x64(True):
        params = {"w": jnp.linspace(0, 1, 6, dtype=jnp.float64).reshape(2, 3) / 3}
        opt_state = getattr(optax, optimizer)(1e-3).init(params)
        state = TrainState(params, opt_state, jax.random.key(1), jnp.int32(2))
        here = checkpoints(tmp_path)
        here.save(state, {}, accuracy=None)
        here.close()
        found, _ = checkpoints(tmp_path).restore(state, pytest.fail)
    assert bits(found) == bits(state)


def test_what_becomes_of_the_state_after_save_does_not_matter(tmp_path):
    weights = np.ones(40, np.float32)
    here = checkpoints(tmp_path)
    for step in (1, 2):  # the second one goes into the memory of the first
        state = TrainState({"w": weights}, (), jax.random.key(0), jnp.int32(step))
        here.save(state, {}, accuracy=None)
        weights += 1
    here.close()
    found, _ = checkpoints(tmp_path).restore(state, pytest.fail)
    np.testing.assert_array_equal(found.params["w"], np.full(40, 2.0))


# Which ones are kept


def test_the_newest_and_the_best_are_kept(tmp_path):
    saved(tmp_path, 1, 2, 3, 4, 5, keep=2, accuracies=(0.5, 0.9, None, 0.9, 0.1))
    assert names(tmp_path) == ["2", "4", "5"]


def test_what_is_kept_does_not_depend_on_a_stop(tmp_path):
    saved(tmp_path, 1, 2, keep=1, accuracies=(0.9, 0.5))
    here = checkpoints(tmp_path, keep=1)
    here.restore(state_of(0), pytest.fail)
    here.save(state_of(3), {"of": 3}, accuracy=0.6)
    here.close()
    assert names(tmp_path) == ["1", "3"]


def test_there_is_nothing_to_restore_in_a_new_folder(tmp_path):
    assert restored(tmp_path / "not" / "there") == (None, [])
    (tmp_path / "unfinished" / "4").mkdir(parents=True)
    assert restored(tmp_path) == (None, [])


def test_checkpoints_of_a_run_before_are_not_mixed_with_new_ones(tmp_path):
    saved(tmp_path, 1)
    here = checkpoints(tmp_path)
    with pytest.raises(CheckpointError, match="holds checkpoints of a run before"):
        here.save(state_of(2), {}, accuracy=None)
    assert restored(tmp_path) == (1, [])


# Other runs


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    saved(tmp_path, 1)
    with pytest.raises(CheckpointError) as caught:
        restored(tmp_path, model="lenet5", rate=0.2, more=None)
    message = str(caught.value)
    assert "model is chapter5 in the checkpoint and lenet5 now" in message
    assert "rate is 0.1 in the checkpoint and 0.2 now" in message
    assert "more is not given in the checkpoint and None now" in message
    assert "shape" not in message
    assert "\n" not in message


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path):
    saved(tmp_path, 1)
    match = (
        r"params.weights is float32\[40\] in the checkpoint and float32\[3\] now\. Give"
    )
    with pytest.raises(CheckpointError, match=match):
        restored(tmp_path, state_of(0, count=3))


def test_a_damaged_checkpoint_is_not_taken_for_that_of_another_run(tmp_path):
    saved(tmp_path, 1, 2)
    seal = tmp_path / "2" / "seal.json"
    seal.write_text(seal.read_text().replace("chapter5", "lenet5"))
    step, lines = restored(tmp_path)
    assert (step, len(lines)) == (1, 1)


# orbax


@pytest.mark.exhaustive
def test_orbax_is_imported_only_when_a_run_is_kept():
    code = (
        "import sys, jaxconv.train.checkpoints, jaxconv.train.cli\n"
        "assert not [name for name in sys.modules if name.startswith('orbax')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_orbax_is_said_at_once(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"orbax\.checkpoint"):
        checkpoints(tmp_path)
