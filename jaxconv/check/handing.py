"""Hand NumPy arrays to a map: copies that it may write to, other numbers around them.

A map that reads past the end of an array then returns another result once these numbers
change, and one that returns memory it never wrote once memory is stirred.
"""

from typing import Any

import numpy as np

from jaxconv.check.causes import ARGUMENTS, MEMORY
from jaxconv.conv.operands import OPERANDS

_ALIGNED = 64  # elements
_MOST_AROUND = 4096  # elements before and behind
_FILLINGS = (3, -5)  # for whole numbers in float16, too
_COPIES = 8  # blocks of memory that are written to and freed
_BYTES = (0x41, 0xC1)  # a float of these bytes is finite
_MOST_STIRRED = 2**22  # bytes a block


def surround(array: np.ndarray, dtype: Any, filling: int = 0) -> np.ndarray:
    """Return a copy that lies inside a larger array."""
    margin = (min(array.size, _MOST_AROUND) // _ALIGNED + 1) * _ALIGNED
    buffer = np.full(array.size + 2 * margin, _FILLINGS[filling], dtype)
    copy = buffer[margin : margin + array.size].reshape(array.shape)
    copy[...] = array
    return copy


def stir(size: int, filling: int = 0) -> None:
    """Fill memory that NumPy is about to use again for arrays of `size` bytes."""
    blocks = [
        np.full(min(max(size, 1), _MOST_STIRRED), _BYTES[filling], np.uint8)
        for _ in range(_COPIES)
    ]
    del blocks


def misuse_of(
    name: str,
    given: tuple[np.ndarray, ...],
    copies: tuple[np.ndarray, ...],
    result: Any,
) -> tuple[str, str] | None:
    """Return the check that fails for what a map did to its arguments, and what it is.

    None if it left them as they were.
    """
    for operand, array, copy in zip(OPERANDS[name], given, copies, strict=False):
        before = np.asarray(array, copy.dtype)
        changed = np.argwhere(before != copy)
        if len(changed):
            at = tuple(map(int, changed[0]))
            return ARGUMENTS, (
                f"it writes to its argument {operand}: element {at} was "
                f"{_shown(before[at])} and is {_shown(copy[at])} after the call. Write "
                "to a copy"
            )
        if isinstance(result, np.ndarray) and np.may_share_memory(result, copy):
            return MEMORY, (
                f"its result lies in the memory of its argument {operand}, so that "
                "writing to one changes the other. Return an array of its own"
            )
    return None


def _shown(value: Any) -> str:
    return f"{complex(value) if np.iscomplexobj(value) else float(value):.6g}"
