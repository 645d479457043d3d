"""What is said of processes that do not come together; real ones: test_processes."""

import os
import socket
import sys
import time

import jax
import pytest

from jaxconv import _program
from jaxconv.train import Config, agreement, distributed
from jaxconv.train.cli import main

SLURM = ("SLURM_STEP_ID", "SLURM_NTASKS")
AT = "127.0.0.1:1234"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    """Take away what a cluster says of its tasks."""
    for name in [name for name in os.environ if name.startswith(("SLURM_", "OMPI_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def port():
    """Return a port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


MISFITS = {
    "count alone": (
        {"num_processes": 2},
        r"num_processes is 2, but coordinator is none\. Give coordinator as HOST:PORT",
    ),
    "number alone": ({"process_id": 0}, r"process_id is 0, but coordinator is none\."),
    "number of what is found out": (
        {"coordinator": "auto", "process_id": 1},
        r"process_id is 1, but coordinator is auto, which finds it out\.",
    ),
    "no count": (
        {"coordinator": AT, "process_id": 1},
        r"coordinator is 127\.0\.0\.1:1234, but num_processes is not given\. Give num_",
    ),
    "no number": (
        {"coordinator": AT, "num_processes": 2},
        r"coordinator is 127\.0\.0\.1:1234, but process_id is not given\.",
    ),
    "number too high": (
        {"coordinator": AT, "num_processes": 2, "process_id": 2},
        r"process_id must be .* below num_processes, which is 2, got 2\.",
    ),
    "number below 0": (
        {"coordinator": AT, "num_processes": 2, "process_id": -1},
        r"process_id must be at least 0 .* got -1\.",
    ),
    "finding a rate": (
        {"coordinator": "auto", "find_learning_rate": True},
        r"find_learning_rate takes one process\. Leave coordinator out",
    ),
}


@pytest.mark.parametrize("case", MISFITS.values(), ids=MISFITS.keys())
def test_settings_that_do_not_fit_together(case):
    settings, message = case
    with pytest.raises(ValueError, match=message):
        distributed.start(Config(**settings))


@pytest.mark.parametrize(
    "address", ["", "host", "host:", ":80", "host:http", "host:0", "host:65536"]
)
def test_an_address_is_a_host_and_a_port(address):
    config = Config(coordinator=address, num_processes=2, process_id=0)
    with pytest.raises(ValueError, match=r"coordinator must be HOST:PORT .* or auto"):
        distributed.start(config)


def test_a_port_that_is_taken_is_one_line():
    # JAX itself ends by a segmentation fault
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = Config(coordinator=address, num_processes=2, process_id=0)
        with pytest.raises(
            ValueError, match=r"cannot listen at port \d+ .* in use\. C"
        ):
            distributed.start(config)


def test_a_coordinator_that_is_not_there_is_one_line_and_exit_code_2(
    port, monkeypatch, capsys
):
    monkeypatch.setattr(distributed, "_WAIT", 0.6)
    monkeypatch.setattr(distributed, "_NOTE", 0.1)
    monkeypatch.setattr(sys, "argv", ["train.py"])
    options = f"--coordinator 127.0.0.1:{port} --num-processes 2 --process-id 1"
    assert main(options.split()) == 2
    note, error = capsys.readouterr().err.splitlines()
    assert note == (
        f"Waiting for the coordinator at 127.0.0.1:{port}, 0.6 s at most: Connection "
        "refused."
    )
    assert error.startswith(
        f"train.py: error: coordinator 127.0.0.1:{port} cannot be reached: Connection "
        "refused, for 0.6 s. Is process 0 running there"
    )


def test_auto_needs_an_environment_that_jax_knows(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    def initialize(**settings):  # the real one, without what is computed already
        jax._src.distributed.State().initialize(cluster_detection_method=None)

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    message = (
        r"coordinator is auto, but JAX finds no environment of Slurm, .* HOST:PORT"
    )
    with pytest.raises(ValueError, match=message):
        distributed.start(Config(coordinator="auto"))


def test_an_environments_own_error_is_one_line(monkeypatch):
    def initialize(**settings):
        raise RuntimeError("Kubernetes API Error: 403\nThe account may not look.")

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    message = r"^coordinator auto: Kubernetes API Error: 403 The account may not look$"
    with pytest.raises(ValueError, match=message):
        distributed.start(Config(coordinator="auto"))


@pytest.mark.parametrize(("tasks", "said"), [("4", 1), ("1", 0)])
def test_tasks_of_slurm_that_train_apart_are_told(tasks, said, monkeypatch):
    for name, value in zip(SLURM, ("0", tasks), strict=True):
        monkeypatch.setenv(name, value)
    lines = []
    distributed.start(Config(), lines.append)
    assert len(lines) == said
    assert all("SLURM_NTASKS is 4" in line and "auto" in line for line in lines)


def test_waiting_in_a_thread_raises_what_it_raised():
    notes = []

    def work():
        time.sleep(0.1)
        raise ValueError("in vain")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "_NOTE", 0.01)
        with pytest.raises(ValueError, match="in vain"):
            distributed._in_thread(work, lambda: notes.append("waits"))
    assert notes == ["waits"]


# One process


def test_one_process_needs_nobody_elses_consent():
    assert agreement.stop_together(3, asked=True)
    assert not agreement.stop_together(3, asked=False)
    agreement.check_same({"seed": 1})
    assert distributed.leave(1) == 1


def test_an_unexpected_error_of_one_process_is_raised():
    with pytest.raises(ZeroDivisionError):
        distributed.joint(lambda: 1 // 0)
    assert distributed.joint(lambda: 7) == 7


def test_an_error_of_one_process_needs_no_telling():
    with pytest.raises(OSError, match="full"), agreement.raised_in_all():
        raise OSError("full")


def test_an_error_of_one_process_stays_what_it_is():
    error = jax.errors.JaxRuntimeError("UNAVAILABLE: Gloo, the connection, a heartbeat")
    with pytest.raises(jax.errors.JaxRuntimeError), distributed.watched():
        raise error


# The words of JAX's runtime


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        (["--coordinator", AT], None, "4"),
        ([f"--coordinator={AT}"], "1", "4"),
        (["--coordinator", AT], "0", "0"),
        (["--coordinator", AT, "--debug"], None, None),
        (["--epochs", "2"], None, None),
    ],
    ids=["silent", "JAX's own level", "the user's level", "debug", "one process"],
)
def test_the_runtime_is_silent_where_processes_may_end(
    options, before, after, monkeypatch
):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    if before is not None:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", before)
    monkeypatch.setattr(sys, "argv", ["train.py", *options])
    assert _program._silence_runtime() == (before != after)
    assert os.environ.get("TF_CPP_MIN_LOG_LEVEL") == after
