"""A real training process, killed again and again, ends where one left alone ends."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
LEAST_KILLS, MOST_KILLS = 6, 15
# Everything that a run goes on from: statistics, a moving average, gradients that wait
# for an update, the best parameters; augmentation and rates that change in each step.
SETTINGS = {
    "model": "lenet5",
    "batch-size": 6,
    "epochs": 40,
    "held-out": 9,
    "validate-every": 21,
    "optimizer": "adam",
    "schedule": "one-cycle",
    "accumulate": 2,
    "ema": 0.9,
    "weight-decay": 0.001,
    "clip-norm": 1,
    "label-smoothing": 0.1,
    "max-shift": 1,
    "max-rotation": 5,
}


@pytest.fixture
def data(tmp_path):
    """Three classes of 51 images to train, hold out and test on."""
    rng = np.random.default_rng(0)
    labels = np.arange(66, dtype=np.int32) % 3
    images = rng.integers(0, 160, (66, 1, 12, 14), dtype=np.uint8)
    images[np.arange(66), 0, 3 + labels] += 90
    np.savez(tmp_path / "stripes.npz", images=images, labels=labels)
    return tmp_path / "stripes.npz"


class Life:
    """A process that trains in a folder, from its last checkpoint on."""

    def __init__(self, data, folder, every):
        self.folder = folder / "checkpoints"
        self.before = self.whole()
        self.unfinished_before = self.unfinished()
        command = [sys.executable, "scripts/train.py", "--resume"]
        settings = {"data-dir": data, "run": folder, "checkpoint-every": every}
        for name, value in {**SETTINGS, **settings}.items():
            command += [f"--{name}", str(value)]
        cache = {
            "JAX_COMPILATION_CACHE_DIR": str(data.parent / "cache"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **cache},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def whole(self):
        """Return after how many batches there are checkpoints."""
        if not self.folder.is_dir():
            return set()
        return {int(name) for name in os.listdir(self.folder) if name.isdecimal()}

    def unfinished(self):
        """Return what tells one folder that is being written from the next one."""
        try:
            found = (self.folder / "unfinished").stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_ctime_ns

    def saves(self):
        """Whether it is just now writing a checkpoint."""
        return self.unfinished() not in (None, self.unfinished_before)

    def wait_until(self, happens):
        end = time.monotonic() + 60
        while not happens() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.001)

    def kill(self):
        """Kill it; return what it has said, and whether it was writing a checkpoint."""
        assert self.process.poll() is None, self.process.communicate()[0]
        self.process.kill()
        said, _ = self.process.communicate(timeout=60)
        return said, self.saves()


def killed(data, folder, dice):
    """Let a process live until some moment; return what `Life.kill` returns."""
    life = Life(data, folder, every=4)
    if dice.random() < 0.2:  # perhaps before its first batch
        time.sleep(dice.uniform(0, 3))
        return life.kill()
    newest = max(life.before, default=0)
    further = newest + 4 * dice.randrange(1, 5)
    life.wait_until(lambda: max(life.whole(), default=0) >= further)
    if dice.random() < 0.7:
        life.wait_until(life.saves)
        time.sleep(dice.uniform(0, 0.01))
    else:
        time.sleep(dice.uniform(0, 0.1))
    return life.kill()


def finished(data, folder):
    """Let a process live to its end; return all that its run has reached."""
    process = Life(data, folder, every=10_000).process
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    last = max((folder / "checkpoints").iterdir(), key=lambda path: int(path.name))
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    about = json.loads((last / "seal.json").read_text())["about"]
    del about["notes"]["seconds"]
    params = load_file(folder / "model.safetensors")
    return said, {
        "batches": int(last.name),
        "state": (last / "state" / "0").read_bytes(),
        "about": about,
        "accuracies": {
            line["step"]: line["validation_accuracy"]
            for line in lines
            if "validation_accuracy" in line
        },
        "accuracy": next(line for line in said.splitlines() if "accuracy is" in line),
        "params": {name: array.tobytes() for name, array in params.items()},
    }


@pytest.mark.exhaustive
def test_a_run_that_was_killed_often_ends_with_the_same_bits(data, tmp_path):
    _, expected = finished(data, tmp_path / "alone")
    dice, kills, inside = random.Random(0), 0, 0  # inside: while it was saving
    while kills < LEAST_KILLS or (inside < 2 and kills < MOST_KILLS):
        said, saving = killed(data, tmp_path / "killed", dice)
        assert "Traceback" not in said, said
        assert "damaged" not in said, said  # a kill damages nothing
        kills, inside = kills + 1, inside + saving
    assert inside >= 2
    said, found = finished(data, tmp_path / "killed")
    assert "Going on after" in said
    assert found == expected
