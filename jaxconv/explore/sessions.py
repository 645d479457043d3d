"""Weights that gradient descent has changed: a copy for each of the last pages."""

import collections
import threading
from collections.abc import Callable
from typing import TypeVar

from jaxconv.explore.model import Model
from jaxconv.nn import Params

T = TypeVar("T")


class Sessions:
    """At most `most` copies of the params, by name; the one unused longest goes first.

    A name that is not known, or no name, means the trained params. All threads may
    call.
    """

    def __init__(self, model: Model, most: int = 16) -> None:
        """Begin without any."""
        self._trained, self._most = model, most
        self._changed: collections.OrderedDict[str, Params] = collections.OrderedDict()
        self._lock = threading.Lock()  # of the dict; held for an instant
        self._changing = threading.Lock()  # held while new params are computed

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._changed)

    def model(self, session: str | None = None) -> Model:
        """Return the model with a session's params."""
        with self._lock:
            if session is None or session not in self._changed:
                return self._trained
            self._changed.move_to_end(session)
            return self._trained.with_params(self._changed[session])

    def change(self, session: str, step: Callable[[Model], tuple[Params, T]]) -> T:
        """Keep the params that `step` makes of a session's; return what else it makes.

        One change is made at a time, so that none is lost. If `step` raises, nothing
        changes.
        """
        with self._changing:
            params, result = step(self.model(session))
            with self._lock:
                self._changed[session] = params
                self._changed.move_to_end(session)
                while len(self._changed) > self._most:
                    self._changed.popitem(last=False)
            return result

    def reset(self, session: str) -> None:
        """Forget a session's params: it has the trained ones again."""
        with self._changing, self._lock:
            self._changed.pop(session, None)
