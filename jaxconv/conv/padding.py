"""Padding: zeros around the pixels and between them, or pixels repeated."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxconv.conv.geometry import Geometry, Pads, Shape

Modes = tuple[str, ...]  # one for each spatial axis

_NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
_MODES = ("zeros", *_NUMPY_MODES)


def zero_pad(x: Array, pads: Pads, dilation: Shape | None = None) -> Array:
    """Put `dilation - 1` zeros between neighbours, then `pads` around (negative: crop).

    The spatial axes are the last `len(pads)`.
    """
    dilation = dilation or (1,) * len(pads)
    config = [(0, 0, 0)] * (x.ndim - len(pads))
    config += [(lo, hi, d - 1) for (lo, hi), d in zip(pads, dilation, strict=True)]
    return lax.pad(x, x.dtype.type(0), config)


def pad_input(x: Array, geometry: Geometry) -> Array:
    """Return the dilated and padded input that the filters slide over."""
    return zero_pad(x, geometry.padding, geometry.input_dilation)


def crop_input(x: Array, geometry: Geometry) -> Array:
    """Apply the transpose of `pad_input`."""
    return _zero_crop(x, geometry.padding, geometry.input_dilation)


def _zero_crop(x: Array, pads: Pads, dilation: Shape) -> Array:
    """Apply the transpose of `zero_pad`: crop what it padded, pad what it cropped."""
    wide = zero_pad(x, tuple((-low, -high) for low, high in pads))
    return wide[..., *(slice(None, None, d) for d in dilation)]


def as_modes(
    padding_mode: str | Sequence[str], geometry: Geometry, caller: str
) -> Modes:
    """Return the padding mode of each spatial axis.

    Raises:
      ValueError: a mode is unknown, or an axis has no pixels to repeat.
    """
    axes = len(geometry.space)
    modes = (padding_mode,) * axes if isinstance(padding_mode, str) else padding_mode
    if (
        not isinstance(modes, Sequence)
        or len(modes) != axes
        or not all(isinstance(mode, str) and mode in _MODES for mode in modes)
    ):
        names = ", ".join(f'"{name}"' for name in _MODES)
        raise ValueError(
            f"{caller}: padding_mode must be one of {names}, or one for each of the "
            f"{axes} spatial axes, got {padding_mode!r}."
        )
    for axis, (mode, size, (low, high)) in enumerate(
        zip(modes, _dilated_and_cropped(geometry), geometry.padding, strict=True)
    ):
        least = 2 if mode == "reflect" else 1  # a lone pixel has no neighbour
        if mode != "zeros" and max(low, high) > 0 and size < least:
            raise ValueError(
                f'{caller}: padding_mode "{mode}" needs at least {least} pixels along '
                f'axis {axis + 2} of x, got {size} of {geometry.x_shape}. Use "zeros".'
            )
    return tuple(modes)


def extended(geometry: Geometry, modes: Modes) -> Geometry:
    """Return the geometry that is left once `extend` has padded by `modes`."""
    zeros = [mode == "zeros" for mode in modes]

    def keep(own, padded):
        return tuple(a if z else b for z, a, b in zip(zeros, own, padded, strict=True))

    axes = len(modes)
    return dataclasses.replace(
        geometry,
        space=keep(geometry.space, geometry.padded),
        padding=keep(geometry.padding, ((0, 0),) * axes),
        input_dilation=keep(geometry.input_dilation, (1,) * axes),
    )


def extend(x: Array, geometry: Geometry, modes: Modes) -> Array:
    """Pad the axes whose mode is not "zeros", and leave the others to the geometry.

    Negative padding crops whatever the mode; zeros between dilated pixels count as
    pixels.
    """
    for axis, mode in enumerate(modes):
        if mode != "zeros":
            x = zero_pad(x, *_crop(geometry, axis))
            before, after = _repeated(geometry, axis, mode)
            pieces = [
                x if at is None else jnp.take(x, at, axis=axis + 2, mode="clip")
                for at in (before, None, after)
                if at is None or len(at)
            ]
            x = jnp.concatenate(pieces, axis=axis + 2)
    return x


def give_back(grad: Array, geometry: Geometry, modes: Modes) -> Array:
    """Apply the transpose of `extend`: each copy adds its gradient to its pixel's."""
    for axis, mode in enumerate(modes):
        if mode != "zeros":
            before, after = _repeated(geometry, axis, mode)
            size = grad.shape[axis + 2] - len(before) - len(after)
            low, own, high = jnp.split(
                grad, (len(before), len(before) + size), axis=axis + 2
            )
            place = (slice(None),) * (axis + 2)
            own = own.at[*place, before].add(low).at[*place, after].add(high)
            grad = _zero_crop(own, *_crop(geometry, axis))
    return grad


def _crop(geometry: Geometry, axis: int) -> tuple[Pads, Shape]:
    """Return negative padding and dilation of one axis, as `zero_pad` takes them."""
    pads, gaps = [(0, 0)] * len(geometry.space), [1] * len(geometry.space)
    low, high = geometry.padding[axis]
    pads[axis], gaps[axis] = (min(low, 0), min(high, 0)), geometry.input_dilation[axis]
    return tuple(pads), tuple(gaps)


def _dilated_and_cropped(geometry: Geometry) -> Shape:
    pairs = zip(geometry.padded, geometry.padding, strict=True)
    return tuple(size - max(low, 0) - max(high, 0) for size, (low, high) in pairs)


def _repeated(geometry: Geometry, axis: int, mode: str) -> tuple[np.ndarray, ...]:
    """Return the indices of the pixels that NumPy pads an axis with, at either end."""
    size = _dilated_and_cropped(geometry)[axis]
    low, high = (max(side, 0) for side in geometry.padding[axis])
    if low == high == 0:
        return np.arange(0), np.arange(0)
    numpy_mode: Any = _NUMPY_MODES[mode]
    order = np.pad(np.arange(size), (low, high), mode=numpy_mode)
    return order[:low], order[low + size :]
