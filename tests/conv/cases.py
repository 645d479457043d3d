"""Geometries for the engine's tests: some by name, any number at random."""

import numpy as np

from jaxconv.conv.geometry import Geometry

# Every axis differs, batch > 1, filters without symmetry: no flip or swap can hide.
NAMED = {
    "same": ((2, 3, 6, 5), (3, 4, 3, 2), {}),
    "valid": ((2, 3, 6, 5), (3, 4, 3, 2), {"padding": "VALID"}),
    "strided": ((2, 3, 7, 9), (3, 4, 2, 3), {"strides": (2, 3)}),
    "stride beyond the filter": ((2, 3, 9, 8), (3, 4, 2, 1), {"strides": (4, 3)}),
    "padding beyond the filter": (
        (3, 1, 4, 7),
        (1, 2, 1, 3),
        {"padding": ((2, 1), (0, 4))},
    ),
    "even filter, one side": ((2, 4, 6, 5), (4, 3, 2, 2), {"padding": ((2, 0),) * 2}),
    "negative padding": ((2, 4, 8, 9), (4, 3, 2, 3), {"padding": ((-2, 1), (3, -4))}),
    "pixels never read": ((2, 3, 8, 6), (3, 4, 3, 2), {"strides": 3, "padding": 0}),
    "grouped": ((2, 6, 6, 5), (2, 9, 3, 2), {"groups": 3, "strides": (1, 2)}),
    "depthwise": ((3, 4, 5, 6), (1, 8, 3, 1), {"groups": 4}),
    "1-D": ((3, 2, 11), (2, 4, 4), {"strides": 2, "padding": ((3, 1),)}),
    "3-D": ((2, 2, 4, 3, 5), (2, 3, 2, 1, 3), {"strides": (1, 2, 2), "padding": 1}),
    "0-D": ((3, 2), (2, 4), {}),
    "empty batch": ((0, 3, 6, 5), (3, 4, 3, 2), {}),
    "dilated filter": ((2, 3, 9, 8), (3, 4, 3, 2), {"kernel_dilation": (2, 3)}),
    "dilated input": (
        (2, 3, 4, 5),
        (3, 4, 3, 2),
        {"input_dilation": (2, 3), "strides": (1, 2), "padding": ((2, 1), (0, 3))},
    ),
    "dilated input, cropped": (
        (2, 3, 4, 5),
        (3, 4, 3, 2),
        {"input_dilation": 3, "padding": ((-2, -1), (-4, 2)), "kernel_dilation": 2},
    ),
    "causal": ((2, 3, 9), (3, 4, 3), {"padding": "CAUSAL", "kernel_dilation": 2}),
    "depthwise, one to one": ((3, 4, 5, 6), (1, 4, 3, 2), {"groups": 4, "strides": 2}),
    "many taps": ((2, 2, 9, 12), (2, 3, 9, 8), {}),
    "no channels in": ((2, 0, 6, 5), (0, 4, 3, 2), {}),
    "no channels out": ((2, 3, 6, 5), (3, 0, 3, 2), {}),
    "no pixels": ((2, 3, 0, 5), (3, 4, 3, 2), {"padding": 0}),
    "one pixel": ((2, 3, 1, 1), (3, 4, 3, 5), {}),
}


def named_geometries() -> dict[str, Geometry]:
    return {name: Geometry.of(x, w, **facts) for name, (x, w, facts) in NAMED.items()}


def random_geometry(rng: np.random.Generator) -> Geometry:
    """A small convolution of any kind: 0 to 3 axes, every setting drawn."""
    axes = rng.choice(4, p=(0.02, 0.38, 0.5, 0.1))
    longest, most_taps = ((0, 0), (14, 4), (8, 3), (5, 2))[axes]
    groups, ci, co = (int(rng.choice((1, 1, 2, 3))) for _ in range(3))
    settings = []
    while len(settings) < axes:
        k, size = int(rng.integers(1, most_taps + 1)), int(rng.integers(1, longest))
        stride, gap, spread = (int(rng.choice((1, 1, 2, 3))) for _ in range(3))
        low, high = (int(side) for side in rng.integers(-2, 5, 2))
        wide = (size - 1) * gap + 1
        # Cropping takes pixels and leaves some; the filter fits.
        left, padded = wide + min(low, 0) + min(high, 0), wide + low + high
        if left > 0 and padded >= (k - 1) * spread + 1:
            settings.append((size, k, stride, (low, high), gap, spread))
    columns = [tuple(column) for column in zip(*settings, strict=True)] or [()] * 6
    space, kernel, strides, padding, gaps, spreads = columns
    return Geometry.of(
        (int(rng.integers(1, 4)), groups * ci, *space),
        (ci, groups * co, *kernel),
        strides=strides,
        padding=padding,
        input_dilation=gaps,
        kernel_dilation=spreads,
        groups=groups,
    )
