"""Images inside the page, as data URLs."""

import base64
import io

import numpy as np

from jaxconv.train.page.markup import Html, element

_PHOTOGRAPH = 64  # pixels along a side; in larger images pixels do not matter
_LARGEST = 160  # larger ones are made smaller, so that the page stays small
_GAMMA = 0.75  # below 1: small numbers are easier to see
_POSITIVE, _NEGATIVE = (214, 69, 45), (47, 112, 214)


def image(pixels: np.ndarray, alt: str, largest: int = _LARGEST) -> Html:
    """Return an <img> of bytes (h, w), (h, w, 3) or (h, w, 4)."""
    height, width = pixels.shape[:2]
    large = max(height, width) > _PHOTOGRAPH
    return element(
        "img",
        src=_address(
            pixels, "JPEG" if large and pixels.shape[2:] != (4,) else "PNG", largest
        ),
        alt=alt,
        width=width,
        height=height,
        loading="lazy",
        class_="photograph" if large else None,
    )


def picture(x: np.ndarray) -> np.ndarray:
    """Return an image of bytes (channels, h, w) as it is shown.

    Three channels are colours; of any other number, the mean is shown.
    """
    if len(x) == 3:
        return np.moveaxis(x, 0, -1)
    return x[0] if len(x) == 1 else x.mean(0).astype(np.uint8)


def signed(panel: np.ndarray, scale: float) -> np.ndarray:
    """Return numbers (h, w) as colours: red above 0, blue below, 0 see-through."""
    share = np.nan_to_num(np.clip(panel / (scale or 1.0), -1, 1))
    colours = np.where(share[..., None] > 0, _POSITIVE, _NEGATIVE)
    alpha = np.rint(255 * np.abs(share) ** _GAMMA)[..., None]
    return np.concatenate([colours, alpha], axis=-1).astype(np.uint8)


def coloured(filters: np.ndarray, scale: float) -> np.ndarray:
    """Return a filter of three channels (3, h, w) in colour, where grey is 0."""
    share = np.nan_to_num(np.clip(0.5 + 0.5 * filters / (scale or 1.0), 0, 1))
    return np.rint(255 * np.moveaxis(share, 0, -1)).astype(np.uint8)


def _address(pixels: np.ndarray, kind: str, largest: int) -> str:
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((largest, largest))
    held = io.BytesIO()
    picture.save(held, kind, optimize=True)
    data = base64.b64encode(held.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{data}"
