"""The checker's part of the page: seeded bugs, and pasted code where it is allowed."""

import functools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from jaxconv.explore.checking import check_source
from jaxconv.explore.examples import EXAMPLES
from jaxconv.explore.refusals import RefusedError
from jaxconv.explore.requests import BadRequestError, Body
from jaxconv.explore.worker import READY

LIMIT = 20  # seconds that pasted code may take
_START = 120  # seconds in which its process must be up
_WAIT = 5  # seconds for an earlier check to end
_MOST_CHARACTERS = 8_000


class Checker:
    """Answers `check`, one request at a time."""

    def __init__(self, allow_code: bool = False, limit: int = LIMIT) -> None:
        """Start the process for pasted code ahead: importing JAX takes seconds."""
        self._lock = threading.Lock()
        self._child = Child(limit) if allow_code else None
        self._example = functools.cache(
            lambda name: check_source(EXAMPLES[name].source)
        )

    def check(self, body: Body) -> dict[str, Any]:
        """Answer with the report on an example, or on pasted code."""
        if body.has("example") == body.has("source"):
            raise BadRequestError("check: name an example, or give a source.")
        if body.has("example"):
            name = body.choice("example", list(EXAMPLES))
            with self._alone():
                return self._example(name)
        if self._child is None:
            raise RefusedError(
                403,
                "Pasted code runs as you, on this computer, so the server does it only "
                "when started with --allow-code.",
            )
        if not body.may_run_code:
            raise RefusedError(
                403,
                "To run code, open the page by the address that the server printed: it "
                "holds a secret, which keeps out other users of this computer.",
            )
        source = body.text("source", _MOST_CHARACTERS)
        with self._alone():
            return self._child.check(source)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=_WAIT):
            raise RefusedError(503, "Another check is running. Try again in a moment.")
        try:
            yield
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the process for pasted code."""
        if self._child is not None:
            self._child.close()


class Child:
    """The process that runs pasted code; a new one is started when it has ended."""

    def __init__(self, limit: int) -> None:
        """Start it."""
        self._limit = limit
        self._process = self._start()
        self._ready = False

    def _start(self) -> subprocess.Popen[str]:
        path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
        module = "jaxconv.explore.worker"
        return subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(self._limit)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": path},  # the modules that are found here
            start_new_session=True,  # Ctrl-C is for the server
        )

    def check(self, source: str) -> dict[str, Any]:
        """Send the code, and return the answer.

        Raises:
          BadRequestError: the code is no good, takes too long, or ends the process.
        """
        if self._process.poll() is not None:
            self.close()
            self._process, self._ready = self._start(), False
        if not self._ready and self._line(_START) != READY:
            raise RefusedError(503, "The process for pasted code does not start.")
        self._ready = True
        try:
            print(json.dumps(source), file=self._process.stdin, flush=True)
            answer = json.loads(self._line(self._limit))
        except (OSError, ValueError):
            self.close()
            raise BadRequestError(
                f"The code takes longer than {self._limit} s, or ends its process."
            ) from None
        if "error" in answer:
            raise BadRequestError(answer["error"])
        return answer

    def _line(self, seconds: int) -> str:
        """Return the next line that it writes; "" if it ends, at the latest then."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        try:
            assert self._process.stdout is not None
            return self._process.stdout.readline().rstrip("\n")
        finally:
            timer.cancel()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):  # what was not written yet
                pipe.close()
