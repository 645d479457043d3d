"""Pictures of any kind and size, as the bytes that a model takes.

A data set whose mean is far from grey has a background, dark or light: MNIST's is
black. A picture on the opposite background is inverted. Photographs have no such
background, and inverting would change colours: neither is inverted.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from jaxconv.data.pixels import read_image
from jaxconv.train import digits

Invert = Literal["auto", "yes", "no"]
Fit = Literal["auto", "digit", "plain"]
Ground = Literal["dark", "light"]

# fmt: off
_SUFFIXES = (  # of the files that are taken from a folder
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff",
    ".pbm", ".pgm", ".ppm", ".pnm", ".jp2", ".avif",
)
# fmt: on
_GROUND = 85  # a training set's mean below it: black background; from 170 on: white
_STROKES = 51  # a mean below it: strokes on black; MNIST 33, EMNIST 44, KMNIST 49
_MOST_OF_BORDER = 0.75


class PictureError(ValueError):
    """A picture cannot be used, or a model takes none; the message says why."""


class Picture(NamedTuple):
    """A file's picture as the model takes it."""

    file: Path
    image: np.ndarray  # uint8 (channels, h, w)
    prepared: str  # what was done with it


class Preparation(NamedTuple):
    """How to make pictures like those that the model was trained on."""

    shape: tuple[int, ...]  # (channels, h, w)
    ground: Ground | None
    fit: Literal["digit", "plain"]
    invert: Invert = "auto"


def preparation(
    shape: tuple[int, ...], mean: float, invert: Invert = "auto", fit: Fit = "auto"
) -> Preparation:
    """Choose the preparation by the shape and mean of the training set.

    Raises:
      PictureError: the model does not take images of one or three channels.
    """
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise PictureError(
            "the model takes no grey or colour images: its input is "
            f"{tuple(shape)}, expected (1 or 3 channels, height, width)."
        )
    ground: Ground | None = None
    if shape[0] == 1:
        ground = "dark" if mean < _GROUND else "light" if mean > 255 - _GROUND else None
    if fit == "digit" and shape[0] != 1:
        raise PictureError("fit digit is for models of grey images. Give fit plain.")
    if fit == "auto":
        strokes = shape == (1, 28, 28) and mean < _STROKES
        fit = "digit" if strokes else "plain"
    return Preparation(tuple(shape), ground, fit, invert)


def files_of(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files named, and all files in folders that look like pictures.

    Raises:
      PictureError: a folder holds none.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        below = (file.relative_to(path) for file in sorted(path.rglob("*")))
        seen = [file for file in below if not any(p[0] == "." for p in file.parts)]
        files = [file for file in seen if file.suffix.lower() in _SUFFIXES]
        if not files:
            raise PictureError(
                f"{path}: no file below it ends in .png, .jpg, .gif, .bmp, .webp or "
                ".tiff. Name the folder of your pictures."
            )
        yield from (path / file for file in files)


def read(file: Path, how: Preparation) -> Picture:
    """Read a picture and prepare it.

    Raises:
      DatasetError: the file is not there, or is not a complete picture.
      PictureError: there is no digit on it.
    """
    from PIL import Image

    picture = Image.fromarray(read_image(file))
    try:
        image, prepared = prepare(picture, how)
    except digits.BlankError as error:
        raise PictureError(f"{file}: {error}") from error
    return Picture(file, image, prepared)


def prepare(picture: Any, how: Preparation) -> tuple[np.ndarray, str]:
    """Return a picture of Pillow as bytes of the model's shape, and what was done.

    Raises:
      BlankError: a digit is wanted, and all pixels are alike.
    """
    channels, *size = how.shape
    picture = picture.convert("L" if channels == 1 else "RGB")
    inverted = how.invert == "yes"
    if how.invert == "auto" and how.ground:
        inverted = ground_of(picture, how.fit) not in (None, how.ground)
    if inverted:
        picture = picture.point(lambda level: 255 - level)
    if how.fit == "digit":
        image, done = digits.fitted(picture, size, light=how.ground == "light")
    else:
        image, done = _resized(picture, size, how.ground)
    image = image[None] if channels == 1 else np.moveaxis(image, -1, 0)
    done = f"inverted, {done}" if inverted else done
    return np.ascontiguousarray(image), done


def ground_of(picture: Any, fit: Literal["digit", "plain"]) -> Ground | None:
    """Return the background of a grey picture, which most of its border shows."""
    if fit == "digit":
        return "light" if digits.is_on_light(picture) else "dark"
    grey = digits.coarse(picture)
    middle = (grey.min() + grey.max()) / 2
    border = _border(grey)
    if np.mean(border > middle) >= _MOST_OF_BORDER:
        return "light"
    return "dark" if np.mean(border < middle) >= _MOST_OF_BORDER else None


def _border(grey: np.ndarray) -> np.ndarray:
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def _resized(
    picture: Any, size: list[int], ground: Ground | None
) -> tuple[np.ndarray, str]:
    """Resize a picture to height and width, without aliasing or distortion.

    If it has a background, it is padded with that; otherwise it is cropped.
    """
    from PIL import Image, ImageOps

    width, height = picture.size
    if [height, width] == size:
        return np.asarray(picture), "as it is"
    wanted, smooth = (size[1], size[0]), Image.Resampling.BICUBIC
    if ground is None:
        resized = ImageOps.fit(picture, wanted, smooth)
    else:
        level = int(np.median(_border(np.asarray(picture))))
        resized = ImageOps.pad(picture, wanted, smooth, color=level)
    return np.asarray(resized), f"resized from {width} x {height}"
