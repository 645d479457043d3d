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

from jaxconv.train import distributed

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 150  # for everything that a test starts; 60 is what one that is left may take
GONE = (
    "scripts/train.py: error: another process of this run has ended, or is out of "
    "reach. Start all of them again; with --run and --resume they go on from the last "
    "checkpoint."
)
BATCHES = 240
TRAIN = ["--max-test-images", "200", "--validate-every", "0", "--batch-size", "50"]
OPTIONS = ["--max-batches", str(BATCHES), "--checkpoint-every", "20"]
pytestmark = [pytest.mark.exhaustive]


class Program:
    """A training program under way, with what it writes in files."""

    def __init__(self, folder, options, environment, prelude=""):
        self.out, self.err = folder / "out", folder / "err"
        folder.mkdir(parents=True)
        command = ["scripts/train.py", *options]
        if prelude:
            code = f"{prelude}; from jaxconv.train.cli import main; exit(main())"
            command = ["-c", code, *options]
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, *command],
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
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ours) and "_proxy" not in name.lower()
    }


class Programs:
    """Starts programs; whatever is left of them ends with the test."""

    def __init__(self, folder):
        self.folder, self.started = folder, []

    def start(self, *options, prelude="", **environment):
        folder = self.folder / f"program {len(self.started)}"
        options = [*TRAIN, *map(str, options)]
        self.started.append(Program(folder, options, environment, prelude))
        return self.started[-1]

    def pair(self, *options):
        """Start two processes that train one model."""
        address = ["--coordinator", f"127.0.0.1:{free_port()}", "--num-processes", 2]
        return [self.start(*address, "--process-id", i, *options) for i in range(2)]

    def two_devices(self, *options):
        """Start one process with two devices."""
        return self.start(*options, "--devices", 2, JAX_NUM_CPU_DEVICES="2")

    def end(self):
        for program in self.started:
            program.process.kill()
            program.process.wait()


@pytest.fixture
def programs(tmp_path):
    programs = Programs(tmp_path)
    yield programs
    programs.end()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the params of two processes that nothing disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    programs = Programs(folder)
    try:
        both = programs.pair(*OPTIONS, "--run", folder / "run")
        assert ended(both) == [0, 0]
        check_quiet(both)
        assert "Kept in" in both[0].out.read_text()
    finally:
        programs.end()
    return trained(folder / "run")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def ended(programs):
    """Wait for programs; return the exit codes, and show what they said."""
    codes = [program.code() for program in programs]
    print(*(line for program in programs for line in program.errors()), sep="\n")
    return codes


def check_quiet(both):
    """Check that the second process writes nothing, and neither says an error."""
    assert [both[1].out.read_text(), *(one.err.read_text() for one in both)] == [""] * 3


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
    """Return the steps of which whole checkpoints are there, from 0 on."""
    folder = run / "checkpoints"
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted([0, *(int(name) for name in names if name.isdecimal())])


def test_killed_processes_end_the_others_and_resumes_lose_nothing(
    undisturbed, programs, tmp_path
):
    run = tmp_path / "run"
    options = [*OPTIONS, "--run", run, "--resume"]
    for killed in (1, 0):  # the worker, then the coordinator
        both, before = programs.pair(*options), max(steps_kept(run))
        wait_for(lambda before=before: max(steps_kept(run)) > before)
        both[killed].process.kill()
        begin = time.monotonic()
        assert both[1 - killed].code(60) == 1
        assert time.monotonic() - begin < 60
        assert both[1 - killed].errors() == [GONE]
        assert max(steps_kept(run)) < BATCHES  # there is something left to do
    assert ended(programs.pair(*options)) == [0, 0]
    check_equal(trained(run), undisturbed)


def test_ctrl_c_in_one_process_stops_both_and_one_process_goes_on(
    undisturbed, programs, tmp_path
):
    run = tmp_path / "run"
    both = programs.pair(*OPTIONS, "--run", run)
    wait_for(lambda: max(steps_kept(run)))
    both[1].process.send_signal(signal.SIGINT)
    assert ended(both) == [130, 130]
    check_quiet(both)
    out = both[0].out.read_text()
    after = int(re.search(r"Interrupted after ([\d,]+) batches", out)[1])
    assert max(steps_kept(run)) == after < BATCHES
    assert programs.two_devices(*OPTIONS, "--run", run, "--resume").code() == 0
    check_equal(trained(run), undisturbed)


def test_two_processes_go_on_where_one_has_stopped(undisturbed, programs, tmp_path):
    options = [*OPTIONS, "--run", tmp_path / "run"]
    assert programs.two_devices(*options, "--max-batches", BATCHES // 2).code() == 0
    assert ended(programs.pair(*options, "--resume")) == [0, 0]
    check_equal(trained(tmp_path / "run"), undisturbed)


def test_a_task_of_slurm_that_falls_silent_ends_the_other(programs):
    assert distributed._SILENCE <= 30  # here it is less, to be quick
    job = {
        "JAX_COORDINATOR_PORT": str(free_port()),
        "SLURM_JOB_ID": "7",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_LOCALID": "0",
        "TF_CPP_MIN_LOG_LEVEL": "4",
    }
    prelude = (
        "import sys; sys.argv[0] = 'scripts/train.py'; "
        "from jaxconv.train import distributed; distributed._SILENCE = 6"
    )
    both = [
        programs.start(
            *("--coordinator", "auto", "--epochs", 50),
            prelude=prelude,
            SLURM_PROCID=str(i),
            **job,
        )
        for i in range(2)
    ]
    wait_for(lambda: "Training for" in both[0].out.read_text())
    both[1].process.send_signal(signal.SIGSTOP)
    assert both[0].code(60) == 1
    assert both[0].errors() == [GONE]


def test_unequal_settings_are_one_line_in_each_process(programs):
    address = ["--coordinator", f"127.0.0.1:{free_port()}", "--num-processes", 2]
    both = [
        programs.start(*address, "--process-id", i, "--learning-rate", 0.1 + i / 10)
        for i in range(2)
    ]
    assert ended(both) == [2, 2]
    line = (
        "scripts/train.py: error: --learning-rate must be the same in all processes, "
        "but process 1 has another value than process 0."
    )
    assert [one.errors() for one in both] == [[line], [line]]


def test_a_folder_that_holds_a_run_is_one_line_in_each_process(programs, tmp_path):
    (tmp_path / "settings.json").write_text("{}")
    both = programs.pair("--run", tmp_path)
    assert ended(both) == [2, 2]
    line = f"scripts/train.py: error: {tmp_path}: holds a run already. Give resume"
    for program in both:
        (error,) = program.errors()
        assert error.startswith(line)


def test_processes_that_do_not_come_are_one_line(programs):
    # two minutes are what a user waits; here, one second
    alone = programs.start(
        *("--coordinator", f"127.0.0.1:{free_port()}", "--num-processes", 2),
        *("--process-id", 0),
        prelude="import sys; sys.argv[0] = 'scripts/train.py'; from jaxconv.train "
        "import distributed; distributed._WAIT = distributed._NOTE = 1",
        TF_CPP_MIN_LOG_LEVEL="4",
    )
    assert alone.code() == 2
    note, error = alone.errors()
    assert note.startswith("Process 0 of 2 waits for the coordinator at 127.0.0.1:")
    assert error.startswith(
        "scripts/train.py: error: process 0 of 2 waited for the coordinator at 127."
    )
