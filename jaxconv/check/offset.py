"""What a kernel adds or scales on purpose, and how to take it out again.

A bias is `output(0, w)`; a mean over the batch is the filter gradient times 1 / n.
Results are whole numbers once these are taken out, up to rounding, which is then taken
out as well.
"""

import numpy as np

_MOST = 0.25  # from a whole number, where rounding still tells which


def whole(value: np.ndarray, tolerance: float) -> np.ndarray:
    """Return numbers with those replaced that lie so near a whole one.

    >>> whole(np.array([0.99, 1.3, np.inf]), 0.1).tolist()
    [1.0, 1.3, inf]
    """
    with np.errstate(all="ignore"):
        nearest = np.rint(value)
        return np.where(np.abs(value - nearest) <= tolerance, nearest, value)


def distance(value: np.ndarray) -> np.ndarray:
    """Return how far numbers lie from whole ones."""
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.abs(value - np.rint(value)), nan=np.inf)


def tolerated(roundings: float, unit: float, size: float) -> float:
    """Return the error of so many roundings of a number, as far as one can tell."""
    return min(_MOST, roundings * unit * size)


def is_decided(roundings: float, unit: float, size: float) -> bool:
    """Return whether that error is small enough to tell it from any other."""
    return roundings * unit * size < _MOST


def is_of_few(constant: np.ndarray) -> bool:
    """Return whether a constant is that of a few elements, as no bias is.

    A bias is the same along an axis, of examples or pixels, or there everywhere.
    """
    varies = [
        bool(np.any(constant != np.take(constant, [0], axis)))
        for axis, size in enumerate(constant.shape)
        if size > 1
    ]
    few = 2 * np.count_nonzero(constant) <= constant.size
    return all(varies) and bool(few)


def shown_range(values: np.ndarray) -> str:
    """Show the values of a constant."""
    low, high = values.ravel()[0], values.ravel()[0]
    if not np.iscomplexobj(values):
        low, high = values.min(), values.max()
    if np.ptp(values.real) == 0 and np.ptp(values.imag) == 0:
        return f"{low:.6g}"
    if np.iscomplexobj(values):
        return f"{low:.6g} and others"
    return f"{low:.6g} to {high:.6g}"
