"""Pooling a padded image without a padded copy of it.

Outputs whose windows see pixels through the same taps make a region, in which a pooling
has smaller windows and no padding: with 3 x 3 windows and a border of 1 there are at
most nine. A padded copy would cost the image's size in fresh memory, while XLA fuses
what joins the regions into the loop that computes them.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

from jax import Array, lax

from jaxconv.conv.pooling.windows import Windows

MOST_REGIONS = 9  # three on each of two axes; XLA compiles each


class Region(NamedTuple):
    """Outputs along an axis whose windows see pixels through the same taps."""

    output: int  # the first
    outputs: int
    tap: int  # the first
    taps: int


def regions_along(windows: Windows, at: int) -> list[Region]:
    """Return the regions of one axis, in their order."""
    size, k, s = windows.space[at], windows.window[at], windows.strides[at]
    low, _ = windows.padding[at]

    def seen_by(output: int) -> tuple[int, int]:
        start = output * s - low
        return max(0, -start), min(k, size - start)

    regions, output = [], 0
    for (tap, end), own in itertools.groupby(range(windows.out[at]), seen_by):
        count = len(list(own))
        regions.append(Region(output, count, tap, end - tap))
        output += count
    return regions


def by_regions(
    windows: Windows, run: Callable[..., Array], x: Array, *outputs: Array
) -> Array:
    """Pool regions of outputs one by one, each without padding, and join the results.

    Args:
      windows: the pooling; padded as a whole if it has too many regions.
      run: called for each region as `run(x, *outputs, windows=..., taps=...)`, with the
        pixels it sees, its outputs, its own windows, and the first tap that it reads
        through along each axis.
      x: the image.
      outputs: arrays of a number for each window.
    """
    found = [regions_along(windows, at) for at in range(len(windows.space))]
    if math.prod(map(len, found)) > MOST_REGIONS:
        return run(x, *outputs, windows=windows, taps=(0,) * len(found))

    def joined(chosen: tuple[Region, ...]) -> Array:
        at = len(chosen)
        if at == len(found):
            return _region(windows, run, chosen, x, *outputs)
        parts = [joined((*chosen, region)) for region in found[at]]
        return parts[0] if len(parts) == 1 else lax.concatenate(parts, windows.axes[at])

    return joined(())


def _region(
    windows: Windows,
    run: Callable[..., Array],
    regions: tuple[Region, ...],
    x: Array,
    *outputs: Array,
) -> Array:
    rows = (windows.axes, windows.strides, windows.padding, regions)
    for axis, s, (low, _), region in zip(*rows, strict=True):
        start = region.output * s + region.tap - low
        end = start + (region.outputs - 1) * s + region.taps
        x = lax.slice_in_dim(x, start, end, 1, axis)
        start, end = region.output, region.output + region.outputs
        outputs = tuple(lax.slice_in_dim(y, start, end, 1, axis) for y in outputs)
    own = dataclasses.replace(
        windows,
        space=tuple(x.shape[axis] for axis in windows.axes),
        window=tuple(region.taps for region in regions),
        padding=((0, 0),) * len(regions),
        out=tuple(region.outputs for region in regions),
    )
    taps = tuple(region.tap for region in regions)
    return run(x, *outputs, windows=own, taps=taps)
