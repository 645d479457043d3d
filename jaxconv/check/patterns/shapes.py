"""Recognise the mistake that a wrong shape looks like."""

import itertools
from collections.abc import Sequence

Shape = tuple[int, ...]


def recognise_shape(
    found: Sequence[int], right: Sequence[int], batch: int | None = None
) -> str | None:
    """Return the mistake that gives a result this shape, or None.

    Args:
      found: the result's shape.
      right: the shape it should have.
      batch: the number of examples, if known.

    >>> recognise_shape((2, 3, 10, 8), (2, 3, 8, 10))
    'axes 2 and 3 are exchanged'
    """
    found, right = tuple(found), tuple(right)
    if len(found) != len(right):
        return _more_or_fewer_axes(found, right, batch)
    if sorted(found) == sorted(right):
        return _other_order(found, right)
    return _longer_or_shorter(found, right)


def _more_or_fewer_axes(found: Shape, right: Shape, batch: int | None) -> str | None:
    if len(found) == len(right) + 1 and found[1:] == right and found[0] == batch:
        return "the batch is not summed: there is one result for each example"
    if right and found == right[1:]:
        return f"axis 0, of size {right[0]}, is missing, as by a return inside the loop"
    if [s for s in found if s > 1] == [s for s in right if s > 1]:
        return "axes of size 1 are missing or too many"
    for axis in range(len(right)):
        if found == right[:axis] + right[axis + 1 :]:
            return f"axis {axis}, of size {right[axis]}, is missing"
    return None


def _other_order(found: Shape, right: Shape) -> str | None:
    differ = [axis for axis, size in enumerate(right) if found[axis] != size]
    if len(differ) == 2:
        return f"axes {differ[0]} and {differ[1]} are exchanged"
    for order in itertools.permutations(range(len(right))):
        if tuple(right[axis] for axis in order) == found:
            return f"its axes lie in the order {order}"
    return None


def _longer_or_shorter(found: Shape, right: Shape) -> str | None:
    more = {
        a: f - r for a, (f, r) in enumerate(zip(found, right, strict=True)) if f - r
    }
    long = {axis: by for axis, by in more.items() if by > 0}
    short = {axis: by for axis, by in more.items() if by < 0}
    if long and short and sum(more.values()) == 0:
        return (
            f"{_listed(long)} too long and {_listed(short)} too short, as if the "
            "padding were cut from the wrong axes"
        )
    if long and not short:
        return f"{_listed(long)} too long, as if the padding were not cut off"
    if short and not long and len(set(short.values())) == 1:
        return (
            f"{_listed(short)} too short, as if padding were cut off that is not there"
        )
    return None


def _listed(by: dict[int, int]) -> str:
    """Say by how much axes differ, those that differ alike together."""
    if len(by) > 1 and len(set(by.values())) == 1:
        *most, last = map(str, by)
        size = abs(next(iter(by.values())))
        return f"axes {', '.join(most)} and {last} are {size}"
    return " and ".join(f"axis {axis} is {abs(size)}" for axis, size in by.items())
