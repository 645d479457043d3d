"""Walk through a model: its simple layers, in the order in which they are defined."""

import dataclasses
from collections.abc import Generator, Iterator
from typing import Any

import jax

from jaxconv.nn._checks import as_called, at_part, check_shape, described
from jaxconv.nn.layer import Layer, Params, Shape, eval_shape


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """A simple layer, one without parts, at its place in a model.

    `path` names it as errors and params do: `stage2/block1/conv1`. The model itself and
    a part without a name add nothing to the path. `params` holds shapes. `sources` are
    the steps whose outputs it reads, added or concatenated; none: the model's input.
    """

    path: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    params: Params
    sources: tuple["Step", ...]


@dataclasses.dataclass(frozen=True)
class _Value:
    """What flows: an array's shape, and the steps that it comes from."""

    shape: Any
    sources: tuple[Step, ...] = ()
    several: tuple["_Value", ...] = ()  # where it is a tuple of arrays


def walk(model: Layer, input_shape: Shape, *, caller: str = "walk") -> Iterator[Step]:
    """Yield each simple layer of a model with its path and shapes; no weight is drawn.

    Parts follow each other as in `Layer.parts`: of a `residual` first the layers, then
    the shortcut.

    Args:
      model: any layer.
      input_shape: the shape of one observation, without the batch.
      caller: the name that errors begin with.

    Raises:
      ValueError: `model` is not a layer, `input_shape` not a tuple of sizes, or a layer
        does not take its input; the message begins with the layer's path.

    >>> from jaxconv import nn
    >>> model = nn.serial(nn.residual(nn.Conv2D(3, 3)), nn.Flatten())
    >>> [(step.path, step.output_shape) for step in walk(model, (3, 2, 2))][::2]
    [('residual1/conv1', (3, 2, 2)), ('flatten1', (12,))]
    """
    if not isinstance(model, Layer):
        call = as_called(model) or f"{caller}(serial(*layers), input_shape)"
        raise ValueError(
            f"{caller}: model must be a Layer, got {described(model)}. Write {call}."
        )
    yield from _steps(model, _value(check_shape(caller, input_shape)), "")


def is_several(shape: Shape) -> bool:
    """Whether this is the shape of several arrays: a tuple of shapes."""
    return any(isinstance(size, tuple) for size in shape)


def _value(shape: Any, sources: tuple[Step, ...] = ()) -> _Value:
    """Return a value of that shape, all of it from the same steps."""
    several = tuple(_value(one, sources) for one in shape) if is_several(shape) else ()
    return _Value(shape, sources, several)


def _steps(layer: Layer, value: _Value, path: str) -> Generator[Step, None, _Value]:
    """Yield the steps of a layer and return its output."""
    if not layer.parts:
        with at_part(path):
            shape, params = _shapes(layer, value.shape)
        step = Step(path, layer, value.shape, shape, params, value.sources)
        yield step
        return _value(shape, (step,))
    outputs: list[_Value] = []
    given = value
    for place, (name, part) in enumerate(layer.parts):
        if layer.flow == "each":
            given = _one_of(layer, value, place, path)
        output = yield from _steps(part, given, f"{path}/{name}".strip("/"))
        outputs.append(output)
        if layer.flow == "serial":
            given = output
    if layer.flow == "serial":
        return given
    return _joined(layer, value, outputs, path)


def _one_of(layer: Layer, value: _Value, place: int, path: str) -> _Value:
    """Return the input of one part where each has its own.

    Raises:
      ValueError: there are not as many arrays as parts.
    """
    if len(value.several) != len(layer.parts):
        where = path or layer.name
        raise ValueError(
            f"{where}: give a tuple of {len(layer.parts)}, one for each layer, got "
            f"{value.shape}."
        )
    return value.several[place]


def _joined(layer: Layer, value: _Value, outputs: list[_Value], path: str) -> _Value:
    """Return the output of parts side by side: a tuple of theirs, or made of them."""
    sources = tuple(dict.fromkeys(step for one in outputs for step in one.sources))
    together = tuple(one.shape for one in outputs)
    with at_part(path):
        shape, _ = _shapes(layer, value.shape)
    if shape == together:
        return _Value(together, sources, tuple(outputs))
    return _value(shape, sources)


def _shapes(layer: Layer, shape: Shape) -> tuple[Shape, Params]:
    """Return what `init` does, as shapes.

    An `init` that JAX cannot trace, as it computes with NumPy, runs as it is.
    """
    try:
        return eval_shape(layer, shape)
    except jax.errors.JAXTypeError:
        output_shape, params = layer.init(jax.random.key(0), shape)
        return output_shape, jax.eval_shape(lambda: params)
