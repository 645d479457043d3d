"""Geometries for the engine's tests, by name."""

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
    "depthwise, many images": (
        (8, 4, 5, 6),
        (1, 8, 3, 2),
        {"groups": 4, "strides": (2, 1)},
    ),
    "many taps": ((2, 2, 9, 12), (2, 3, 9, 8), {}),
    "no channels in": ((2, 0, 6, 5), (0, 4, 3, 2), {}),
    "no channels out": ((2, 3, 6, 5), (3, 0, 3, 2), {}),
    "no pixels": ((2, 3, 0, 5), (3, 4, 3, 2), {"padding": 0}),
    "one pixel": ((2, 3, 1, 1), (3, 4, 3, 5), {}),
}


def named_geometries() -> dict[str, Geometry]:
    return {name: Geometry.of(x, w, **facts) for name, (x, w, facts) in NAMED.items()}
