"""Mistakes in the places of values: turned, exchanged, shifted, reshaped."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from jaxconv.check.patterns.case import Case, Guesses
from jaxconv.check.patterns.names import Axis, find_axes, listed, names_of

_FARTHEST = 3  # shift
_FEWEST = 6  # elements that must agree where edges are left aside
_MOST_AXES = 5  # of which all orders are tried


def guesses(case: Case) -> Guesses:
    """Guess where all values went."""
    if not case.grouped:
        yield from _axes(case)
        yield from _shifts(case)
        yield from _channels(case)


def _axes(case: Case) -> Guesses:
    right = case.right
    if case.space:
        yield "it is turned by 180 degrees", np.flip(right, case.space)
    for axis in sorted(case.long, key=lambda axis: not case.axes[axis].space):
        yield f"axis {axis} runs backwards", np.flip(right, axis)
    for a, b in itertools.combinations(range(right.ndim), 2):
        yield f"axes {a} and {b} are exchanged", np.swapaxes(right, a, b)
    for pair in itertools.combinations(case.space, 2):
        for quarters in (1, 3):
            yield "it is turned by 90 degrees", np.rot90(right, quarters, pair)


def _shifts(case: Case) -> Guesses:
    """Values shifted, those shifted out either lost or wrapped round."""
    for steps in _steps(case):
        words = f"it is off by {_along(steps)}"
        rolled = np.roll(case.right, tuple(steps.values()), tuple(steps))
        yield words, rolled
        kept = np.zeros_like(rolled)
        new, _ = _overlap(case.right.ndim, steps)
        kept[new] = rolled[new]
        yield words, kept


def _steps(case: Case) -> list[dict[int, int]]:
    """Return shifts by axis: along few axes first, then by little."""
    ranges = [
        [s for s in range(-_FARTHEST, _FARTHEST + 1) if abs(s) < case.right.shape[axis]]
        for axis in case.space
    ]
    every = [
        {axis: step for axis, step in zip(case.space, steps, strict=True) if step}
        for steps in itertools.product(*ranges)
    ]
    nearest = sorted(every, key=lambda steps: sum(map(abs, steps.values())))
    return sorted(filter(None, nearest), key=len)


def _along(steps: dict[int, int]) -> str:
    if len(steps) > 1 and len(set(steps.values())) == 1:
        *most, last = map(str, steps)
        step = next(iter(steps.values()))
        return f"{step:+} along axes {', '.join(most)} and {last}"
    return " and ".join(f"{step:+} along axis {axis}" for axis, step in steps.items())


def _overlap(ndim: int, steps: dict[int, int]) -> tuple[tuple, tuple]:
    """Return where shifted values are after the shift, and where they were before."""
    new, old = [slice(None)] * ndim, [slice(None)] * ndim
    for axis, step in steps.items():
        ahead, behind = slice(abs(step), None), slice(None, -abs(step))
        new[axis], old[axis] = (ahead, behind) if step > 0 else (behind, ahead)
    return tuple(new), tuple(old)


def _channels(case: Case) -> Guesses:
    """Channels in another order, as when groups are mixed."""
    right = case.right
    for axis in (i for i in case.long if not case.axes[i].space or i < 2):
        size = right.shape[axis]
        for groups in (d for d in range(2, size) if size % d == 0):
            order = np.arange(size).reshape(groups, -1).T.ravel()
            yield f"groups are mixed along axis {axis}", np.take(right, order, axis)
        for step in (1, -1):
            words = f"axis {axis} is in the wrong order"
            yield words, np.roll(right, step, axis)


def scrambled(case: Case) -> Guesses:
    """Guess that the result is reshaped where it should be transposed."""
    what = "taps" if case.source.result == "w" else "pixels"
    for axes, wrong in scrambles(case.right, case.axes):
        yield f"it is {reshaped(axes, what)}", wrong


def reshaped(axes: Iterable[Axis], what: str) -> str:
    """Say that some axes are reshaped in place of transposed."""
    first, *rest = names_of(axes, what)
    others = f" with {listed(rest)}" if rest else ""
    return f"reshaped where it should be transposed, which mixes {first}{others}"


def scrambles(
    array: np.ndarray, axes: Sequence[Axis]
) -> Iterator[tuple[list[Axis], np.ndarray]]:
    """Return the array with some axes in another order, read as if they were not.

    Both ways: transposed and then reshaped back, or reshaped and then transposed back.
    """
    long = [i for i, axis in enumerate(axes) if axis.size > 1]
    if len(long) > _MOST_AXES:
        return
    for count in range(2, len(long) + 1):
        for chosen in itertools.combinations(long, count):
            lead = array.ndim - count
            last = np.moveaxis(array, chosen, range(lead, array.ndim))
            for order in itertools.permutations(range(count)):
                if order == tuple(range(count)):
                    continue
                full = (*range(lead), *(lead + i for i in order))
                for wrong in _read_wrongly(last, full):
                    back = np.moveaxis(wrong, range(lead, array.ndim), chosen)
                    yield [axes[i] for i in chosen], back


def _read_wrongly(array: np.ndarray, order: tuple[int, ...]) -> Iterator[np.ndarray]:
    yield array.transpose(order).reshape(array.shape)
    other = array.reshape([array.shape[i] for i in order])
    yield other.transpose(np.argsort(order))


def inside(case: Case) -> str | None:
    """Recognise shifted values, ignoring those near the edges."""
    if case.grouped:
        return None
    for steps in _steps(case):
        new, old = _overlap(case.right.ndim, steps)
        found, right = case.found[new], case.right[old]
        enough = right.size >= max(_FEWEST, case.right.size / 4)
        if enough and np.count_nonzero(right) > 1 and np.array_equal(found, right):
            return (
                f"it is off by {_along(steps)}, edges aside{_of_padding(case, steps)}"
            )
    return None


def _of_padding(case: Case, steps: dict[int, int]) -> str:
    """Say what a shift may come from."""
    trial = case.source.trial
    w = trial.operands["w"]
    taps = find_axes(trial, "w").space
    if len(taps) == len(case.space) and set(steps.values()) <= {1, -1}:
        shifted = [w.shape[taps[case.space.index(axis)]] for axis in steps]
        if all(size % 2 == 0 for size in shifted):
            return (
                f", as by padding that is not meant for an even filter ({shifted[0]} "
                "taps)"
            )
    if len(steps) > 1:
        return ", as if the padding were cut off at the wrong sides"
    return ", as if the sides of the padding were exchanged"
