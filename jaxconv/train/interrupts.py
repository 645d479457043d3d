"""Ctrl-C during training: the first stops it gently, the second at once."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from jaxconv.train.agreement import stop_together
from jaxconv.train.observers import Observer


class Stop:
    """Whether to stop; when it first is so, the observer's `stopping` is called.

    Until the first step is done, there is nothing to keep, and Ctrl-C does what it did
    before. A signal's handler must not print, so the loop calls the observer.
    """

    def __init__(self, observer: Observer) -> None:
        """Take the observer to call."""
        self.interrupted: Callable[[], bool] = lambda: False
        self._observer, self._told = observer, False

    def __call__(self, done: int) -> bool:
        """Return whether to stop after `done` batches."""
        if self.interrupted() and not self._told:
            self._told = True
            self._observer.stopping(done)
        return self._told

    def together(self, done: int) -> bool:
        """Return the same in all processes; it must be called before each step."""
        stops = stop_together(done, self(done))
        if stops and not self._told:  # another process was asked to
            self._told = True
            self._observer.stopping(done)
        return stops


@contextlib.contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C only set a flag; a second one does what it did before.

    A step must not be interrupted: the buffers it was given are gone, and the new ones
    are not there yet. Where Ctrl-C is ignored (`nohup`), it stays so.
    """
    seen = False
    before = signal.getsignal(signal.SIGINT)
    ours = (
        before is not signal.SIG_IGN
        and threading.current_thread() is threading.main_thread()
    )

    def note(signum, frame):
        nonlocal seen
        seen = True
        signal.signal(signal.SIGINT, before)

    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: seen
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)
