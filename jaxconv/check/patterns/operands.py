"""Mistakes before the products: right results of the wrong operands."""

import itertools
from collections.abc import Iterator

import numpy as np

from jaxconv.check.patterns.case import Case
from jaxconv.check.patterns.moved import reshaped, scrambles
from jaxconv.check.patterns.names import find_axes, name_axes
from jaxconv.check.trial import Trial
from jaxconv.conv.operands import OPERANDS, Operand

_MOST_TAPS = 64
_MOST_ORDERS = 256

Changes = Iterator[tuple[str, dict[str, np.ndarray]]]


def recognise(case: Case) -> str | None:
    """Recognise changed operands."""
    source, trial = case.source, case.source.trial
    found = case.found.reshape(source.shape)
    kept = _not_read(trial, source.name, found)
    if kept is not None:
        return kept
    changes = itertools.chain(
        _exchanged(trial, source.name),
        _filters(trial, source.name),
        _conjugated(trial, source.name),
        _shifted(trial, source.other),
        _turned(trial, source.other),
        _repeated(trial, source.other),
        itertools.islice(_reshaped(trial, source.other), _MOST_ORDERS),
    )
    for pattern, changed in changes:
        if source.explains(found, **changed):
            return pattern
    for pattern, changed in itertools.chain(
        _turned(trial, source.free),
        _repeated(trial, source.free),
        _reshaped(trial, source.free),
    ):
        if not source.has_jacobian:
            break
        if np.array_equal(source.of(changed[source.free]), found):
            return pattern
    return None


def _not_read(trial: Trial, name: str, found: np.ndarray) -> str | None:
    for operand in OPERANDS[name][:2]:
        others = (k * trial.operands[operand] for k in (-1, 2))
        if found.any() and all(
            np.array_equal(trial.run(name, **{operand: other}), found)
            for other in others
        ):
            return f"it does not depend on {operand}, as if that were kept from before"
    return None


def _exchanged(trial: Trial, name: str) -> Changes:
    first, second, _ = OPERANDS[name]
    a, b = trial.operands[first], trial.operands[second]
    if a.shape == b.shape:
        yield "its arguments are exchanged", {first: b, second: a}


def _filters(trial: Trial, name: str) -> Changes:
    if name == "param_grad":
        return
    w, space = trial.operands["w"], find_axes(trial, "w").space
    if space:
        turned = {"w": np.flip(w, space)}
        yield "the filter is turned once too often or not at all", turned
    taps = np.ndindex(*(w.shape[axis] for axis in space))
    for tap in itertools.islice(taps, _MOST_TAPS):
        without = w.copy()
        at = dict(zip(space, tap, strict=True))
        without[tuple(at.get(axis, slice(None)) for axis in range(w.ndim))] = 0
        yield f"tap {tap} is left out", {"w": without}


def _conjugated(trial: Trial, name: str) -> Changes:
    for operand in OPERANDS[name][:2]:
        value = trial.operands[operand]
        if np.iscomplexobj(value):
            yield f"{operand} is conjugated", {operand: value.conj()}


def _shifted(trial: Trial, operand: Operand) -> Changes:
    value = trial.operands[operand]
    for axis in find_axes(trial, operand).space:
        for step in (1, -1, 2, -2):
            if abs(step) < value.shape[axis]:
                moved = np.roll(value, step, axis)
                edge = slice(0, step) if step > 0 else slice(step, None)
                moved[(slice(None),) * axis + (edge,)] = 0
                words = f"{operand} is off by {step:+} along axis {axis}"
                yield words, {operand: moved}


def _turned(trial: Trial, operand: Operand) -> Changes:
    value, axes = trial.operands[operand], find_axes(trial, operand)
    if operand != "w" and axes.space:
        yield f"{operand} is turned", {operand: np.flip(value, axes.space)}
    for axis in range(value.ndim):
        if value.shape[axis] > 1:
            words = f"axis {axis} of {operand} runs backwards"
            yield words, {operand: np.flip(value, axis)}
    for channels in axes.channels, axes.outputs:
        if channels is None:
            continue
        size = value.shape[channels]
        for groups in (d for d in range(2, size) if size % d == 0):
            order = np.arange(size).reshape(groups, -1).T.ravel()
            words = f"groups are mixed along axis {channels} of {operand}"
            yield words, {operand: np.take(value, order, channels)}
    for a, b in itertools.combinations(range(value.ndim), 2):
        if value.shape[a] == value.shape[b] > 1:
            words = f"axes {a} and {b} of {operand} are exchanged"
            yield words, {operand: np.swapaxes(value, a, b)}


def _repeated(trial: Trial, operand: Operand) -> Changes:
    """One index of an operand, or the sum over all, is taken for each."""
    value = trial.operands[operand]
    for axis in name_axes(trial, operand, suffix=f" of {operand}"):
        if axis.size == 1:
            continue
        whole = value.sum(axis.number, keepdims=True)
        words = f"{operand} is summed over {axis.all} before it is multiplied"
        yield words, {operand: np.broadcast_to(whole, value.shape)}
        for index in (0, axis.size - 1):
            one = np.take(value, [index], axis.number)
            of = f" of {operand}" if axis.kind else ""
            words = f"{axis.some([index])}{of} is taken for all"
            yield words, {operand: np.broadcast_to(one, value.shape)}


def _reshaped(trial: Trial, operand: Operand) -> Changes:
    what = "taps" if operand == "w" else "pixels"
    who = "the filter" if operand == "w" else operand
    for axes, wrong in scrambles(trial.operands[operand], name_axes(trial, operand)):
        yield f"{who} is {reshaped(axes, what)}", {operand: wrong}
    if operand == "w":  # read in the order that it is stored in, and not turned
        space = find_axes(trial, operand).space
        turned = np.flip(trial.operands[operand], space)
        for axes, wrong in scrambles(turned, name_axes(trial, operand)):
            words = f"{who} is {reshaped(axes, what)}, and not turned"
            yield words, {operand: np.flip(wrong, space)}
