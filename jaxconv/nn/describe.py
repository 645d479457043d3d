"""What a model's layers are made of and cost, as data."""

import dataclasses
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp

from jaxconv.nn.layer import Layer, Shape
from jaxconv.nn.products import count_multiply_adds
from jaxconv.nn.receptive import Field, Reach, joined, seen_through
from jaxconv.nn.statistics import STATISTICS
from jaxconv.nn.walk import Step, arrays, walk_to_output

_BIASES = ("bias", "shift")


@dataclasses.dataclass(frozen=True)
class Row:
    """One simple layer. Figures other than counts of params are for one observation.

    Attributes:
      path: its path in the model, as in errors and params.
      kind: the name that the layer was made with, such as "conv", or that of `named`.
      output_shape: without the batch.
      weights: how many numbers it learns, without its biases.
      biases: how many numbers it learns under the name `bias` or `shift`.
      statistics: how many numbers it keeps of its input, which are not learned.
      neurons: how many numbers it computes; 0 for a layer that learns nothing.
      multiply_adds: see `count_multiply_adds`; None: its program cannot be read.
      receptive_field: along each axis of the image, the pixels that an output can be
        computed from, with those of the padding; None: the whole image.
      stride: along each axis, the distance of neighbouring outputs in pixels of the
        image, a fraction after upsampling; None: there are no neighbours.
      activation_bytes: its output's, in float32; 0 where the output is the input.
    """

    path: str
    kind: str
    output_shape: Shape
    weights: int
    biases: int
    statistics: int
    neurons: int
    multiply_adds: int | None
    receptive_field: tuple[int | None, ...]
    stride: tuple[Fraction | None, ...]
    activation_bytes: int


@dataclasses.dataclass(frozen=True)
class Description:
    """A row for each simple layer, and one with their sums; `str` makes it a table.

    The sum of multiply-adds leaves out those that are unknown; `unknown` says why they
    are. The sum of bytes is that of the rows: joining the outputs of `parallel`, `each`
    or `residual` is not a layer, and its result is not counted.
    """

    rows: tuple[Row, ...]
    total: Row
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the table that `summary` prints."""
        from jaxconv.nn.summary import as_text

        return as_text(self)


def describe(model: Layer, input_shape: Shape) -> Description:
    """Describe each layer of a model, without drawing weights or computing outputs.

    Args:
      model: any layer.
      input_shape: the shape of one observation, without the batch.

    Raises:
      ValueError: `model` is not a layer, `input_shape` not a tuple of sizes, or a layer
        does not take its input; the message begins with the layer's path.

    >>> from jaxconv import nn
    >>> total = describe(nn.models.chapter5(), (1, 28, 28)).total
    >>> total.weights, total.biases, total.multiply_adds
    (251680, 10, 878080)
    """
    return describe_for("describe", model, input_shape)


def describe_for(caller: str, model: Layer, input_shape: Shape) -> Description:
    """Describe a model; errors begin with the caller's name."""
    rows: list[Row] = []
    unknown: list[str] = []
    fields: dict[Step, Field] = {}

    def field_of(sources: Sequence[Step]) -> Field:
        return joined([fields[source] for source in sources])

    steps, output = walk_to_output(model, input_shape, caller=caller)
    for step in steps:
        field = field_of(step.sources) if step.sources else _start(step.input_shape)
        fields[step] = seen_through(step.layer.window, field)
        rows.append(_row(step, fields[step], unknown))
    total = _total(model, rows, output.shape, field_of(output.sources))
    return Description(tuple(rows), total, tuple(unknown))


def _row(step: Step, field: Field, unknown: list[str]) -> Row:
    weights, biases, statistics = _counts(step.params)
    computed = sum(map(math.prod, arrays(step.output_shape)))
    path = step.path or step.layer.name
    multiply_adds, is_input = None, False
    try:
        multiply_adds, is_input = _read(step)
    except Exception as error:  # a layer of the user's own may do anything
        reason = str(error).partition("\n")[0]
        unknown.append(f"{path}: {type(error).__name__}: {reason}")
    return Row(
        path=path,
        kind=step.layer.name,
        output_shape=step.output_shape,
        weights=weights,
        biases=biases,
        statistics=statistics,
        neurons=computed if weights + biases else 0,
        multiply_adds=multiply_adds,
        activation_bytes=0 if is_input else 4 * computed,
        **_seen(field),
    )


def _read(step: Step) -> tuple[int, bool]:
    """Return the multiply-adds of a layer, and whether its output is its input."""
    program = step.program()
    jaxpr = program.jaxpr
    count = len(arrays(step.input_shape))
    given = jaxpr.invars[len(jaxpr.invars) - count :]
    is_input = len(given) == len(jaxpr.outvars) and all(
        one is other for one, other in zip(given, jaxpr.outvars, strict=True)
    )
    return count_multiply_adds(program), is_input


def _counts(params: Any) -> tuple[int, int, int]:
    """Return the number of weights, biases and statistics."""
    weights = biases = statistics = 0
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        keys = [getattr(key, "key", None) for key in path]
        size = math.prod(jnp.shape(leaf))
        if STATISTICS in keys:
            statistics += size
        elif keys and keys[-1] in _BIASES:
            biases += size
        else:
            weights += size
    return weights, biases, statistics


def _start(shape: Shape) -> Field:
    """Return the field of the model's input: each pixel depends on itself."""
    return joined([(Reach(),) * (len(array) - 1) for array in arrays(shape)])


def _seen(field: Field) -> dict[str, Any]:
    """Return the two entries of a row that a field gives."""
    return {
        "receptive_field": tuple(one.pixels() if one else None for one in field),
        "stride": tuple(one.stride if one else None for one in field),
    }


def _total(model: Layer, rows: list[Row], shape: Shape, field: Field) -> Row:
    """Return the sums, with shape and field of the model's output."""
    return Row(
        path="total",
        kind=model.name,
        output_shape=shape,
        weights=sum(row.weights for row in rows),
        biases=sum(row.biases for row in rows),
        statistics=sum(row.statistics for row in rows),
        neurons=sum(row.neurons for row in rows),
        multiply_adds=sum(row.multiply_adds or 0 for row in rows),
        activation_bytes=sum(row.activation_bytes for row in rows),
        **_seen(field),
    )
