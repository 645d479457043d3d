"""Turn and shift images at random, so that no two epochs show the same ones."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Float

Augment = Callable[[Array, Array], Array]


def turn_and_shift(
    key: Array,
    images: Float[Array, "n channels height width"],
    *,
    degrees: float,
    pixels: float,
) -> Float[Array, "n channels height width"]:
    """Turn each image about its centre and shift it, by its own random amounts.

    Angles are uniform between -degrees and degrees, shifts along each axis between
    -pixels and pixels. Values are interpolated bilinearly; beyond the border, the
    border's pixels are repeated.
    """
    n = len(images)
    angle_key, shift_key = jax.random.split(key)
    angles = jnp.radians(
        jax.random.uniform(angle_key, (n,), minval=-degrees, maxval=degrees)
    )
    shifts = jax.random.uniform(shift_key, (n, 2), minval=-pixels, maxval=pixels)
    return jax.vmap(_moved)(images, angles, shifts)


def _moved(image: Array, angle: Array, shift: Array) -> Array:
    """Turn an image (channels, height, width) by `angle`, in radians, and shift it."""
    _, height, width = image.shape
    centre_y, centre_x = (height - 1) / 2, (width - 1) / 2
    y = jnp.arange(height, dtype=jnp.float32)[:, None] - centre_y - shift[0]
    x = jnp.arange(width, dtype=jnp.float32)[None] - centre_x - shift[1]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    source = [cos * y - sin * x + centre_y, sin * y + cos * x + centre_x]
    read = functools.partial(
        map_coordinates, coordinates=source, order=1, mode="nearest"
    )
    return jax.vmap(read)(image)
