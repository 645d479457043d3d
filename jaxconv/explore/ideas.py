"""The chapter's other ideas: designed filters, counts, pooling, receptive fields."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxconv import nn
from jaxconv.conv.api import conv
from jaxconv.conv.geometry import Geometry
from jaxconv.explore.arguments import SIDE, as_image, check_place
from jaxconv.explore.model import Model
from jaxconv.nn.kernels import CHANGERS, DETECTORS
from jaxconv.nn.receptive import Reach, seen_through
from jaxconv.nn.window import Window

KERNELS = {**DETECTORS, **CHANGERS}  # by name, the Laplacian first
_MAX_POOL, _AVERAGE_POOL = nn.MaxPool(2), nn.AvgPool(2)


def kernel(pixels: Any, kernel: Any) -> dict[str, Any]:
    """Slide a filter over the drawing, whose ink is from 0 to 1.

    Args:
      pixels: 28 rows of 28 grey levels.
      kernel: the name of a designed filter, or a filter of 3 x 3.

    Raises:
      ValueError: `pixels` are not an image, or `kernel` is not a filter.
    """
    if isinstance(kernel, str) and kernel not in KERNELS:
        raise ValueError(
            f"kernel: kernel must be one of {', '.join(KERNELS)}, or 3 x 3 numbers, "
            f"got {kernel!r}."
        )
    w = KERNELS[kernel] if isinstance(kernel, str) else np.asarray(kernel, np.float32)
    if w.shape != (3, 3):
        raise ValueError(f"kernel: kernel must be 3 x 3 numbers, got shape {w.shape}.")
    seen = _slide(_ink("kernel", pixels), jnp.asarray(w)[None, None])
    return {"kernel": w.tolist(), "map": seen[0, 0].tolist()}


_slide = jax.jit(conv)


def layers(model: Model) -> list[dict[str, Any]]:
    """Count weights and neurons of each layer; the last row has their sums.

    A convolution has few weights and many neurons, a dense layer the other way round.
    """
    maps, size = model.filters, model.kernel
    shown = nn.serial(
        nn.Conv2D(maps, size, activation=nn.Tanh()),
        nn.Flatten(),
        nn.Dense(len(model.classes)),
    )
    described = nn.describe(shown, (1, SIDE, SIDE))
    return [
        {
            "name": row.path,
            "shape": list(row.output_shape),
            "weights": row.weights,
            "biases": row.biases,
            "neurons": row.neurons,
            "multiply_adds": row.multiply_adds,
        }
        for row in (*described.rows, described.total)
    ]


def downsample(pixels: Any) -> dict[str, Any]:
    """Halve the drawing by the two poolings, and by a stride of 2.

    The stride is that of a filter of one tap, 1: it takes every second pixel.

    Raises:
      ValueError: `pixels` are not an image.
    """
    halves = _downsample(_ink("downsample", pixels))
    return {name: half[0, 0].tolist() for name, half in halves.items()}


@jax.jit
def _downsample(x):
    return {
        "max_pool": _MAX_POOL.apply({}, x),
        "average_pool": _AVERAGE_POOL.apply({}, x),
        "stride": conv(x, jnp.ones((1, 1, 1, 1), jnp.float32), strides=2),
    }


def receptive(
    kernels: Sequence[int], strides: Sequence[int], row: int, column: int
) -> dict[str, Any]:
    """Find what one output of the second of two convolutions depends on.

    Both keep the size, up to their stride ("SAME").

    Returns:
      `output`, how many rows and columns the second layer's map has; and `layers`: the
      first and last of the `rows` and `columns` in the first layer's map, then in the
      image. They can lie in the padding: below 0, or beyond `size`. `stride` is how far
      apart those of neighbouring outputs are.

    Raises:
      ValueError: a kernel or stride is not at least 1, or there is no such output.
    """
    for name, sizes in ("kernels", kernels), ("strides", strides):
        if len(sizes) != 2 or min(sizes) < 1:
            raise ValueError(
                f"receptive: {name} must be two whole numbers of at least 1, got "
                f"{tuple(sizes)}. One for each layer."
            )
    size, sizes, before = SIDE, [], []
    for taps, stride in zip(kernels, strides, strict=True):
        geometry = Geometry.of((1, 1, size), (1, 1, taps), strides=stride)
        sizes.append(size)
        before.append(geometry.padding[0][0])
        (size,) = geometry.out
    places = [
        check_place("receptive", name, place, size)
        for name, place in (("row", row), ("column", column))
    ]
    answers: list[dict[str, Any]] = []
    for layer in (1, 0):
        reach = _reach(kernels[layer:], strides[layer:])
        places = [at * strides[layer] - before[layer] for at in places]
        spans = [[at, at + reach.pixels() - 1] for at in places]
        answers.append(
            {
                "rows": spans[0],
                "columns": spans[1],
                "size": sizes[layer],
                "stride": int(reach.stride),
            }
        )
    return {"layers": answers, "output": size}


def _reach(kernels: Sequence[int], strides: Sequence[int]) -> Reach:
    """Return how far an output of several layers sees along an axis."""
    reach = Reach()
    for taps, stride in zip(kernels, strides, strict=True):
        (seen,) = seen_through(Window(taps, stride), (reach,))
        assert seen is not None  # no window is the whole image
        reach = seen
    return reach


def _ink(caller: str, pixels: Any) -> Array:
    """Return the drawing with ink from 0 to 1, (1, 1, 28, 28)."""
    return jnp.asarray(as_image(caller, pixels) / np.float32(255))
