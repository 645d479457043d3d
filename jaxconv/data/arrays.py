"""Checks and conversions of arrays: channels of images, their levels, and labels."""

from collections.abc import Sequence

import numpy as np

from jaxconv.data.idx import DatasetError

MOST_CLASSES = 2**16
_MOST_CHANNELS = 4  # red, green, blue, opacity


def channels_first(images: np.ndarray, name: str) -> np.ndarray:
    """Return images as (n, channels, h, w).

    Channels are the axis of at most 4, the second or the last.
    """
    shape = images.shape
    if images.size == 0:
        raise DatasetError(f"{name}: is empty, of shape {shape}.")
    if images.ndim == 3:
        return images[:, None]
    if images.ndim != 4:
        raise DatasetError(
            f"{name}: has {images.ndim} {'axis' if images.ndim == 1 else 'axes'}, of "
            f"shape {shape}, expected (n, h, w), (n, h, w, channels) or (n, channels, "
            f"h, w). {_reshaped(shape)}"
        )
    first, last = shape[1] <= _MOST_CHANNELS, shape[3] <= _MOST_CHANNELS
    if first == last:
        found = (
            "both axis 1 and axis 3 are" if first else "neither axis 1 nor axis 3 is"
        )
        raise DatasetError(
            f"{name}: of shape {shape}: {found} of 1 to {_MOST_CHANNELS}, so where its "
            "channels are is not clear. Images have 1 (grey) or 3 (red, green, blue)."
        )
    return images if first else np.moveaxis(images, 3, 1)


def _reshaped(shape: tuple[int, ...]) -> str:
    """Say how rows of pixels become images, if they are square."""
    side = round(shape[1] ** 0.5) if len(shape) == 2 else 0
    if side > 1 and side**2 == shape[1]:
        return f"Are rows images? Write .reshape(-1, {side}, {side})."
    return "A data set holds two-dimensional images."


def as_bytes(arrays: Sequence[np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
    """Return images as uint8, 0 to 255; all arrays are scaled alike.

    Whole numbers from 0 to 255 stay, in whatever type; booleans and other numbers from
    0 to 1 are multiplied by 255 and rounded.
    """
    if all(array.dtype == np.uint8 for array in arrays):
        return list(arrays)
    arrays = [
        array * np.uint8(255) if array.dtype == bool else array for array in arrays
    ]
    for array, name in zip(arrays, names, strict=True):
        _check_numbers(array, name)
    most = max(float(array.max()) for array in arrays)
    floats = any(array.dtype.kind == "f" for array in arrays)
    if floats and most <= 1:
        # In float32: in float64, 60,000 images would need another gigabyte.
        return [
            np.rint(array.astype(np.float32) * np.float32(255)).astype(np.uint8)
            for array in arrays
        ]
    scaled = [array.astype(np.uint8) for array in arrays]
    for array, whole, name in zip(arrays, scaled, names, strict=True):
        if not np.array_equal(array, whole):
            raise DatasetError(
                f"{name}: holds numbers that are not whole, up to {most:g}, expected "
                "uint8, whole numbers from 0 to 255, or numbers from 0 to 1."
            )
    return scaled


def _check_numbers(array: np.ndarray, name: str) -> None:
    """Raise DatasetError unless all numbers are from 0 to 255."""
    if array.dtype.kind not in "buif":
        raise DatasetError(f"{name}: is of {array.dtype}, expected uint8.")
    least, most = float(array.min()), float(array.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        at = np.argwhere(~np.isfinite(array))[0].tolist()
        raise DatasetError(
            f"{name}: {array[tuple(at)]} at {at} is not a finite number."
        )
    if least < 0 or most > 255:
        hint = "Scale it to that."
        if array.dtype == np.uint16:
            hint = "If they are of 16 bits, save (images // 257).astype(np.uint8)."
        elif least < 0:
            hint = "Is it standardised? Save it unscaled: training scales it."
        raise DatasetError(
            f"{name}: holds numbers from {least:g} to {most:g}, expected 0 to 255, or "
            f"0 to 1. {hint}"
        )


def as_labels(labels: np.ndarray, name: str) -> np.ndarray:
    """Return labels as int32 of shape (n,), if they are whole numbers of at least 0."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        one_hot = labels.ndim == 2 and labels.dtype.kind in "buif"
        one_hot = one_hot and bool(np.all((labels == 1).sum(1) == 1))
        hint = "Save labels.argmax(1)." if one_hot else "An image has one label."
        raise DatasetError(
            f"{name}: is of shape {labels.shape}, expected (n,), a whole number for "
            f"each image. {hint}"
        )
    if labels.dtype.kind in "USO":
        raise DatasetError(
            f"{name}: is of {labels.dtype}, expected whole numbers. Save what "
            "numpy.unique(labels, return_inverse=True) returns: classes and labels."
        )
    if labels.dtype.kind not in "buif":
        raise DatasetError(f"{name}: is of {labels.dtype}, expected whole numbers.")
    wrong = ~((labels >= 0) & (labels < MOST_CLASSES) & (labels == np.floor(labels)))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DatasetError(
            f"{name}: {labels[at]} at index {at} is not a whole number from 0 to "
            f"{MOST_CLASSES - 1:,}."
        )
    return labels.astype(np.int32)
