"""What the page can ask, by name: the fields of each question, and who answers it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxconv.explore import backward, descent, ideas, images
from jaxconv.explore.arguments import SIDE
from jaxconv.explore.model import Model
from jaxconv.explore.requests import BadRequestError, Body
from jaxconv.explore.state import State
from jaxconv.explore.toy import toy

MOST_STEPS, LARGEST_RATE = 100, 10.0
MOST_TAPS, MOST_STRIDE = 13, 4  # of the two layers of `receptive`
LARGEST_WEIGHT = 1e3  # of a filter that is typed in

Answer = dict[str, Any]


class Route(NamedTuple):
    """Who answers, and the fields that the question may have."""

    answer: Callable[[Body, State], Answer]
    fields: tuple[str, ...]


def answer(
    name: str, fields: dict[str, Any], state: State, may_run_code: bool = False
) -> Answer:
    """Answer a question.

    Raises:
      BadRequestError: a field is not what it must be.
      RefusedError: what is asked may not be done, or not now.
    """
    route = ROUTES[name]
    body = Body(name, fields, route.fields, may_run_code=may_run_code)
    try:
        return route.answer(body, state)
    except ValueError as error:
        if str(error).startswith(f"{name}: "):  # written for who asks
            raise BadRequestError(str(error)) from None
        raise


def _model(body: Body, state: State) -> Model:
    """Return the model with the params of the session, if one is named."""
    return state.sessions.model(body.session() if body.has("session") else None)


def _label(body: Body, state: State) -> int:
    return body.integer("label", 0, len(state.model.classes) - 1)


def _map(body: Body, state: State) -> int:
    return body.integer("map", 0, state.model.filters - 1)


def _pixel(body: Body) -> tuple[int, int]:
    return body.integer("row", 0, SIDE - 1), body.integer("column", 0, SIDE - 1)


def _tap(body: Body, state: State) -> tuple[int, int]:
    p, q = body.integers("tap", 2, 0, min(state.model.kernel) - 1)
    return p, q


def _toy(body: Body, state: State) -> Answer:
    return toy(body)


def _digit(body: Body, state: State) -> Answer:
    digits, labels = state.model.digits
    index = body.integer("index", 0, len(labels) - 1)
    return {"pixels": digits[index, 0].tolist(), "label": int(labels[index])}


def _forward(body: Body, state: State) -> Answer:
    pixels = body.pixels()
    return images.forward(_model(body, state), pixels)


def _map_pixel(body: Body, state: State) -> Answer:
    pixels, index = body.pixels(), _map(body, state)
    return images.map_pixel(_model(body, state), pixels, index, *_pixel(body))


def _backward(body: Body, state: State) -> Answer:
    pixels, label = body.pixels(), _label(body, state)
    return backward.backward(_model(body, state), pixels, label)


def _input_pixel(body: Body, state: State) -> Answer:
    pixels, label = body.pixels(), _label(body, state)
    return backward.input_pixel(_model(body, state), pixels, label, *_pixel(body))


def _filter_weight(body: Body, state: State) -> Answer:
    pixels, label = body.pixels(), _label(body, state)
    at = _map(body, state), _tap(body, state)
    return backward.filter_weight(_model(body, state), pixels, label, *at)


def _descend(body: Body, state: State) -> Answer:
    session, pixels, label = body.session(), body.pixels(), _label(body, state)
    steps = body.integer("steps", 1, MOST_STEPS)
    rate = body.number("rate", 0.0, LARGEST_RATE)
    return descent.descend(state.sessions, session, pixels, label, steps, rate)


def _reset(body: Body, state: State) -> Answer:
    state.sessions.reset(body.session())
    return {}


def _kernel(body: Body, state: State) -> Answer:
    if body.has("name") == body.has("kernel"):
        raise BadRequestError("kernel: give the name of a filter, or a kernel.")
    pixels = body.pixels()
    if body.has("name"):
        return ideas.kernel(pixels, body.choice("name", list(ideas.KERNELS)))
    return ideas.kernel(pixels, body.square("kernel", 3, LARGEST_WEIGHT))


def _downsample(body: Body, state: State) -> Answer:
    return ideas.downsample(body.pixels())


def _receptive(body: Body, state: State) -> Answer:
    kernels = body.integers("kernels", 2, 1, MOST_TAPS)
    strides = body.integers("strides", 2, 1, MOST_STRIDE)
    return ideas.receptive(kernels, strides, *_pixel(body))


def _check(body: Body, state: State) -> Answer:
    return state.checker.check(body)


_IMAGE = ("pixels", "session")
_LOSS = (*_IMAGE, "label")
ROUTES: dict[str, Route] = {
    "toy": Route(_toy, ("x", "w", "g", "stride", "padding", "dilation")),
    "digit": Route(_digit, ("index",)),
    "forward": Route(_forward, _IMAGE),
    "map_pixel": Route(_map_pixel, (*_IMAGE, "map", "row", "column")),
    "backward": Route(_backward, _LOSS),
    "input_pixel": Route(_input_pixel, (*_LOSS, "row", "column")),
    "filter_weight": Route(_filter_weight, (*_LOSS, "map", "tap")),
    "descend": Route(_descend, (*_LOSS, "steps", "rate")),
    "reset": Route(_reset, ("session",)),
    "kernel": Route(_kernel, (*_IMAGE, "name", "kernel")),
    "downsample": Route(_downsample, _IMAGE),
    "receptive": Route(_receptive, ("kernels", "strides", "row", "column")),
    "check": Route(_check, ("example", "source")),
}
