"""A call of `lax.reduce_window` that pools: translated into windows, and run.

lax takes a maximum or a sum over windows for one where the reducer is `lax.max` or
`lax.add` itself and begins with -inf or 0, and only then can it differentiate the call.
All other calls are no pooling, and are passed on without a word.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxconv.conv.pooling import average, maximum
from jaxconv.conv.pooling.api import run_average, run_max
from jaxconv.conv.pooling.windows import Windows
from jaxconv.conv.primitives.eager import checked_once
from jaxconv.dropin.calls import facts_of
from jaxconv.dropin.redirect import ORIGINAL

NAME = "reduce_window"
_FLOATS = ("float64", "float32", "bfloat16", "float16")
_MOST_AXES = 3


class Pooling(NamedTuple):
    """A call that pools, or looks as if it did."""

    kind: str  # "max" or "sum"
    window: tuple[int, ...]  # along the pooled axes
    strides: tuple[int, ...]
    windows: Windows | None  # None if lax runs
    reason: str | None  # why lax runs

    @property
    def function(self) -> str:
        """The name of lax's primitive."""
        return f"{NAME}_{self.kind}"

    def __str__(self) -> str:
        """Return the window, and the strides unless they are its sizes."""
        sizes, steps = ("x".join(map(str, n)) for n in (self.window, self.strides))
        return f"window {sizes}" + (f" strides {steps}" if sizes != steps else "")


def pooling_of(given: dict[str, Any]) -> Pooling | None:
    """Return the pooling that a call of `lax.reduce_window` is; None if it is none.

    Raises:
      TypeError, ValueError: lax's own, if the call looks like pooling and is wrong.
    """
    operand, kind = given["operand"], _kind(given)
    if kind is None or not isinstance(operand, Array | np.ndarray):
        return None
    settings = {
        name: value
        for name, value in given.items()
        if name not in ("operand", "init_value", "computation")
    }
    return _translated(kind, facts_of(jnp.asarray(operand)), settings)


def serve(x: Any, pooling: Pooling) -> Array:
    """Run a call that has windows."""
    assert pooling.windows is not None
    run: Callable[..., Array] = run_max if pooling.kind == "max" else run_average
    return run(jnp.asarray(x), windows=pooling.windows)


def _kind(given: dict[str, Any]) -> str | None:
    """Return which of lax's two poolings a call is, by its reducer and its start."""
    start, by = given["init_value"], given["computation"]
    if by not in (lax.max, lax.add) or isinstance(start, jax.core.Tracer):
        return None
    if by is lax.max:
        return "max" if np.array_equal(start, -np.inf) else None
    return "sum" if np.array_equal(start, 0) else None


@checked_once
def _translated(
    kind: str, operand: tuple[Any, ...], settings: dict[str, Any]
) -> Pooling | None:
    shape, dtype, placed = operand
    by, start = (lax.max, -np.inf) if kind == "max" else (lax.add, 0)
    result = jax.eval_shape(
        lambda x: ORIGINAL[NAME](x, start, by, **settings),
        jax.ShapeDtypeStruct(shape, dtype, sharding=placed),
    )
    window, padding = tuple(settings["window_dimensions"]), settings["padding"]
    strides = tuple(settings["window_strides"] or (1,) * len(shape))
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(shape, window, strides, padding)
    rows = list(zip(window, strides, map(tuple, padding), strict=True))
    axes = [at for at, row in enumerate(rows) if row != (1, 1, (0, 0))]
    if not axes:
        return None
    own = slice(axes[0], axes[-1] + 1)
    windows = Windows(
        first=own.start,
        space=shape[own],
        window=window[own],
        strides=strides[own],
        padding=tuple(pads for _, _, pads in rows[own]),
        out=result.shape[own],
        mean=False,
    )
    reason = _why_not(kind, dtype, windows, settings)
    served = windows if reason is None else None
    return Pooling(kind, windows.window, windows.strides, served, reason)


def _why_not(
    kind: str, dtype: Any, windows: Windows, settings: dict[str, Any]
) -> str | None:
    """Return why a pooling is passed on to lax; None if jaxconv serves it."""
    sizes = (*windows.space, *windows.out)
    if not all(isinstance(size, int | np.integer) for size in sizes):
        return "a symbolic shape"
    if dtype.name not in _FLOATS:
        return f"{dtype.name} has no gradient"
    for name in ("base_dilation", "window_dilation"):
        if any(n != 1 for n in settings[name] or ()):
            return f"{name} {tuple(settings[name])}"
    if len(windows.space) > _MOST_AXES:
        return f"windows over {len(windows.space)} axes"
    return _windows_without_pixels(windows) or _too_many_taps(kind, windows)


def _windows_without_pixels(windows: Windows) -> str | None:
    rows = (windows.strides, windows.window, windows.padding, windows.out)
    for size, s, k, (low, high), out in zip(windows.space, *rows, strict=True):
        if min(low, high) < 0:
            return f"negative padding {(low, high)}"
        if out < 1:
            return "no window fits into the image"
        if low >= k or (out - 1) * s >= low + size:
            return "a window lies wholly in the padding"
    return None


def _too_many_taps(kind: str, windows: Windows) -> str | None:
    """Return why lax runs poolings whose taps are not unrolled.

    Value and gradient of such maxima ran at 0.5 to 1.1 times lax's speed; those of
    3 x 3 windows at 2 to 25 times.
    """
    if kind == "max" and windows.taps > maximum.MOST_UNROLLED:
        return f"maxima of {windows.taps} pixels"
    simple = windows.whole or windows.disjoint
    if kind == "sum" and max(windows.window) > average.MOST_UNROLLED and not simple:
        return f"overlapping sums of {max(windows.window)} pixels along an axis"
    return None
