"""Handwriting as MNIST has it: cut out, fitted to 20 x 20 pixels, centred by its mass.

"The original black and white images were size normalized to fit in a 20x20 pixel box
while preserving their aspect ratio. The resulting images contain grey levels as a
result of the anti-aliasing technique [...]. The images were centered in a 28x28 image
by computing the center of mass of the pixels, and translating the image so as to
position this point at the center." Source: LeCun, Cortes and Burges, the MNIST page.

What was written with a fine pen is made as bold as MNIST's: a line of two pixels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

_BOX = 20 / 28  # of the image, for the longer side of the ink
_FAINTEST = 16  # grey levels between ink and background; less is a blank sheet
_COARSE = 256  # pixels of the longer side of what is looked at for ink
_FINE = 100  # pixels of the longer side of the ink, when its lines are measured
_LINE = 10  # their least width then: 2 pixels of 20
_EDGE = 0.3  # of its level, where ink begins
_BORDER = 0.9  # of the way from the middle of a picture to its edge
_OFF_CENTRE = 0.6  # pixels; what is nearer is centred


class BlankError(ValueError):
    """There is no ink in a picture."""


def coarse(picture: Any) -> np.ndarray:
    """Return a grey picture as floats, so small that single pixels mean nothing."""
    factor = max(1, max(picture.size) // _COARSE)
    return np.asarray(picture.reduce(factor) if factor > 1 else picture, np.float64)


def fitted(
    picture: Any, size: Sequence[int], *, light: bool = False
) -> tuple[np.ndarray, str]:
    """Return a grey picture as MNIST would have it, and what was done.

    Args:
      picture: of Pillow, in mode L.
      size: height and width in pixels.
      light: whether the background is light, in the picture and in the result.

    Raises:
      BlankError: there is no ink.
    """
    from PIL import Image

    if light:
        picture = picture.point(lambda level: 255 - level)
    box = round(min(size) * _BOX)
    if picture.size == (size[1], size[0]) and _is_fitted(np.asarray(picture), box):
        image, done = np.asarray(picture), "a digit of the right size and place"
    else:
        ink = _bold(_cut_out(picture))
        scale = box / max(ink.size)
        small = ink.resize(
            [max(1, round(side * scale)) for side in ink.size],
            Image.Resampling.BICUBIC,
        )
        grey = np.asarray(small, np.float64)
        image = _centred(grey * (255 / max(grey.max(), 1.0)), size)
        done = f"a digit fitted to {box} x {box} pixels"
    return (255 - image if light else image), done


def is_on_light(picture: Any) -> bool:
    """Return whether ink is darker than the background of a grey picture."""
    grey = coarse(picture)
    above = grey - _ground(grey)
    return _level(-above) > _level(above)


def _is_fitted(image: np.ndarray, box: int) -> bool:
    """Return whether the ink of a dark image fills the box and is centred already."""
    ink = image > 64
    if not ink.any() or image.max() < 128:
        return False
    top, left, bottom, right = _bounds(ink)
    longest = max(bottom - top, right - left)
    off = np.abs(_centre(image) - np.array(image.shape) / 2).max()
    return bool(box - 3 <= longest <= box and off <= _OFF_CENTRE)


def _cut_out(picture: Any) -> Any:
    """Return the ink, from black to white, without the background around it."""
    from PIL import Image, ImageFilter

    factor = max(1, max(picture.size) // (2 * _COARSE))
    picture = picture.reduce(factor) if factor > 1 else picture
    if min(picture.size) > 64:  # specks, not lines
        picture = picture.filter(ImageFilter.MedianFilter(3))
    grey = np.asarray(picture, np.float64)
    grey = grey - _ground(grey)
    level = _level(grey)
    noise = 1.5 * float(np.median(np.abs(grey)))
    if level <= max(_FAINTEST, 5 * noise):
        raise BlankError("is blank: there is no digit, light or dark, on it.")
    low = 2 * noise
    ink = grey > max(_EDGE * level, 5 * noise)
    top, left, bottom, right = _bounds(ink)
    cut = np.clip((grey[top:bottom, left:right] - low) / (level - low), 0, 1)
    return Image.fromarray(np.uint8(cut * 255 + 0.5))


def _ground(grey: np.ndarray) -> np.ndarray:
    """Return the background's level at each pixel, since paper is lit unevenly.

    A quadratic surface is fitted to the border's pixels, except those far from their
    median, which are ink.
    """
    rows, columns = (np.linspace(-1, 1, side) for side in grey.shape)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1)
    border = np.maximum(np.abs(x), np.abs(y)) > _BORDER
    off = np.abs(grey - np.median(grey[border]))
    near = border & (off <= np.ptp(grey) / 2)
    plane, *_ = np.linalg.lstsq(terms[near], grey[near])
    return terms @ plane


def _level(grey: np.ndarray) -> float:
    """Return the ink's level above a background of 0: the mean of the upper half."""
    level = float(grey.max())
    for _ in range(5 if level > 0 else 0):
        level = float(grey[grey >= level / 2].mean())
    return level


def _bold(ink: Any) -> Any:
    """Return the ink with its lines as wide as MNIST's, if they are finer."""
    from PIL import Image, ImageFilter, ImageOps

    scale = _FINE / max(ink.size)
    size = [max(1, round(side * scale)) for side in ink.size]
    fine = ink.resize(size, Image.Resampling.BICUBIC)
    width = _line_width(np.asarray(fine) > 127)
    if width >= _LINE:
        return ink
    reach = 2 * round((_LINE - width) / 2) + 1
    return ImageOps.expand(fine, reach // 2).filter(ImageFilter.MaxFilter(reach))


def _line_width(ink: np.ndarray) -> float:
    """Return how wide lines are, on average: twice their area over their outline."""
    wide = np.pad(ink, 1)
    inner = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:] & ink
    return 2 * ink.sum() / max(1, (ink & ~inner).sum())


def _bounds(ink: np.ndarray) -> tuple[int, int, int, int]:
    """Return top, left, bottom, right of what is true."""
    rows, columns = (np.flatnonzero(ink.any(axis)) for axis in (1, 0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _centre(image: np.ndarray) -> np.ndarray:
    """Return the centre of mass, row and column."""
    grey = image.astype(np.float64)
    sums = grey.sum(1), grey.sum(0)
    return np.array([np.arange(len(s)) @ s / s.sum() for s in sums])


def _centred(grey: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Put a digit into an image of zeros, its centre of mass in the middle.

    MNIST's mean is pixel 14.0 of 0 to 27.
    """
    image = np.zeros(size, np.uint8)
    at = np.round(np.array(size) / 2 - _centre(grey)).astype(int)
    at = np.clip(at, 0, np.array(size) - grey.shape)
    rows, columns = (slice(a, a + s) for a, s in zip(at, grey.shape, strict=True))
    image[rows, columns] = np.uint8(grey + 0.5)
    return image
