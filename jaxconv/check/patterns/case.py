"""A wrong result beside the right one."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxconv.check.patterns.names import Axis, count_groups, name_axes
from jaxconv.check.patterns.source import Source

Guesses = Iterator[tuple[str, np.ndarray]]  # a mistake, and what it would give


class Case(NamedTuple):
    """A result, and what it should be; all axes have names."""

    source: Source
    found: np.ndarray
    right: np.ndarray
    axes: tuple[Axis, ...]

    @property
    def space(self) -> tuple[int, ...]:
        """The axes of pixels or taps."""
        return tuple(i for i, axis in enumerate(self.axes) if axis.space)

    @property
    def long(self) -> tuple[int, ...]:
        """The axes of more than one index."""
        return tuple(i for i, axis in enumerate(self.axes) if axis.size > 1)

    @property
    def grouped(self) -> bool:
        """Whether channels are split into groups."""
        return any(axis.kind == "group" for axis in self.axes)


def cases(source: Source, found: np.ndarray) -> list[Case]:
    """Return the result as it is, and if there are groups with its channels split."""
    splits = dict.fromkeys((1, count_groups(source.trial)))
    return [_case(source, found, groups) for groups in splits]


def _case(source: Source, found: np.ndarray, groups: int) -> Case:
    axes = name_axes(source.trial, source.result, groups)
    shape = tuple(axis.size for axis in axes)
    return Case(source, found.reshape(shape), source.right.reshape(shape), axes)
