"""A checkpoint that cannot be written is said in one line, and loses no other one."""

import contextlib
import os
import resource
import shutil
import subprocess

import pytest

from jaxconv.train.checkpoints import CheckpointError
from tests.train.saving import bits, checkpoints, names, restored, saved, state_of


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
