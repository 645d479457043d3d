"""The public calls of pooling: check the arguments once, then bind the primitive."""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import Shaped

from jaxconv.conv.arguments.arrays import as_array
from jaxconv.conv.arguments.keywords import names_arguments
from jaxconv.conv.arguments.settings import Padding, Sizes, as_pads, per_axis
from jaxconv.conv.arguments.shapes import Shape
from jaxconv.conv.pooling import average, maximum
from jaxconv.conv.pooling.windows import Windows
from jaxconv.conv.primitives.eager import one_program


@names_arguments
def max_pool(
    x: Shaped[Array, "n first *others"],
    window: Sizes,
    *,
    strides: Sizes | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    channels_last: bool = False,
) -> Shaped[Array, "n first_pooled *others_pooled"]:
    """Return the largest pixel of each window, for each channel.

    Among equal maxima the first in row-major order takes the gradient. A NaN in a
    window makes its output NaN. Padding is never the largest.

    Args:
      x: (n, channels, *space), or with `channels_last` (n, *space, channels).
      window: its size in pixels, one number or one for each axis.
      strides: pixels from one window to the next; None for the window's size.
      padding: as for `jaxconv.conv`, but not negative.
      ceil_mode: whether to keep a last window that reaches beyond the padding, as long
        as it does not begin in the padding at the high end.
      channels_last: the layout of `x` and of the result.

    Raises:
      ValueError: the settings do not fit, or a window would lie wholly in the padding.

    >>> max_pool(jnp.arange(6.0)[None, None], 2).tolist()
    [[[1.0, 3.0, 5.0]]]
    """
    settings = {"strides": strides, "padding": padding, "ceil_mode": ceil_mode}
    x, windows = _prepared("max_pool", x, window, channels_last, **settings)
    return run_max(x, windows=windows)


@names_arguments
def avg_pool(
    x: Shaped[Array, "n first *others"],
    window: Sizes,
    *,
    strides: Sizes | None = None,
    padding: Padding = 0,
    count_include_pad: bool = True,
    ceil_mode: bool = False,
    channels_last: bool = False,
) -> Shaped[Array, "n first_pooled *others_pooled"]:
    """Return the mean of the pixels of each window, for each channel.

    Arguments are those of `max_pool`. With `count_include_pad` the zeros of the padding
    count as pixels; what a window of `ceil_mode` reads beyond them never counts. Whole
    numbers become float32; floats shorter than float32 are added up in float32.

    Raises:
      ValueError: as for `max_pool`.

    >>> avg_pool(jnp.arange(6.0)[None, None], 2).tolist()
    [[[0.5, 2.5, 4.5]]]
    """
    settings = {"strides": strides, "padding": padding, "ceil_mode": ceil_mode}
    settings["count_include_pad"] = bool(count_include_pad)
    x, windows = _prepared("avg_pool", x, window, channels_last, **settings)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        x = x.astype(jnp.float32)
    return run_average(x, windows=windows)


@one_program
def run_max(x: Array, *, windows: Windows) -> Array:
    """Take the maxima of windows, outside of jit as one program."""
    return maximum.max_pool(x, windows=windows)


@one_program
def run_average(x: Array, *, windows: Windows) -> Array:
    """Average windows, or add them up; outside of jit as one program."""
    return average.average(x, windows=windows)


def _prepared(
    caller: str, x: Any, window: Any, channels_last: bool, **settings: Any
) -> tuple[Array, Windows]:
    x = as_array(caller, "x", x)
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise ValueError(
            f"{caller}: x must be real, got {x.dtype}. Pool x.real and x.imag."
        )
    first = 1 if channels_last else 2
    return x, windows_of(caller, x.shape, window, first=first, **settings)


def windows_of(
    caller: str,
    shape: Shape,
    window: Any,
    *,
    first: int,
    strides: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Windows:
    """Check the settings of a pooling against the shape of a batch, and collect them.

    Raises:
      ValueError: a setting does not fit; the message begins with `caller`.
    """
    axes = len(shape) - 2
    if axes < 1:
        layout = "channels, *space" if first == 2 else "*space, channels"
        raise ValueError(
            f"{caller}: x must be (batch, {layout}), got shape {tuple(shape)}. Add the "
            "missing axes, for instance with x[None]."
        )
    space = tuple(shape[first : first + axes])
    sizes = per_axis("window", window, axes, caller)
    steps = sizes if strides is None else per_axis("strides", strides, axes, caller)
    pads = as_pads(padding, space, sizes, steps, caller)
    out = tuple(
        _count(caller, shape, first, at, *own, ceil_mode)
        for at, own in enumerate(zip(sizes, steps, pads, strict=True))
    )
    return Windows(
        first=first,
        space=space,
        window=sizes,
        strides=steps,
        padding=pads,
        out=out,
        count_include_pad=count_include_pad,
    )


def _count(
    caller: str,
    shape: Shape,
    first: int,
    at: int,
    k: int,
    s: int,
    pads: tuple[int, int],
    ceil_mode: bool,
) -> int:
    """Return the number of windows of k pixels, s apart, along a spatial axis."""
    size, (low, high) = shape[first + at], pads
    where = f"(axis {first + at} of {tuple(shape)})"
    if min(low, high) < 0:
        raise ValueError(
            f"{caller}: padding must not be negative, got ({low}, {high}) {where}. "
            "Crop x by slicing."
        )
    left = size + low + high - k
    if left < 0:
        layout = "channels-last" if first == 2 else "channels-first"
        raise ValueError(
            f"{caller}: window must fit into the padded pixels, got {k} for {size} "
            f"pixels {where} with padding ({low}, {high}). Take a smaller window. "
            f"Is x {layout}?"
        )
    count = (left + (s - 1 if ceil_mode else 0)) // s + 1
    if ceil_mode and (count - 1) * s >= size + low:
        count -= 1
    if low >= k or (count - 1) * s >= low + size:
        raise ValueError(
            f"{caller}: no window may lie wholly in the padding, got window {k}, "
            f"strides {s} and padding ({low}, {high}) for {size} pixels {where}. "
            "Pad by less than the window."
        )
    return count
