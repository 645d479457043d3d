"""One image file to its pixels, by Pillow, as a viewer shows it.

Upright by its EXIF orientation; transparent pixels on white; of several frames the
first; 16 bits rounded to 8. Grey if red, green and blue are equal in every pixel.
"""

import importlib
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from jaxconv.data import foreign
from jaxconv.data.idx import DatasetError

_GREY = ("1", "L")
# EXIF's tag 0x0112 -> what makes the image upright.
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N")


def pillow() -> ModuleType:
    """Import Pillow's `Image`, or say how to install it."""
    try:
        return importlib.import_module("PIL.Image")
    except ModuleNotFoundError as error:
        if error.name not in ("PIL", "PIL.Image"):
            raise
        raise ModuleNotFoundError(
            "Images in files are read by the package pillow, which is not installed. "
            "Install it: python -m pip install pillow",
            name="PIL",
        ) from None


def read_image(file: str | Path) -> np.ndarray:
    """Return a file's pixels as uint8: (h, w) if all are grey, else (h, w, 3).

    Raises:
      DatasetError: the file cannot be read, or is not a complete image.
      ModuleNotFoundError: Pillow is not installed.
    """
    library, file = pillow(), Path(file)
    if not file.is_file():
        raise DatasetError(f"{file}: is {_no_file(file)}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, and large images
            with library.open(file) as image:
                image.load()
                return _pixels(image)
    except DatasetError as error:
        raise DatasetError(f"{file}: {error}") from None
    except library.UnidentifiedImageError as error:
        raise _no_image(file) from error
    except library.DecompressionBombError as error:
        raise DatasetError(f"{file}: is too large an image: {error}.") from error
    except MemoryError as error:
        raise DatasetError(f"{file}: is too large an image for the memory.") from error
    except PermissionError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}.") from error
    except Exception as error:  # damage has a dozen types in Pillow
        why = str(error).rstrip(".") or type(error).__name__
        raise DatasetError(
            f"{file}: is a damaged image: {why}. Replace it, or take it out."
        ) from error


def _no_file(path: Path) -> str:
    if path.exists():
        return "a folder" if path.is_dir() else "not a regular file"
    return "a broken link" if path.is_symlink() else "not there"


def _no_image(file: Path) -> DatasetError:
    """Say what a file is instead of an image."""
    try:
        with file.open("rb") as opened:
            head = opened.read(foreign.SHOWN)
    except OSError as error:
        return DatasetError(f"{file}: cannot be read: {error.strerror or error}.")
    kind, _ = foreign.described(head, gzipped=False)
    if kind.endswith(" image"):  # it begins as one, and Pillow cannot go on
        return DatasetError(f"{file}: is a damaged image. Replace it, or take it out.")
    return DatasetError(
        f"{file}: is not an image that Pillow reads, but {kind}. Replace it, or take "
        "it out."
    )


def _pixels(image: Any) -> np.ndarray:
    """Return an image's pixels, whatever its mode."""
    image = _upright(image)
    if image.mode in _DEEP:
        return _eight_bits(np.asarray(image))
    if image.mode in ("I", "F"):
        kind = "floating-point" if image.mode == "F" else "32-bit"
        raise DatasetError(
            f"has {kind} pixels, expected 8 or 16 bits. Convert it to PNG."
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = pillow().new("RGBA", image.size, "white")
        image = pillow().alpha_composite(white, image)
    if image.mode in _GREY:
        return np.array(image if image.mode == "L" else image.convert("L"))
    colours = np.array(image if image.mode == "RGB" else image.convert("RGB"))
    red, green, blue = (colours[:, :, channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return red.copy()
    return colours


def _upright(image: Any) -> Any:
    """Turn an image as its EXIF data say; leave it if they are damaged."""
    try:
        orientation = image.getexif().get(0x0112, 1)
        method = _TURNS.get(orientation)
    except Exception:
        return image
    return image if method is None else image.transpose(pillow().Transpose[method])


def _eight_bits(levels: np.ndarray) -> np.ndarray:
    """Scale 16 bits to 8: 65535 becomes 255."""
    return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)
