"""Recognise the mistake that a wrong gradient looks like.

Each guess computes the gradient that a mistake would give, from the right gradient or
from the output with changed operands. It must equal the found one in every element.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from jaxconv.check.trial import Trial
from jaxconv.conv.operands import OPERANDS


def recognise(
    source: Trial, name: str, found: np.ndarray, right: np.ndarray
) -> str | None:
    """Return the mistake that leads from the right gradient to the found one, or None.

    Args:
      source: gives right gradients of changed operands.
      name: "input_grad" or "param_grad".
      found: what the map under test returned.
      right: what it should have returned.
    """
    for guess in (_values, _axes, _shifts, _permutations, _operands):
        for pattern, wrong in guess(source, name, right):
            if wrong.shape == found.shape and np.array_equal(found, wrong):
                return pattern
    return (
        _missing_tap(name, found, right)
        or _factor(found, right)
        or _shift_inside(found, right)
    )


Guesses = Iterator[tuple[str, np.ndarray]]


def _pixels(array: np.ndarray) -> tuple[int, ...]:
    """Return the axes of pixels or taps: all from axis 2 on, or all of one or two."""
    return tuple(range(2 if array.ndim > 2 else 0, array.ndim))


def _values(source: Trial, name: str, right: np.ndarray) -> Guesses:
    yield "nothing is written", np.zeros_like(right)
    yield "the sign is wrong", -right
    if np.iscomplexobj(right):
        yield "it is conjugated", right.conj()


def _axes(source: Trial, name: str, right: np.ndarray) -> Guesses:
    space = _pixels(right)
    if space:
        yield "it is turned by 180 degrees", np.flip(right, space)
    for axis in space:
        yield f"axis {axis} runs backwards", np.flip(right, axis)
    for a, b in itertools.combinations(range(right.ndim), 2):
        yield f"axes {a} and {b} are exchanged", np.swapaxes(right, a, b)


def _shifts(source: Trial, name: str, right: np.ndarray) -> Guesses:
    """Values shifted along an axis, those shifted out either lost or wrapped round."""
    for axis in _pixels(right):
        for step in (1, -1, 2, -2, 3, -3):
            if abs(step) >= right.shape[axis]:
                continue
            moved = np.roll(right, step, axis)
            words = f"it is off by {step:+} along axis {axis}"
            yield words, moved
            lost = moved.copy()
            edge = slice(0, step) if step > 0 else slice(step, None)
            lost[(slice(None),) * axis + (edge,)] = 0
            yield words, lost


def _permutations(source: Trial, name: str, right: np.ndarray) -> Guesses:
    """Channels in another order, as when groups are mixed."""
    for axis in range(min(2, right.ndim)):
        size = right.shape[axis]
        for groups in (d for d in range(2, size) if size % d == 0):
            order = np.arange(size).reshape(groups, -1).T.ravel()
            yield f"groups are mixed along axis {axis}", np.take(right, order, axis)
        yield f"axis {axis} is in the wrong order", np.roll(right, 1, axis)


def _operands(source: Trial, name: str, right: np.ndarray) -> Guesses:
    """Right gradients of the wrong operands."""
    first, second, _ = OPERANDS[name]
    a, b = source.operands[first], source.operands[second]
    if a.shape == b.shape:
        exchanged = {first: b, second: a}
        yield "its arguments are exchanged", source.gradient(name, **exchanged)
    w, g = source.operands["w"], source.operands["g"]
    space = _pixels(w)
    if name == "input_grad":
        if space:
            yield (
                "the filter is turned once too often or not at all",
                source.gradient(name, w=np.flip(w, space)),
            )
        taps = np.ndindex(*(w.shape[axis] for axis in space))
        for tap in itertools.islice(taps, 32):
            without = w.copy()
            without[(..., *tap)] = 0
            yield f"tap {tap} is left out", source.gradient(name, w=without)
    if name == "param_grad":
        for n in range(min(len(g), 8)):
            alone = np.zeros_like(g)
            alone[n] = g[n]
            yield (
                f"the batch is not summed: it is that of example {n} alone",
                source.gradient(name, g=alone),
            )
    if np.iscomplexobj(g):
        for key in ("g", "w" if name == "input_grad" else "x"):
            changed = {key: source.operands[key].conj()}
            yield f"{key} is conjugated", source.gradient(name, **changed)


def _missing_tap(name: str, found: np.ndarray, right: np.ndarray) -> str | None:
    if name != "param_grad" or found.ndim < 3:
        return None
    wrong = (found != right).any(axis=(0, 1))
    if wrong.sum() == 1 and not found[..., wrong].any():
        return f"tap {tuple(map(int, np.argwhere(wrong)[0]))} is left out"
    return None


def _factor(found: np.ndarray, right: np.ndarray) -> str | None:
    at = right != 0
    if not at.any() or (found[~at] != 0).any():
        return None
    ratios = found[at] / right[at]
    if np.allclose(ratios, ratios[0], rtol=1e-5) and ratios[0] != 0:
        return f"it is {ratios[0]:.6g} times what it should be"
    return None


def _shift_inside(found: np.ndarray, right: np.ndarray) -> str | None:
    """Recognise values shifted along an axis, ignoring those near the edges."""
    for axis in range(2, right.ndim):
        for step in (1, -1, 2, -2):
            inside = [slice(None)] * 2 + [slice(2, -2)] * (right.ndim - 2)
            moved = np.roll(right, step, axis)[tuple(inside)]
            if (
                moved.size
                and moved.any()
                and np.array_equal(found[tuple(inside)], moved)
            ):
                return (
                    f"it is off by {step:+} along axis {axis}, edges aside: are the "
                    "sides of the padding exchanged?"
                )
    return None
