"""Several processes train one model: how they find each other, and how they end.

One process, number 0, is the coordinator. JAX's runtime connects the others to it, and
aborts a process, with a stack trace, as soon as another one is gone. Here that abort
becomes one line and an exit code.
"""

import contextlib
import dataclasses
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax

from jaxconv.train._abort import OnAbort, flush, hold, leave_at_once
from jaxconv.train._address import check_free, host_and_port, reach
from jaxconv.train.agreement import check_same
from jaxconv.train.config import Config

AUTO = "auto"
_WAIT = 120  # seconds until all processes are there
_NOTE = 5  # seconds after which a process says what it waits for
_SILENCE = 30  # seconds after which a process that gives no sign of life is gone
_UNWIND = 20  # seconds in which a checkpoint that is being written must be done
# What may differ from process to process: paths, and who it is.
_ITS_OWN = ("coordinator", "data_dir", "process_id", "run", "tensorboard")

GONE = (
    "another process of this run has ended, or is out of reach. Start all of them "
    "again; with --run and --resume they go on from the last checkpoint."
)


class LostError(RuntimeError):
    """Another process of the run has ended, or cannot be reached any more."""


def start(config: Config, say: Callable[[str], None] | None = None) -> None:
    """Connect this process with the others of its run, if `config` names any.

    `say` takes a line of text while the process waits; None writes it to standard
    error. It must come before anything is computed. Where the processes do not find
    each other within two minutes, this one exits with one line and code 2.

    Raises:
      ValueError: `coordinator`, `num_processes` and `process_id` do not fit together,
        nothing listens at the address, or the processes have unequal settings.
    """
    say = say or _say
    check(config)
    if config.coordinator is None:
        if _is_one_of_many_tasks():
            say(
                f"SLURM_NTASKS is {os.environ['SLURM_NTASKS']}, but each task trains a "
                "model of its own. --coordinator auto has them train one."
            )
        return
    if not jax.distributed.is_initialized():
        _connect(config, say)
    settings = dataclasses.asdict(config)
    check_same(
        {name: settings[name] for name in settings if name not in _ITS_OWN}
        | {"run": config.run is not None}
    )


def check(config: Config) -> None:
    """Raise ValueError where the settings of processes do not fit together."""
    where, count, number = config.coordinator, config.num_processes, config.process_id
    if where is not None and config.find_learning_rate:
        raise ValueError(
            "find_learning_rate takes one process. Leave coordinator out, and give "
            "what it finds to all of them."
        )
    if where is None or where == AUTO:
        for name, value in (("num_processes", count), ("process_id", number)):
            if value is not None:
                means = "none" if where is None else "auto, which finds it out"
                raise ValueError(
                    f"{name} is {value}, but coordinator is {means}. Give "
                    "coordinator as HOST:PORT of process 0, or leave it out."
                )
        return
    host_and_port(where)
    if count is None or number is None:
        name = "num_processes" if count is None else "process_id"
        raise ValueError(
            f"coordinator is {where}, but {name} is not given. Give num_processes, and "
            "to each process its process_id, from 0."
        )
    if not 0 <= number < count:
        raise ValueError(
            f"process_id must be at least 0 and below num_processes, which is {count}, "
            f"got {number}."
        )


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Turn the error of a step whose other processes are gone into a LostError.

    What else is cleaned up on the way out has twenty seconds: it may wait for the other
    processes, too.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1 or not _is_of_others(error):
            raise
        hold()
        line = f"{sys.argv[0]}: error: {GONE}"
        timer = threading.Timer(_UNWIND, leave_at_once, (line, 1))
        timer.daemon = True
        timer.start()
        raise LostError(GONE) from error


def joint(main: Callable[[], int]) -> int:
    """Run a program's main function, and return the exit code as `leave` does.

    After an unexpected error this process must not wait for the others.
    """
    try:
        code = main()
    except Exception:
        if jax.distributed.is_initialized():
            traceback.print_exc()
            leave(1)
        raise
    return leave(code)


def leave(code: int) -> int:
    """Return a program's exit code, after waiting for the other processes if need be.

    After an error this process does not wait for the others, as they may wait for it;
    it gives them two seconds to meet the same error, and exits.
    """
    if not jax.distributed.is_initialized() or jax.process_count() == 1:
        return code
    if code in (0, 130):  # all of them end here
        return _leave_together(code)
    if hold():
        time.sleep(2)
    flush()
    os._exit(code)


def _leave_together(code: int) -> int:
    """Wait for all processes, of which the first writes longest; return the exit code.

    If another one is lost here, the first has written all that it had to write, and
    exits with the code.
    """
    from jax.experimental import multihost_utils

    first = jax.process_index() == 0
    try:
        multihost_utils.sync_global_devices("end")
    except jax.errors.JaxRuntimeError:
        hold()
        if not first:
            leave_at_once(f"{sys.argv[0]}: error: {GONE}", 1)
        leave_at_once("", code)
    OnAbort.install("", code)
    jax.distributed.shutdown()
    return code


def _connect(config: Config, say: Callable[[str], None]) -> None:
    """Call jax.distributed.initialize, for as long as it may take."""
    # Without it, processes on CPUs do not see each other.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    settings: dict[str, Any] = {}
    if config.coordinator == AUTO:
        who, where = "this process", "the coordinator that the environment names"
    else:
        assert config.coordinator is not None
        where = f"the coordinator at {config.coordinator}"
        who = f"process {config.process_id} of {config.num_processes}"
        if config.process_id == 0:
            check_free(config.coordinator)
        else:
            reach(config.coordinator, say, _WAIT, _NOTE)
        settings = {
            "coordinator_address": config.coordinator,
            "num_processes": config.num_processes,
            "process_id": config.process_id,
            "cluster_detection_method": "deactivate",
        }
    on_abort = OnAbort.install(
        f"{who} waited for {where} and for the others, for {_WAIT} s in vain. Start "
        "all of them, with one coordinator and num_processes, and each with a "
        "process_id of its own.",
        2,
    )
    try:
        _in_thread(
            lambda: jax.distributed.initialize(
                **settings,
                initialization_timeout=_WAIT,
                heartbeat_timeout_seconds=_SILENCE,
            ),
            lambda: say(f"{who.capitalize()} waits for {where} and for the others."),
        )
    except RuntimeError as error:  # of the environment that was found
        raise ValueError(
            f"coordinator {config.coordinator}: {_joined(error)}"
        ) from error
    except ValueError as error:
        if config.coordinator != AUTO:
            raise
        raise ValueError(
            "coordinator is auto, but JAX finds no environment of Slurm, Kubernetes "
            f"or Open MPI to ask ({_joined(error)}). Give coordinator as HOST:PORT of "
            "process 0, num_processes and process_id."
        ) from error
    on_abort.say(GONE, 1)


def _in_thread(work: Callable[[], None], after_a_while: Callable[[], None]) -> None:
    """Do work that blocks in a thread, so that Ctrl-C still works."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_NOTE)
    if thread.is_alive():
        after_a_while()
    while thread.is_alive():
        thread.join(0.5)
    if failed:
        raise failed[0]


def _is_of_others(error: BaseException) -> bool:
    """Whether an error of JAX comes from the connection with other processes."""
    words = ("gloo", "nccl", "heartbeat", "coordination", "connection", "unavailable")
    return any(word in str(error).lower() for word in words)


def _is_one_of_many_tasks() -> bool:
    tasks = os.environ.get("SLURM_NTASKS", "")
    return "SLURM_STEP_ID" in os.environ and tasks.isdecimal() and int(tasks) > 1


def _joined(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
