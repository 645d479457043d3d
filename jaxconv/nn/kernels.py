"""Filters designed by hand, before networks learned theirs, and an image to try.

Each filter is 3 x 3 and is not turned: its dot product with a patch is large where the
patch looks like the filter. Those that detect sum to zero, so they give zero where the
image is flat; those that change the image (blur, sharpen) sum to one.

Source: the Laplacian is the chapter's first example (see `jaxconv.chapter`); the others
are in R. Gonzalez and R. Woods, Digital Image Processing, chapters 3 and 10.
"""

import types
from collections.abc import Mapping
from typing import Any

import numpy as np


def _filter(*rows: tuple[int, ...] | np.ndarray) -> np.ndarray:
    """Return a read-only filter."""
    array = np.array(rows, np.float32)
    array.setflags(write=False)
    return array


_SMOOTH = np.outer((1, 2, 1), (1, 2, 1)) / 16

DETECTORS: Mapping[str, np.ndarray] = types.MappingProxyType(
    {
        "laplacian": _filter((0, 1, 0), (1, -4, 1), (0, 1, 0)),
        "laplacian of 8": _filter((1, 1, 1), (1, -8, 1), (1, 1, 1)),
        "corners": _filter((1, -2, 1), (-2, 4, -2), (1, -2, 1)),
        "vertical edges (Sobel)": _filter((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
        "horizontal edges (Sobel)": _filter((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
        "vertical edges (Prewitt)": _filter((-1, 0, 1), (-1, 0, 1), (-1, 0, 1)),
        "horizontal edges (Prewitt)": _filter((-1, -1, -1), (0, 0, 0), (1, 1, 1)),
        "vertical lines": _filter((-1, 2, -1), (-1, 2, -1), (-1, 2, -1)),
        "horizontal lines": _filter((-1, -1, -1), (2, 2, 2), (-1, -1, -1)),
        "falling lines": _filter((2, -1, -1), (-1, 2, -1), (-1, -1, 2)),
        "rising lines": _filter((-1, -1, 2), (-1, 2, -1), (2, -1, -1)),
    }
)
CHANGERS: Mapping[str, np.ndarray] = types.MappingProxyType(
    {
        "blur": _filter(*_SMOOTH),
        "sharpen": _filter((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    }
)


def photograph(size: int = 256, *, seed: int = 0) -> np.ndarray:
    """Draw a landscape with the traits of a photograph: (3, size, size), from 0 to 1.

    It has smooth gradients (sky), sharp edges in all directions (house, sun), thin
    lines (fence), texture (grass), a vignette and a sensor's noise. The same `seed`
    draws the same grass and noise.

    Raises:
      ValueError: `size` is below 16 pixels.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 16:
        raise ValueError(f"photograph: size must be at least 16 pixels, got {size!r}.")
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size

    def paint(inside: np.ndarray, colour: tuple[float, ...], light: Any = 1) -> None:
        """Colour what is inside, with edges that are a pixel soft."""
        cover = np.clip(inside * size + 0.5, 0, 1)
        image[:] += cover * (np.array(colour)[:, None, None] * light - image)

    def box(left: float, right: float, top: float, bottom: float) -> np.ndarray:
        """Return how far inside a box each pixel is."""
        return np.minimum.reduce([x - left, right - x, y - top, bottom - y])

    sky = np.array([[[0.35]], [[0.55]], [[0.85]]])
    image = sky + np.array([[[0.75]], [[0.45]], [[0.10]]]) * np.minimum(y / 0.6, 1)
    paint(0.07 - np.hypot(x - 0.78, y - 0.2), (1.0, 0.93, 0.7))
    paint(y - 0.45 - 0.07 * np.sin(6 * x + 1), (0.40, 0.45, 0.60))
    paint(y - 0.55 - 0.04 * np.sin(9 * x), (0.30, 0.42, 0.30))
    grain = rng.random((size, size))
    blades = (grain + np.roll(grain, 1, 0) + np.roll(grain, 2, 0)) / 3
    paint(y - 0.66 - 0.01 * np.sin(7 * x), (0.30, 0.50, 0.18), 0.6 + 0.8 * blades)
    paint(box(0.18, 0.48, 0.48, 0.74), (0.85, 0.78, 0.66), 1.1 - 0.5 * x)
    roof = np.minimum(0.5 - y, (y - 0.3) - 1.1 * np.abs(x - 0.33)) / 1.5
    paint(roof, (0.55, 0.20, 0.15))
    paint(box(0.22, 0.30, 0.54, 0.62), (0.15, 0.20, 0.30))
    paint(box(0.37, 0.44, 0.56, 0.74), (0.35, 0.22, 0.12))
    for post in np.arange(0.56, 0.98, 0.06):
        paint(box(post, post + 0.012, 0.66, 0.80), (0.92, 0.90, 0.86))
    paint(box(0.54, 1.00, 0.70, 0.712), (0.92, 0.90, 0.86))
    image *= 1 - 0.5 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    image += 0.015 * rng.standard_normal(image.shape)
    return np.clip(image, 0, 1).astype(np.float32)
