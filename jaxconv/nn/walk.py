"""Walk through a model: its simple layers, in the order in which they are defined."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr

from jaxconv.nn._checks import as_called, at_part, check_shape, described
from jaxconv.nn.layer import Layer, Shape, eval_shape


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
    params: Any
    sources: tuple["Step", ...]

    def program(self) -> ClosedJaxpr:
        """Return what inference computes of one observation, as JAX traces it.

        The inputs are the leaves of `params`, then the arrays.
        """
        shapes = [
            jax.ShapeDtypeStruct((1, *shape), jnp.float32)
            for shape in arrays(self.input_shape)
        ]
        x = tuple(shapes) if is_several(self.input_shape) else shapes[0]
        apply: Callable[..., Any] = self.layer.apply
        return jax.make_jaxpr(lambda params, x: apply(params, x))(self.params, x)


@dataclasses.dataclass(frozen=True)
class Value:
    """A value between layers: an array's shape, and the steps that it comes from."""

    shape: Any
    sources: tuple[Step, ...] = ()
    several: tuple["Value", ...] = ()  # where it is a tuple of arrays


def walk(model: Layer, input_shape: Shape, *, caller: str = "walk") -> Iterator[Step]:
    """Yield each simple layer of a model with its path and shapes, drawing no weights.

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
    yield from walk_to_output(model, input_shape, caller=caller)[0]


def walk_to_output(
    model: Layer, input_shape: Shape, *, caller: str
) -> tuple[list[Step], Value]:
    """Return the steps of `walk`, and the model's output."""
    if not isinstance(model, Layer):
        call = as_called(model) or f"{caller}(serial(*layers), input_shape)"
        raise ValueError(
            f"{caller}: model must be a Layer, got {described(model)}. Write {call}."
        )
    value = _value(check_shape(caller, input_shape))
    steps: list[Step] = []
    return steps, _take(model, value, "", steps)


def is_several(shape: Shape) -> bool:
    """Whether this is the shape of several arrays: a tuple of shapes."""
    return any(isinstance(size, tuple) for size in shape)


def arrays(shape: Any) -> list[Shape]:
    """Return the shape of each array."""
    if not is_several(shape):
        return [shape]
    return [array for one in shape for array in arrays(one)]


def _value(shape: Any, sources: tuple[Step, ...] = ()) -> Value:
    """Return a value of that shape, all of it from the same steps."""
    several = tuple(_value(one, sources) for one in shape) if is_several(shape) else ()
    return Value(shape, sources, several)


def _take(layer: Layer, value: Value, path: str, steps: list[Step]) -> Value:
    """Add the steps of a layer and return its output."""
    if not layer.parts:
        with at_part(path):
            shape, params = _shapes(layer, value.shape)
        steps.append(Step(path, layer, value.shape, shape, params, value.sources))
        return _value(shape, (steps[-1],))
    outputs: list[Value] = []
    given = value
    for place, (name, part) in enumerate(layer.parts):
        if layer.flow == "each":
            given = _one_of(layer, value, place, path)
        outputs.append(_take(part, given, f"{path}/{name}".strip("/"), steps))
        if layer.flow == "serial":
            given = outputs[-1]
    if layer.flow == "serial":
        return given
    return _joined(layer, value, outputs, path)


def _one_of(layer: Layer, value: Value, place: int, path: str) -> Value:
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


def _joined(layer: Layer, value: Value, outputs: list[Value], path: str) -> Value:
    """Return the joined outputs of parts that stand side by side."""
    sources = tuple(dict.fromkeys(step for one in outputs for step in one.sources))
    together = tuple(one.shape for one in outputs)
    with at_part(path):
        shape, _ = _shapes(layer, value.shape)
    if shape == together:
        return Value(together, sources, tuple(outputs))
    return _value(shape, sources)


def _shapes(layer: Layer, shape: Shape) -> tuple[Shape, Any]:
    """Return what `init` returns, as shapes.

    An `init` that JAX cannot trace, because it computes with NumPy, is run.
    """
    try:
        return eval_shape(layer, shape)
    except jax.errors.JAXTypeError:
        output_shape, params = layer.init(jax.random.key(0), shape)
        return output_shape, jax.eval_shape(lambda: params)
