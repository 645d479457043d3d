"""Mistakes in what is summed up: one part alone, parts left out or added twice.

The result is a sum over the axes of the operand `free` (of a gradient: g), whose parts
the Jacobian gives.
"""

import itertools

import numpy as np

from jaxconv.check.patterns.case import Case
from jaxconv.check.patterns.names import Axis, name_axes
from jaxconv.check.patterns.parts import ASSIGN, RETURN

_MOST_PARTS = 64


def recognise(case: Case) -> str | None:
    """Recognise that a sum lacks parts, repeats them, or is overwritten by the last."""
    source = case.source
    if not source.has_jacobian:
        return None
    names = name_axes(
        source.trial, source.free, count_groups_of(case), f" of {source.free}"
    )
    free = source.trial.operands[source.free].reshape([axis.size for axis in names])
    rows = case.found.size
    each = source.jacobian.reshape(rows, *free.shape) * free
    found = case.found.ravel()
    if not np.isfinite(each).all():  # of other operands than the trial's
        return None
    return (
        _by_parts(case, found, each, names)
        or _of_one_place(case, found, each, names)
        or _overwritten(case, found, each, names)
    )


def count_groups_of(case: Case) -> int:
    """Return the number of groups that a case has split."""
    return next((axis.size for axis in case.axes if axis.kind == "group"), 1)


def _by_parts(
    case: Case, found: np.ndarray, each: np.ndarray, names: tuple[Axis, ...]
) -> str | None:
    """Find how often each index along an axis is counted."""
    for i, name in enumerate(names):
        if not 1 < name.size <= min(_MOST_PARTS, len(found)):
            continue
        others = tuple(axis + 1 for axis in range(len(names)) if axis != i)
        parts = each.sum(others)  # (rows, indices)
        counts, _, rank, _ = np.linalg.lstsq(parts, found, rcond=None)
        if rank < name.size:
            continue
        counts = np.rint(counts)
        if np.array_equal(parts @ counts, found):
            return _counted(case, name, counts.real.astype(int))
    return None


def _counted(case: Case, name: Axis, counts: np.ndarray) -> str | None:
    used, size = np.flatnonzero(counts), len(counts)
    if len(used) == 1 and counts[used[0]] == 1:
        alone = int(used[0])
        hint = RETURN if alone == 0 else ASSIGN if alone == size - 1 else ""
        verb = "is" if name.kind == "example" or name.kind is None else "are"
        return (
            f"{name.all} {verb} not summed: it is that of {name.some([alone])} "
            f"alone{hint}"
        )
    if set(counts) == {0, 1}:
        missing = [int(i) for i in np.flatnonzero(counts == 0)]
        return f"{name.some(missing)} is left out of the sum"
    if np.array_equal(counts, np.arange(size, 0, -1)):
        return (
            f"an accumulator is never cleared along {name.all}: those before are added "
            "again"
        )
    if set(counts) == {1, 2}:
        twice = [int(i) for i in np.flatnonzero(counts == 2)]
        return f"{name.some(twice)} is counted twice"
    return None


def _of_one_place(
    case: Case, found: np.ndarray, each: np.ndarray, names: tuple[Axis, ...]
) -> str | None:
    """Recognise the first or last part alone, of the sum over several axes."""
    long = [i for i, name in enumerate(names) if name.size > 1]
    for count in range(2, len(long) + 1):
        for axes in itertools.combinations(long, count):
            for index, hint in ((0, RETURN), (-1, ASSIGN)):
                at = tuple(
                    index if i in axes else slice(None) for i in range(len(names))
                )
                part = each[(slice(None), *at)]
                if np.array_equal(part.reshape(len(found), -1).sum(1), found):
                    where = " and ".join(
                        names[i].some([index % names[i].size]) for i in axes
                    )
                    return f"it is that of {where} alone{hint}"
    return None


def _overwritten(
    case: Case, found: np.ndarray, each: np.ndarray, names: tuple[Axis, ...]
) -> str | None:
    """Recognise elements that keep only what was written to them last, or first."""
    every = tuple(range(len(names)))
    space = tuple(i for i in every if names[i].space)
    for axes in dict.fromkeys((space, every)):
        if not axes:
            continue
        others = tuple(i + 1 for i in every if i not in axes)
        rows = np.arange(len(found))
        written = each.sum(others).reshape(len(found), -1)
        touches = (each != 0).any(others).reshape(len(found), -1)
        last = touches.shape[1] - 1 - np.argmax(touches[:, ::-1], 1)
        for chosen in (last, np.argmax(touches, 1)):
            if np.array_equal(
                np.where(touches.any(1), written[rows, chosen], 0), found
            ):
                return f"windows that overlap overwrite each other{ASSIGN}"
    return None
