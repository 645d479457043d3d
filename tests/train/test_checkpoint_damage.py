"""Damage to a checkpoint is noticed anywhere, and the newest whole one is restored."""

import random
import shutil

import pytest

from jaxconv.train.checkpoints import CheckpointError
from tests.train.saving import checkpoints, names, restored, saved, state_of

FILES = (
    "seal.json",
    "_METADATA",
    "_CHECKPOINT_METADATA",
    "commit_success.txt",
    "state/.zarray",
    "state/0",
)


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
