"""Wait for a function no longer than a number of seconds."""

import contextlib
import contextvars
import ctypes
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax

_TO_STOP = 0.1  # seconds that an endless loop gets to end


class TimeLimitError(Exception):
    """A function took longer than it may."""


class _StopError(BaseException):
    """Raised inside a function that took too long, past `except Exception`."""


def within(seconds: float | int | None, function: Callable[[], Any]) -> Any:
    """Return what `function` returns, or raises, if that takes no longer.

    It runs in a thread of its own. After the time limit a loop in Python is stopped;
    compiled code is left behind and may go on.

    Raises:
      TimeLimitError: the time is over.
    """
    if seconds is None:
        return function()
    context = contextvars.copy_context()
    config: Any = jax.config
    settings = _settings(config.jax_enable_x64, config.jax_default_matmul_precision)
    outcome: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            with settings:
                outcome.append((context.run(function), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        thread.join(seconds)
    finally:  # Ctrl-C ends the wait, too
        late = thread.is_alive()
        if late:
            _stop(thread)
    if late or not outcome:
        raise TimeLimitError(f"took longer than {seconds:g} s")
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


@contextlib.contextmanager
def _settings(wide: bool, precision: Any) -> Iterator[None]:
    """Take over the settings that JAX keeps for each thread."""
    with jax.enable_x64(wide), jax.default_matmul_precision(precision):
        yield


def _stop(thread: threading.Thread) -> None:
    """Raise inside a thread; it takes effect at the next step of Python's."""
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(_StopError)
    )
    thread.join(_TO_STOP)
