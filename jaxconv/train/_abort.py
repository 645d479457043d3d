"""End a process that JAX's runtime aborts with one line and an exit code."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from typing import NoReturn


class OnAbort:
    """What this process prints, and its exit code, when JAX's runtime aborts it.

    The runtime ends a process by SIGABRT, from a thread of its own, once another one is
    gone; Python does not notice. TF_CPP_MIN_LOG_LEVEL=4 at the start of the process
    silences what the runtime itself prints: see `jaxconv/_program.py`.
    """

    _only: "OnAbort | None" = None  # C holds a pointer to it

    def __init__(self) -> None:
        self.line, self.code = "", 1
        self._handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(self._abort)

    @classmethod
    def install(cls, message: str, code: int) -> "OnAbort":
        if cls._only is None:
            cls._only = cls()
            with contextlib.suppress(OSError, AttributeError, TypeError):  # Windows
                ctypes.CDLL(None).signal(signal.SIGABRT.value, cls._only._handler)
        cls._only.say(message, code)
        return cls._only

    def say(self, message: str, code: int) -> None:
        self.line = f"{sys.argv[0]}: error: {message}" if message else ""
        self.code = code

    def _abort(self, signum: int) -> None:
        if not hold():
            time.sleep(60)  # another thread is ending the process
        leave_at_once(self.line, self.code)


_ending = threading.Lock()  # an error and an abort may come at the same time


def hold() -> bool:
    """Keep aborts from ending this process; return whether they could until now."""
    return _ending.acquire(blocking=False)


def leave_at_once(line: str, code: int) -> NoReturn:
    """Write one line and exit, whatever the other threads are doing."""
    flusher = threading.Thread(target=flush, daemon=True)
    flusher.start()
    flusher.join(1)  # a thread may have stopped while it writes
    if line:
        begin = "\r\x1b[K\x1b[?25h" if os.isatty(2) else ""  # clear a progress bar
        os.write(2, f"{begin}{line}\n".encode())
    os._exit(code)


def flush() -> None:
    """Flush standard output and error, where they are open."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
