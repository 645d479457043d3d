"""Real processes that train one model over the loopback; none may hang.

Each test starts `scripts/train.py`, as a user does, and gives all of it a time limit.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 150  # for everything that a test starts; 60 is what one that is left may take
GONE = (
    "scripts/train.py: error: another process of this run has ended, or is out of "
    "reach. Start all of them again with --resume."
)
TRAIN = ["--max-test-images", "200", "--validate-every", "0", "--batch-size", "50"]
pytestmark = [pytest.mark.exhaustive]


class Program:
    """A training program under way, with what it writes in files."""

    def __init__(self, folder, options, environment):
        self.out, self.err = folder / "out", folder / "err"
        folder.mkdir(parents=True)
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "scripts/train.py", *options],
                cwd=ROOT,
                env=clean_environment() | environment,
                stdout=out,
                stderr=err,
            )

    def code(self, seconds=SECONDS):
        return self.process.wait(seconds)

    def errors(self):
        return self.err.read_text().splitlines()


def clean_environment():
    """Return what a user's shell has: no flags of the tests, no cluster."""
    ours = ("XLA_", "JAX_", "SLURM_", "OMPI_", "TF_CPP", "GLIBC_", "KUBERNETES_")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)}


@pytest.fixture
def start(tmp_path):
    """Start programs; whatever is left of them ends with the test."""
    started = []

    def start(*options, **environment):
        folder = tmp_path / f"program{len(started)}"
        started.append(Program(folder, [*TRAIN, *map(str, options)], environment))
        return started[-1]

    yield start
    for program in started:
        program.process.kill()
        program.process.wait()


@pytest.fixture
def pair(start):
    """Start two processes that train one model; one port for all in a test."""
    port = free_port()

    def pair(*options):
        address = ["--coordinator", f"127.0.0.1:{port}", "--num-processes", 2]
        return [start(*address, "--process-id", i, *options) for i in range(2)]

    return pair


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def ended(programs):
    """Wait for programs; return the exit codes."""
    return [program.code() for program in programs]


def trained(run):
    return load_file(run / "model.safetensors")


def check_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def wait_for(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.02)


def steps_kept(run):
    """Return the steps of which whole checkpoints are there."""
    folder = run / "checkpoints"
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


@pytest.mark.parametrize("model", ["chapter5", "lenet5"])
def test_two_processes_train_as_one_with_two_devices(model, pair, start, tmp_path):
    options = ["--model", model, "--max-batches", 12, "--run"]
    both = pair(*options, tmp_path / "both")
    assert ended(both) == [0, 0]
    alone = start(*options, tmp_path / "alone", "--devices", 2, JAX_NUM_CPU_DEVICES="2")
    assert alone.code() == 0
    check_equal(trained(tmp_path / "both"), trained(tmp_path / "alone"))
    assert "Kept in" in both[0].out.read_text()
    assert [both[1].out.read_text(), *(one.err.read_text() for one in both)] == [""] * 3


@pytest.mark.parametrize("killed", [0, 1], ids=["coordinator", "worker"])
def test_a_process_that_is_killed_ends_the_other_and_a_resume_loses_nothing(
    killed, pair, tmp_path
):
    options = [
        "--max-batches",
        300,
        "--checkpoint-every",
        20,
        "--run",
        tmp_path / "run",
    ]
    both = pair(*options)
    wait_for(lambda: steps_kept(tmp_path / "run"))
    both[killed].process.kill()
    begin = time.monotonic()
    assert both[1 - killed].code(60) == 1
    assert time.monotonic() - begin < 60
    assert both[1 - killed].errors() == [GONE]
    assert max(steps_kept(tmp_path / "run")) < 300  # there is something left to do
    assert ended(pair(*options, "--resume")) == [0, 0]
    options[-1] = tmp_path / "undisturbed"
    assert ended(pair(*options)) == [0, 0]
    check_equal(trained(tmp_path / "run"), trained(tmp_path / "undisturbed"))


def test_a_process_that_falls_silent_ends_the_other(pair):
    both = pair("--epochs", 50)
    wait_for(lambda: "Training for" in both[0].out.read_text())
    both[1].process.send_signal(signal.SIGSTOP)
    assert both[0].code(60) == 1
    assert both[0].errors() == [GONE]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_to_one_process_stops_both_after_the_same_step(name, pair, tmp_path):
    both = pair("--epochs", 50, "--checkpoint-every", 20, "--run", tmp_path / "run")
    wait_for(lambda: steps_kept(tmp_path / "run"))
    both[1].process.send_signal(getattr(signal, name))
    assert ended(both) == [130, 130]
    out = both[0].out.read_text()
    after = int(
        re.search(r"Interrupted after ([\d,]+) batches", out)[1].replace(",", "")
    )
    assert max(steps_kept(tmp_path / "run")) == after
    assert [both[1].out.read_text(), *(one.err.read_text() for one in both)] == [""] * 3


def test_checkpoints_do_not_depend_on_the_number_of_processes(pair, start, tmp_path):
    def devices(*options):
        return start(*options, "--devices", 2, JAX_NUM_CPU_DEVICES="2")

    first, second = tmp_path / "by two, then one", tmp_path / "by one, then two"
    half, whole = ["--max-batches", 10], ["--max-batches", 20, "--resume"]
    assert ended(pair(*half, "--run", first)) == [0, 0]
    assert devices(*whole, "--run", first).code() == 0
    assert devices(*half, "--run", second).code() == 0
    assert ended(pair(*whole, "--run", second)) == [0, 0]
    check_equal(trained(first), trained(second))


def test_unequal_settings_are_one_line_in_each_process(start):
    address = ["--coordinator", f"127.0.0.1:{free_port()}", "--num-processes", 2]
    both = [
        start(*address, "--process-id", i, "--learning-rate", 0.1 + i / 10)
        for i in range(2)
    ]
    assert ended(both) == [2, 2]
    line = (
        "scripts/train.py: error: learning_rate must be the same in all processes, but "
        "process 1 has another value than process 0."
    )
    assert [one.errors() for one in both] == [[line], [line]]


def test_a_folder_that_holds_a_run_is_one_line_in_each_process(pair, tmp_path):
    (tmp_path / "settings.json").write_text("{}")
    both = pair("--run", tmp_path)
    assert ended(both) == [2, 2]
    line = f"scripts/train.py: error: {tmp_path}: holds a run already. Give resume"
    for program in both:
        (error,) = program.errors()
        assert error.startswith(line)


def test_processes_that_do_not_come_are_one_line(start):
    # Two minutes are what a user waits; here, one second
    code = (
        "import sys; from jaxconv.train import distributed, cli; "
        "distributed._WAIT = distributed._NOTE = 1; sys.argv = ['train.py']; "
        f"sys.exit(cli.main('--coordinator 127.0.0.1:{free_port()} --num-processes 2 "
        "--process-id 0'.split()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=clean_environment() | {"TF_CPP_MIN_LOG_LEVEL": "4", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 2
    note, error = done.stderr.splitlines()
    assert note.startswith("Process 0 of 2 waits for the coordinator at 127.0.0.1:")
    assert error.startswith(
        "train.py: error: process 0 of 2 waited for the coordinator"
    )


def test_tasks_of_slurm_find_each_other(start):
    job = {
        "JAX_COORDINATOR_PORT": str(free_port()),
        "SLURM_JOB_ID": "7",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_LOCALID": "0",
    }
    options = ["--coordinator", "auto", "--max-batches", 5]
    both = [start(*options, **job, SLURM_PROCID=str(i)) for i in range(2)]
    assert ended(both) == [0, 0]
    assert "5 batches" in both[0].out.read_text()
    assert both[1].out.read_text() == ""
