"""Child processes that compute cases of `fuzz_cases.py`, and what they say."""

import collections
import contextlib
import dataclasses
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

# The general implementation, which races in XLA's pool of threads, and the slow ones.
# That of a single product does not race: it splits what nothing else has split.
BAD = re.compile(r"\bref|^(?!matmul).*(?<!br)gemm")
TIME_LIMIT = 60.0  # seconds for a case, the start of a child among them
# What small programs compute is at stake, not their speed: they compile in half the
# time.
_FLAGS = "--xla_backend_optimization_level=0"
_SETTINGS = {
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_COMPILATION_CACHE": "0",
    "ONEDNN_VERBOSE": "profile_exec",
    "OPENBLAS_NUM_THREADS": "1",  # the oracle's
}

Lines = queue.SimpleQueue[str | None]


@dataclasses.dataclass
class Outcome:
    """What came of a case."""

    case: str  # onednn/bfloat16/7/mb2ic3oc4ih6iw5kh3kw2cl1
    numbers: int = 0  # compared
    problem: str | None = None
    ran: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )

    @property
    def kind(self) -> tuple[str, str]:
        """Its type and layout."""
        layout = "channels-last" if self.case.endswith("cl1") else "channels-first"
        return self.case.split("/")[1], layout


class Children:
    """The children of a run; a thread for each that runs at a time calls `follow`.

    Outcomes go into a queue, and None when a thread has none left.
    """

    def __init__(
        self,
        batches: Iterator[Sequence[str]],
        outcomes: "queue.SimpleQueue[Outcome | None]",
        time_limit: float | int = TIME_LIMIT,
        unverified: bool = False,
    ) -> None:
        """Take batches of cases, seconds for one, and whether jaxlib is unverified."""
        self._batches, self._outcomes = batches, outcomes
        self._time_limit = time_limit
        self._command = [sys.executable, "-m", "jaxconv.check.fuzz_cases"]
        self._command += ["--unverified"] if unverified else []
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def follow(self) -> None:
        """Take batches until there are none."""
        try:
            while (batch := self._next()) is not None:
                while batch and not self._stopped:
                    batch = batch[self._run(batch) :]
        finally:
            self._outcomes.put(None)

    def stop(self) -> None:
        """End all of them."""
        with self._lock:
            self._stopped = True
            for child in self._running:
                child.kill()

    def _next(self) -> Sequence[str] | None:
        with self._lock:
            return None if self._stopped else next(self._batches, None)

    def _run(self, batch: Sequence[str]) -> int:
        """Run a child on a batch; return how many of its cases are done."""
        child = self._start()
        lines: Lines = queue.SimpleQueue()
        threads = [
            threading.Thread(target=_write, args=(child.stdin, batch)),
            threading.Thread(target=_read, args=(child.stdout, lines)),
        ]
        for thread in threads:
            thread.start()
        try:
            done, problem = self._listen(lines, batch)
            if problem is None:
                return done
            if problem == "":
                problem = "ends the process: " + _ending(child.wait())
        finally:
            child.kill()
            child.wait()
            for thread in threads:
                thread.join()
            with contextlib.suppress(OSError):  # lines that it did not read
                cast(IO[str], child.stdin).close()
            with self._lock:
                self._running.discard(child)
        if not self._stopped:
            self._outcomes.put(Outcome(batch[done], problem=problem))
        return done + 1

    def _start(self) -> "subprocess.Popen[str]":
        root = Path(__file__).parents[2]
        flags = f"{os.environ.get('XLA_FLAGS', '')} {_FLAGS}"
        paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
        settings = {**_SETTINGS, "XLA_FLAGS": flags, "PYTHONPATH": paths}
        with self._lock:
            child = subprocess.Popen(
                self._command,
                env={**os.environ, **settings},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C is for the parent
            )
            self._running.add(child)
            if self._stopped:
                child.kill()
        return child

    def _listen(self, lines: Lines, batch: Sequence[str]) -> tuple[int, str | None]:
        """Put outcomes; return how many, what became of the next: "" if it ended."""
        done, outcome = 0, Outcome(batch[0])
        while done < len(batch):
            try:
                line = lines.get(timeout=self._time_limit)
            except queue.Empty:
                return done, f"hangs: no answer in {self._time_limit:g} s"
            if line is None:
                return done, ""
            word, _, rest = line.partition(" ")
            if word == "case":
                outcome = Outcome(batch[int(rest)])
            elif word in ("same", "wrong"):
                if word == "same":
                    outcome.numbers = int(rest)
                outcome.problem = _problem(rest if word == "wrong" else None, outcome)
                self._outcomes.put(outcome)
                done += 1
            elif (name := implementation(line)) is not None:
                outcome.ran[name] += 1
        return done, None


def implementation(line: str) -> str | None:
    """Return which implementation of a convolution or product ran, if the line says so.

    >>> implementation("onednn_verbose,v1,primitive,exec,cpu,convolution,jit:avx2,…")
    'jit:avx2'
    >>> implementation("onednn_verbose,v1,primitive,exec,cpu,matmul,gemm:jit:f32,…")
    'matmul gemm:jit:f32'
    """
    fields = line.split(",")
    if fields[0] != "onednn_verbose" or fields[3:4] != ["exec"] or len(fields) < 7:
        return None
    if fields[5] == "matmul":
        return f"matmul {fields[6]}"
    return fields[6] if fields[5] == "convolution" else None


def _problem(wrong: str | None, outcome: Outcome) -> str | None:
    """Say what is wrong with a case that was computed, with the way too."""
    bad = [name for name in outcome.ran if BAD.search(name)]
    if bad:
        ran = f"ran {' and '.join(bad)}, which may hang"
        return f"{wrong}; {ran}" if wrong else ran
    if wrong is None and not outcome.ran:
        return "oneDNN did not say that it ran"
    return wrong


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _write(pipe: Any, batch: Sequence[str]) -> None:
    """Write the batch, and leave the pipe open: the child ends when it is closed."""
    with contextlib.suppress(OSError):  # the child has ended, which its output tells
        pipe.write("\n".join([*batch, "\n"]))
        pipe.flush()


def _read(pipe: Any, lines: Lines) -> None:
    with pipe:
        for line in pipe:
            lines.put(line.rstrip("\n"))
    lines.put(None)
