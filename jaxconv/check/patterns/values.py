"""Mistakes in the values of a result, all of them in their right places."""

import jax.numpy as jnp
import numpy as np

from jaxconv.check.patterns.case import Case, Guesses
from jaxconv.check.patterns.names import count_sizes
from jaxconv.check.trial import number

_SHORT = ("bfloat16", "float16")
_WHOLE = ("int8", "uint8", "int16")  # which wrap round


def guesses(case: Case) -> Guesses:
    """Guess what happened to all values alike."""
    right = case.right
    yield "nothing is written", np.zeros_like(right)
    yield "the sign is wrong", -right
    if np.iscomplexobj(right):
        yield "it is conjugated", right.conj()
        return
    with np.errstate(all="ignore"):
        for kind in _SHORT:
            rounded = right.astype(jnp.dtype(kind)).astype(right.dtype)
            yield f"it is rounded to {kind}", rounded
        for kind in _WHOLE:
            wrapped = right.astype(np.int64).astype(kind).astype(right.dtype)
            yield f"it is stored in {kind}, which is too short", wrapped
    yield "its absolute value is taken", np.abs(right)
    low, high = case.found.min(), case.found.max()
    words = f"it is cut off below {number(low)} and above {number(high)}"
    yield words, np.clip(right, low, high)


def factor(case: Case) -> str | None:
    """Recognise a factor, and of which size it is."""
    at = case.right != 0
    if not at.any() or (case.found[~at] != 0).any():
        return None
    ratios = case.found[at] / case.right[at]
    ratio = ratios[0]
    if ratio == 0 or not np.allclose(ratios, ratio, rtol=1e-5, atol=0):
        return None
    words = f"it is {ratio:.6g} times what it should be"
    for name, size in count_sizes(case.source.trial).items():
        if size > 1 and np.isclose(ratio * size, 1, rtol=1e-5):
            return f"{words}: divided by {size}, {name}"
        if size > 1 and np.isclose(ratio, size, rtol=1e-5):
            return f"{words}: multiplied by {size}, {name}"
    return words


def added(case: Case) -> str | None:
    """Recognise a constant that is added, everywhere or along all axes but one."""
    more = case.found - case.right
    first = more.flat[0]
    if more.size > 1 and first != 0 and (more == first).all():
        for name, size in count_sizes(case.source.trial).items():
            if size == abs(first):
                verb = "added to" if first == size else "subtracted from"
                return f"{size}, {name}, is {verb} every element"
        return f"{number(first)} is added to every element"
    if not (more != 0).all():
        return None
    for i in case.long:
        others = tuple(axis for axis in range(more.ndim) if axis != i)
        if more.size > case.axes[i].size and not np.ptp(more, axis=others).any():
            return (
                f"something is added that depends on {case.axes[i].all} alone, as by a "
                "bias or its gradient"
            )
    return None
