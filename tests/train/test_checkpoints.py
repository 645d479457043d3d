"""Checkpoints: the same bits, the newest whole one, and one line where that fails."""

import contextlib
import os
import random
import resource
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxconv.train import TrainState
from jaxconv.train.checkpoints import CheckpointError, Checkpoints

IDENTITY = {"model": "chapter5", "shape": (1, 28, 28), "rate": 0.1}
FILES = (
    "seal.json",
    "_METADATA",
    "_CHECKPOINT_METADATA",
    "commit_success.txt",
    "state/.zarray",
    "state/0",
)


def state_of(step, count=40):
    """A small state, another one after each step."""
    weights = np.random.default_rng(step).normal(size=count).astype(np.float32)
    params = {"weights": jnp.asarray(weights)}
    return TrainState(params, (), jax.random.key(0), jnp.int32(step))


def checkpoints(folder, keep=3, **identity):
    return Checkpoints(folder, keep=keep, identity={**IDENTITY, **identity})


def saved(folder, *steps, keep=3, count=40, accuracies=()):
    """Save a state after each of some steps."""
    here = checkpoints(folder, keep)
    for number, step in enumerate(steps):
        accuracy = accuracies[number] if accuracies else None
        here.save(state_of(step, count), {"of": step}, accuracy=accuracy)
    here.close()
    return here


def restored(folder, like=None, **identity):
    """Return the step restored, and what was said."""
    lines = []
    found = checkpoints(folder, **identity).restore(like or state_of(0), lines.append)
    if found is None:
        return None, lines
    state, notes = found
    step = int(state.step)
    assert notes == {"of": step}
    assert bits(state) == bits(state_of(step))
    return step, lines


def bits(tree):
    """Return the structure, kinds and bytes of a pytree."""
    leaves, structure = jax.tree.flatten(tree)
    found = []
    for leaf in leaves:
        key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        data = np.asarray(jax.random.key_data(leaf) if key else leaf)
        found.append((type(leaf), leaf.dtype, leaf.shape, data.tobytes()))
    return structure, found


def names(folder):
    return sorted(os.listdir(folder))


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


# Damage


def flip(path, at=0.5, bit=3):
    data = bytearray(path.read_bytes())
    data[int(at * len(data))] ^= 1 << bit
    path.write_bytes(data)


def cut(path, at=0.5):
    path.write_bytes(path.read_bytes()[: int(at * path.stat().st_size)])


DAMAGE = {
    "a flipped bit of an array": (lambda at: flip(at / "state/0"), "state/0"),
    "a flipped bit of the seal": (lambda at: flip(at / "seal.json"), "seal.json"),
    "a cut array": (lambda at: cut(at / "state/0"), "state/0"),
    "no array": (lambda at: (at / "state/0").unlink(), "state/0 is missing"),
    "no seal": (lambda at: (at / "seal.json").unlink(), "seal.json is missing"),
    "an empty folder": (lambda at: (shutil.rmtree(at), at.mkdir()), "missing"),
    "a file": (lambda at: (shutil.rmtree(at), at.touch()), "not a folder"),
}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A folder with two whole checkpoints, for tests that damage copies of it."""
    folder = tmp_path_factory.mktemp("two")
    saved(folder, 1, 2)
    found = [path for path in (folder / "2").rglob("*") if path.is_file()]
    assert {path.relative_to(folder / "2").as_posix() for path in found} == set(FILES)
    return folder


@pytest.mark.parametrize(("damage", "why"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_checkpoint_is_passed_over(damage, why, two, tmp_path):
    folder = shutil.copytree(two, tmp_path / "copy")
    damage(folder / "2")
    step, lines = restored(folder)
    assert step == 1
    assert len(lines) == 1
    assert f"{folder / '2'} is damaged and was skipped" in lines[0]
    assert why in lines[0]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["missing", "empty", "cut", "flipped"])
def test_damage_anywhere_is_noticed(how, name, two, tmp_path, capfd):
    dice = random.Random(f"{how} {name}")
    for _ in range(1 if how in ("missing", "empty") else 20):
        folder = tmp_path / "copy"
        shutil.copytree(two, folder)
        path = folder / "2" / name
        if how == "missing":
            path.unlink()
        elif how == "flipped":
            flip(path, dice.random(), dice.randrange(8))
        else:
            cut(path, dice.random() if how == "cut" else 0)
        step, lines = restored(folder)
        assert (step, len(lines)) == (1, 1)
        assert name in lines[0]
        shutil.rmtree(folder)
    assert capfd.readouterr() == ("", "")


def test_a_damaged_checkpoint_is_written_again(tmp_path):
    saved(tmp_path, 1, 2, 3)
    flip(tmp_path / "2" / "state/0")
    flip(tmp_path / "3" / "state/0")
    here = checkpoints(tmp_path, keep=1)
    here.restore(state_of(0), lambda line: None)
    here.save(state_of(2), {"of": 2}, accuracy=None)
    here.close()
    assert names(tmp_path) == ["2", "3"]
    assert restored(tmp_path)[0] == 2
    here.save(state_of(3), {"of": 3}, accuracy=None)
    here.close()
    assert names(tmp_path) == ["3"]
    assert restored(tmp_path) == (3, [])


def test_a_damaged_checkpoint_does_not_stay_for_ever(tmp_path):
    saved(tmp_path, 1, 2, accuracies=(0.1, 0.9))
    flip(tmp_path / "2" / "state/0")
    here = checkpoints(tmp_path)
    here.restore(state_of(0), lambda line: None)
    here.save(state_of(3), {"of": 3}, accuracy=0.5)
    here.close()
    assert names(tmp_path) == ["1", "3"]


def test_a_run_is_not_started_anew_where_no_checkpoint_is_whole(tmp_path):
    saved(tmp_path, 1, 2)
    for step in "12":
        cut(tmp_path / step / "state/0")
    lines = []
    with pytest.raises(CheckpointError, match="2 checkpoints, but none is whole"):
        checkpoints(tmp_path).restore(state_of(0), lines.append)
    assert len(lines) == 2


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


# What cannot be written


@contextlib.contextmanager
def files_of_at_most(size):
    """Let no file of this process get larger, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_cannot_be_written_is_one_line_and_loses_nothing(tmp_path, capfd, caplog):
    here = saved(tmp_path, 1, keep=1)
    large = state_of(2, count=50_000)
    with files_of_at_most(100_000):
        here.save(large, {}, accuracy=None)
        with pytest.raises(CheckpointError) as caught:
            here.close()
    here.close()  # said once
    message = str(caught.value)
    assert "the checkpoint after 2 batches could not be written: File too" in message
    assert message.endswith("The last one is that after 1.")
    assert "\n" not in message
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    assert names(tmp_path) == ["1"]
    assert restored(tmp_path) == (1, [])
    here.save(large, {}, accuracy=None)  # once there is room
    here.close()
    assert names(tmp_path) == ["2"]


def test_the_next_save_says_what_became_of_the_one_before(tmp_path):
    here = saved(tmp_path, 1)
    with files_of_at_most(100_000):
        here.save(state_of(2, count=50_000), {}, accuracy=None)
        with pytest.raises(CheckpointError, match="after 2 batches could not be"):
            here.save(state_of(3), {}, accuracy=None)


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CheckpointError, match=r"cannot be written to\. Name another"):
        checkpoints(tmp_path / "run" / "checkpoints")
    assert names(tmp_path) == []
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"file: is a file\. Name a folder"):
        checkpoints(tmp_path / "file" / "checkpoints")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        command = ["mount", *options, str(folder)]
        return subprocess.run(command, capture_output=True).returncode == 0

    if not shutil.which("mount") or not mount("-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        pytest.skip("needs the right to mount a file system")
    yield folder, lambda how: mount("-o", f"remount,{how}")
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.exhaustive
@pytest.mark.parametrize("count", [500, 15_000, 50_000, 120_000])
def test_a_full_disk_loses_nothing(count, small_disk, capfd):
    folder, _ = small_disk
    with pytest.raises(CheckpointError, match="No space left on device") as caught:
        saved(folder, *range(1, 1000), keep=1000, count=count)
    message = str(caught.value)
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")
    found, _ = checkpoints(folder).restore(state_of(0, count), pytest.fail)
    step = int(found.step)
    assert f"after {step + 1} batches could" in message
    assert bits(found) == bits(state_of(step, count))


@pytest.mark.exhaustive
def test_a_disk_that_becomes_read_only_loses_nothing(small_disk, capfd):
    folder, remount = small_disk
    here = saved(folder, 1)
    assert remount("ro")
    here.save(state_of(2), {}, accuracy=None)
    with pytest.raises(CheckpointError, match="Read-only file system"):
        here.close()
    with pytest.raises(CheckpointError, match="cannot be written to"):
        checkpoints(folder)
    assert capfd.readouterr() == ("", "")
    assert remount("rw")
    assert restored(folder) == (1, [])


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
