"""Zero padding: around the pixels, and between them."""

from jax import Array, lax

from jaxconv.conv.geometry import Geometry, Pads, Shape


def zero_pad(x: Array, pads: Pads, dilation: Shape | None = None) -> Array:
    """Put `dilation - 1` zeros between neighbours, then `pads` around (negative: crop).

    The spatial axes are the last `len(pads)`.
    """
    dilation = dilation or (1,) * len(pads)
    config = [(0, 0, 0)] * (x.ndim - len(pads))
    config += [(lo, hi, d - 1) for (lo, hi), d in zip(pads, dilation, strict=True)]
    return lax.pad(x, x.dtype.type(0), config)


def pad_input(x: Array, geometry: Geometry) -> Array:
    """Return the padded input that the filters slide over."""
    return zero_pad(x, geometry.padding)


def crop_input(x: Array, geometry: Geometry) -> Array:
    """Apply the transpose of `pad_input`: drop what it added, zeros where it cut."""
    return zero_pad(x, tuple((-low, -high) for low, high in geometry.padding))
