"""What the functions behind the page take: pixels, and places counted from 0."""

from typing import Any

import numpy as np

SIDE = 28  # of an image, in pixels


def as_image(caller: str, pixels: Any) -> np.ndarray:
    """Return rows of grey levels as one image of bytes, (1, 1, 28, 28).

    Raises:
      ValueError: they are not 28 rows of 28 whole numbers from 0 to 255.
    """
    rows = np.asarray(pixels)
    if rows.shape != (SIDE, SIDE) or not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(
            f"{caller}: pixels must be {SIDE} rows of {SIDE} whole numbers, got shape "
            f"{rows.shape} of {rows.dtype}. Write grey levels from 0 to 255."
        )
    if rows.min() < 0 or rows.max() > 255:
        raise ValueError(
            f"{caller}: pixels must be from 0 to 255, got {rows.min()} to "
            f"{rows.max()}. Clip them."
        )
    return rows.astype(np.uint8)[None, None]


def check_place(caller: str, name: str, place: int, size: int) -> int:
    """Return an index that lies in an axis of `size`.

    Raises:
      ValueError: it does not; JAX would take the last entry instead.
    """
    if not 0 <= place < size:
        raise ValueError(
            f"{caller}: {name} must be from 0 to {size - 1}, got {place}. Count from 0."
        )
    return int(place)
