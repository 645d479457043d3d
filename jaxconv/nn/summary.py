"""A table of a model's layers."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from jaxconv._table import aligned
from jaxconv.nn.describe import Description, Row, describe_for
from jaxconv.nn.layer import Layer, Shape
from jaxconv.nn.walk import is_several

_TITLES = (
    "layer",
    "output shape",
    "weights",
    "biases",
    "stats",
    "neurons",
    "MACs",
    "field",
    "stride",
    "memory",
)
_STATISTICS = _TITLES.index("stats")
_UNITS = ("", "K", "M", "G", "T", "P", "E")
_EXACT = 10**6  # numbers below are printed in full


def summary(model: Layer, input_shape: Shape) -> None:
    """Print each layer's output shape, size and cost, and their sums.

    A layer's weights and biases are the numbers that it learns, its neurons the numbers
    that it computes for one observation (0 for a layer that learns nothing). A
    convolution has few weights and many neurons, a dense layer the other way round.

    MACs are multiply-adds. The field is how many pixels of the image an output depends
    on along an axis, the stride the distance of neighbouring outputs in pixels of the
    image, the memory the size of the output. No weights are drawn. `describe` returns
    the same as data, with exact numbers, and defines each.

    Args:
      model: the layer, usually from `serial`.
      input_shape: the shape of one observation, without the batch.

    Raises:
      ValueError: as `describe`.
    """
    print(describe_for("summary", model, input_shape))


def as_text(description: Description) -> str:
    """Return the table, without the column of statistics if there are none.

    Rows of one combination stand indented below its path.
    """
    cells = [list(_TITLES)]
    paths = [""]
    for row in description.rows:
        group, _, name = row.path.rpartition("/")
        lines = _lines(f"  {name}" if group else name, row)
        cells += lines
        paths += [group] * len(lines)
    cells += _lines("total", dataclasses.replace(description.total, output_shape=()))
    cells[-1][1] = ""
    if not description.total.statistics:
        cells = [line[:_STATISTICS] + line[_STATISTICS + 1 :] for line in cells]
    head, *body, total = aligned(cells, left=2)
    rule = "-" * max(map(len, (head, *body, total)))
    table = [head, rule, *_grouped(body, paths[1:]), rule, total]
    return "\n".join([*table, *(f"? {reason}" for reason in description.unknown)])


def _grouped(lines: list[str], groups: list[str]) -> Iterator[str]:
    """Yield the lines, and before the first of each group its name."""
    above = ""
    for line, group in zip(lines, groups, strict=True):
        if group and group != above:
            yield f"{group}/"
        above = group
        yield line


def _lines(name: str, row: Row) -> list[list[str]]:
    """Return the cells of a layer, and a line for each further array of its output."""
    first, *others = _shapes(row.output_shape)
    cells = [
        name,
        first,
        f"{row.weights:,}",
        f"{row.biases:,}",
        f"{row.statistics:,}",
        _number(row.neurons),
        "?" if row.multiply_adds is None else _number(row.multiply_adds),
        _per_axis(row.receptive_field, "all"),
        _per_axis(row.stride, ""),
        _bytes(row.activation_bytes),
    ]
    return [cells, *(["", shape, *[""] * (len(cells) - 2)] for shape in others)]


def _shapes(shape: Any) -> list[str]:
    if not is_several(shape):
        return [str(shape)]
    return [text for one in shape for text in _shapes(one)]


def _per_axis(values: tuple[Any, ...], none: str) -> str:
    """Return the values of all axes, or one if they are equal."""
    texts = [none if value is None else str(value) for value in values]
    return texts[0] if len(set(texts)) == 1 else "x".join(texts)


def _bytes(count: int) -> str:
    return f"{_short(count).replace('K', 'k')}B"


def _number(count: int) -> str:
    return f"{count:,}" if count < _EXACT else _short(count)


def _short(count: int) -> str:
    """Return a number to three digits, with its unit.

    >>> _short(568_740_352), _short(1_000), _short(999_999), _short(12)
    ('569M', '1.00K', '1.00M', '12')
    """
    if count < 1000:
        return str(count)
    digits, exponent = f"{count:.2e}".split("e")
    power = int(exponent)
    return f"{float(digits) * 10 ** (power % 3):.{2 - power % 3}f}{_UNITS[power // 3]}"
