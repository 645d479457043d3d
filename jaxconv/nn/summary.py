"""A table of a model's layers."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from jaxconv._table import aligned
from jaxconv.nn._checks import as_called, check_shape, described
from jaxconv.nn.layer import Layer, Shape

_BIAS = jax.tree_util.DictKey("bias")
_TITLES = ("layer", "output shape", "weights", "biases", "neurons")


def summary(model: Layer, input_shape: Shape) -> None:
    """Print each layer's output shape, weights, biases and neurons, and their sums.

    A layer's weights are the numbers that it learns, its neurons the numbers that it
    computes for one observation (0 for a layer that learns nothing). A convolution has
    few weights and many neurons, a dense layer the other way round.

    Args:
      model: the layer, usually from `serial`.
      input_shape: the shape of one observation, without the batch.

    Raises:
      ValueError: `model` is not a layer, or `input_shape` not a tuple of sizes.
    """
    if not isinstance(model, Layer):
        call = as_called(model) or "summary(serial(*layers), input_shape)"
        raise ValueError(
            f"summary: model must be a Layer, got {described(model)}. Write {call}."
        )
    rows = list(_rows(model, check_shape("summary", input_shape), model.name))
    sums = [
        sum(column) for column in zip(*(counts for _, _, counts in rows), strict=True)
    ]
    cells = [
        _TITLES,
        *((name, str(shape), *map(_number, counts)) for name, shape, counts in rows),
        ("total", "", *map(_number, sums)),
    ]
    lines = aligned(cells, left=2)
    rule = "-" * max(map(len, lines))
    print("\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]]))


def _rows(
    layer: Layer, shape: Shape, name: str
) -> Iterator[tuple[str, Shape, tuple[int, int, int]]]:
    """Yield name, output shape and (weights, biases, neurons) of each simple layer."""
    if layer.parts:
        for part_name, part in layer.parts:
            full_name = part_name if name == "serial" else f"{name}/{part_name}"
            yield from _rows(part, shape, full_name)
            shape, _ = part.init(jax.random.key(0), shape)
        return
    shape, params = layer.init(jax.random.key(0), shape)
    weights, biases = _count(params)
    yield name, shape, (weights, biases, math.prod(shape) if params else 0)


def _count(params: Any) -> tuple[int, int]:
    """Return the number of weights and of biases: the leaves named `bias`."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    sizes = [
        (path[-1:] == (_BIAS,), math.prod(jnp.shape(leaf))) for path, leaf in leaves
    ]
    total = sum(size for _, size in sizes)
    biases = sum(size for is_bias, size in sizes if is_bias)
    return total - biases, biases


def _number(count: int) -> str:
    return f"{count:,}"
