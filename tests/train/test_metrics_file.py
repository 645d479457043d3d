"""metrics.jsonl: what stands in it, after a kill, a resume and a full disk."""

import errno
import json
import os
import pathlib

import pytest

from jaxconv.train.metrics_file import MetricsFile, read_metrics
from jaxconv.train.observers import Observer, Progress


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self):
        return self.now


def figures(done, loss=0.5):
    return Progress(done, done // 100, loss, 0.75, 0.01, 1000.0)


def train(path, steps, done=0, clock=None):
    """Write the lines of a run that goes from `done` to `steps`."""
    clock = clock or Clock()
    file = MetricsFile(path, done, clock)
    with file.running(1000, done):
        clock.now += 2.0
        file.started()
        for step in range(done + 10, steps + 1, 10):
            clock.now += 1.0
            file.progress(figures(step))
            if step % 100 == 0:
                file.validation(step, 0.875)
    return file


def test_a_line_says_what_training_and_validation_reached(tmp_path):
    train(tmp_path / "metrics.jsonl", 100)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {
        "step": 1,
        "compilation_seconds": 2.0,
        "seconds": 2.0,
    }
    assert json.loads(lines[1]) == {
        "step": 10,
        "epoch": 0,
        "loss": 0.5,
        "accuracy": 0.75,
        "learning_rate": 0.01,
        "images_per_second": 1000.0,
        "seconds": 3.0,
    }
    assert json.loads(lines[-1]) == {
        "step": 100,
        "validation_accuracy": 0.875,
        "seconds": 12.0,
    }


def test_it_is_an_observer(tmp_path):
    assert isinstance(MetricsFile(tmp_path / "metrics.jsonl"), Observer)


def test_a_resumed_run_cuts_off_what_the_checkpoint_does_not_have(tmp_path):
    path = tmp_path / "metrics.jsonl"
    train(path, 190)
    train(path, 200, done=100)
    steps = [line["step"] for line in read_metrics(path) if "loss" in line]
    assert steps == list(range(10, 201, 10))
    seconds = [line["seconds"] for line in read_metrics(path)]
    assert seconds == sorted(seconds)
    assert seconds[-1] == 12.0 + 2.0 + 10.0  # goes on where the kept lines end
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_run_begins_with_an_empty_file(tmp_path):
    path = tmp_path / "metrics.jsonl"
    train(path, 190)
    MetricsFile(path)
    assert path.read_text() == ""


def test_half_a_line_is_passed_over_and_cut_off(tmp_path):
    path = tmp_path / "metrics.jsonl"
    train(path, 50)
    whole = path.read_text()
    path.write_text(whole + '{"step": 60, "epo')
    assert read_metrics(path)[-1]["step"] == 50
    MetricsFile(path, 100)
    assert path.read_text() == whole


def test_what_is_not_finite_is_null(tmp_path):
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path)
    with file.running(10):
        file.progress(figures(10, float("nan")))
        file.progress(figures(20, float("inf")))
    losses = [line["loss"] for line in read_metrics(path)]
    assert losses == [None, None]
    assert "NaN" not in path.read_text()


def test_a_line_is_in_the_file_at_once_so_that_a_kill_loses_nothing(tmp_path):
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path)
    with file.running(10):
        for step in (10, 20, 30):
            file.progress(figures(step))
            assert read_metrics(path)[-1]["step"] == step


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has /dev/full")
def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path)
    path.unlink()
    path.symlink_to("/dev/full")
    with (
        file.running(10),
        pytest.raises(OSError, match=r"jsonl: the metrics cannot .*No space left on d"),
    ):
        file.progress(figures(10))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system", "x")

    monkeypatch.setattr(pathlib.Path, "write_text", refuse)
    match = r"metrics\.jsonl: the metrics cannot be written: Read-only file system\.$"
    with pytest.raises(OSError, match=match):
        MetricsFile(tmp_path / "metrics.jsonl")


def test_a_failed_resume_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    train(path, 50)
    whole = path.read_text()

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_text", refuse)
    with pytest.raises(OSError, match="No space left"):
        MetricsFile(path, 20)
    assert path.read_text() == whole
