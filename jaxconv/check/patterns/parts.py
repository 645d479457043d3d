"""Mistakes in which part of a result is written, and from which part."""

import itertools
from collections.abc import Iterator

import numpy as np

from jaxconv.check.patterns.case import Case, Guesses
from jaxconv.check.patterns.names import Axis, listed, names_of
from jaxconv.check.trial import number

RETURN = ", as by a return inside the loop"
ASSIGN = ", as with = in place of +="
_MOST_ORDERS = 4  # axes of which all orders are tried


def guesses(case: Case) -> Guesses:
    """Guess sums over a part of the result, written to one place of it or to all."""
    yield from _misplaced(case)
    yield from _summed(case)
    yield from _never_cleared(case)


def _misplaced(case: Case) -> Guesses:
    """What belongs to one index alone is written, to another or to all."""
    right = case.right
    for axis in case.long:
        name = case.axes[axis]
        for i in range(min(name.size, 8)):
            part = np.take(right, [i], axis)
            words = f"what belongs to {name.some([i])} is written to"
            yield f"{words} every index of {name.all}", _everywhere(part, right)
            for at in {0, name.size - 1} - {i}:
                alone = np.zeros_like(right)
                alone[(slice(None),) * axis + (slice(at, at + 1),)] = part
                yield f"{words} {name.some([at])}, and nothing else", alone


def _summed(case: Case) -> Guesses:
    """Sums over axes, spread over them again or written to their first index."""
    right = case.right
    for axes in _subsets(case.long):
        over = _names(case, axes)
        total = right.sum(axes, keepdims=True)
        yield f"it is summed over {over} and spread over it", _everywhere(total, right)
        size = np.prod([right.shape[axis] for axis in axes])
        mean = _everywhere(total / size, right)
        yield f"it is averaged over {over} and spread over it", mean
        for index in (0, -1):
            first = np.zeros_like(right)
            at = tuple(
                slice(index, index + 1 or None) if i in axes else slice(None)
                for i in range(right.ndim)
            )
            first[at] = total
            where = "index 0" if index == 0 else "the last index"
            yield f"all of {over} is added up and written to {where}", first


def _never_cleared(case: Case) -> Guesses:
    """Sums that go on from one element to the next, in any order of the loops."""
    long = case.long if len(case.long) <= _MOST_ORDERS else case.long[:0]
    for count in range(1, len(long) + 1):
        for axes in itertools.permutations(long, count):
            lead = case.right.ndim - count
            last = np.moveaxis(case.right, axes, range(lead, case.right.ndim))
            flat = last.reshape(*last.shape[:lead], -1).cumsum(-1)
            summed = np.moveaxis(
                flat.reshape(last.shape), range(lead, case.right.ndim), axes
            )
            yield (
                f"an accumulator is never cleared along {_names(case, axes)}: each "
                "element has those before it added",
                summed,
            )


def written(case: Case) -> str | None:
    """Recognise a result that is right, but for elements that are not written."""
    should, does = case.right != 0, case.found != 0
    if (case.found != case.right)[does].any() or not does.any():
        return None
    missing = should & ~does
    tap = _missing_tap(case, missing, does)
    if tap is not None:
        return tap
    count = f"{does.sum():,} of {should.sum():,} elements are written"
    some, rest = describe(case, does, should), describe(case, missing, should)
    if some is not None and (rest is None or does.sum() <= missing.sum()):
        (_, first), *others = _cut(does, should)
        start = RETURN * (first == [0] and not others)
        return f"only {some} {_verb(first)} written ({count}){start}"
    if rest is not None:
        (_, first), *_ = _cut(missing, should)
        return f"{rest} {_verb(first)} not written ({count})"
    few = [tuple(map(int, at)) for at in np.argwhere(does)[:4]]
    if does.sum() <= missing.sum():
        shown = ", ".join(map(str, few)) + ", …" * bool(does.sum() > len(few))
        return f"only {count}: {shown}"
    return f"only {count}, the others are 0" if not case.grouped else None


def _missing_tap(case: Case, missing: np.ndarray, does: np.ndarray) -> str | None:
    """Recognise a filter gradient that is 0 at one tap, and right at all others."""
    if case.source.result != "w" or not case.space or case.grouped:
        return None
    others = tuple(i for i in range(case.right.ndim) if i not in case.space)
    holes = missing.any(others)
    if holes.sum() != 1 or (holes & does.any(others)).any():
        return None
    return f"tap {tuple(map(int, np.argwhere(holes)[0]))} is left out"


def region(case: Case) -> str | None:
    """Recognise a factor or a constant in one part of the result."""
    wrong = case.found != case.right
    where = locate(case)
    if where is None or wrong.sum() < 2:
        return None
    found, right = case.found[wrong], case.right[wrong]
    if (right != 0).all() and found[0] != 0:
        ratios = found / right
        if np.allclose(ratios, ratios[0], rtol=1e-5, atol=0):
            return f"it is {ratios[0]:.6g} times what it should be, at {where} only"
    more = found - right
    if (more == more[0]).all():
        return f"{number(more[0])} is added, at {where} only"
    return None


def locate(case: Case) -> str | None:
    """Say along which axes the wrong elements lie at some indices only."""
    wrong = case.found != case.right
    return describe(case, wrong, np.ones_like(wrong))


def describe(case: Case, part: np.ndarray, whole: np.ndarray) -> str | None:
    """Describe a part by indices along its axes; None if it is not such a part."""
    cuts = _cut(part, whole)
    if not cuts or not part.any():
        return None
    box = np.ones_like(part)
    for axis, indices in cuts:
        inside = np.isin(np.arange(part.shape[axis]), indices)
        box &= inside.reshape([-1 if i == axis else 1 for i in range(part.ndim)])
    if (box & whole != part).any():
        return None
    return " at ".join(case.axes[axis].some(indices) for axis, indices in cuts)


def _cut(part: np.ndarray, whole: np.ndarray) -> list[tuple[int, list[int]]]:
    """Return the axes along which not every index is in a part, and those that are."""
    cuts = []
    for axis in range(part.ndim):
        others = tuple(i for i in range(part.ndim) if i != axis)
        inside, all_of_it = part.any(others), whole.any(others)
        if (inside != all_of_it).any():
            cuts.append((axis, [int(i) for i in np.flatnonzero(inside)]))
    return cuts


def _verb(indices: list[int]) -> str:
    return "is" if len(indices) == 1 else "are"


def _subsets(axes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for count in range(1, len(axes) + 1):
        yield from itertools.combinations(axes, count)


def _names(case: Case, axes: tuple[int, ...]) -> str:
    chosen: list[Axis] = [case.axes[i] for i in axes]
    what = "taps" if case.source.result == "w" else "pixels"
    every = {i for i, axis in enumerate(case.axes) if axis.space and axis.size > 1}
    if every <= set(axes) and len(every) > 1:
        return listed(names_of(chosen, what))
    return listed([axis.all for axis in chosen])


def _everywhere(part: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.broadcast_to(part, like.shape)
