"""What the routes answer from, for as long as the server runs."""

import contextlib
import dataclasses
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from jaxconv.explore import ideas
from jaxconv.explore.checker import Checker
from jaxconv.explore.examples import EXAMPLES
from jaxconv.explore.model import Model
from jaxconv.explore.sessions import Sessions


@dataclasses.dataclass
class State:
    """The trained model, the copies of it that descent has changed, and the checker."""

    model: Model
    sessions: Sessions
    checker: Checker


@contextlib.contextmanager
def make_state(model: Model, allow_code: bool = False) -> Iterator[State]:
    """Yield the state of a server that has just been started; end what it started."""
    with contextlib.closing(Checker(allow_code)) as checker:
        yield State(model, Sessions(model), checker)


def facts(state: State) -> dict[str, Any]:
    """Return what the page must know before it asks, but for `allow_code`."""
    model = state.model
    examples = [{"name": key, **one._asdict()} for key, one in EXAMPLES.items()]
    return {
        "classes": list(model.classes),
        "layers": ideas.layers(model),
        "filters": model.filters,
        "kernel": model.kernel[0],
        "digits": len(model.digits[1]),
        "examples": examples,
        "kernels": list(ideas.KERNELS),
        "version": metadata.version("jaxconv"),
    }
