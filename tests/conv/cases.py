"""Geometries for the engine's tests: some by name, any number at random."""

from typing import Any

import hypothesis.strategies as st

from jaxconv.conv.geometry import Geometry, Shape

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
    "one pixel": ((2, 3, 1, 1), (3, 4, 3, 5), {}),
}


def named_geometries() -> dict[str, Geometry]:
    return {name: Geometry.of(x, w, **facts) for name, (x, w, facts) in NAMED.items()}


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Shape, Shape, dict[str, Any]]:
    """Small convolutions over one or two axes: any stride, padding and groups.

    Drawn as the arguments of `Geometry.of`: the annotations' hook, which draws random
    numbers of its own, must not run inside a strategy.
    """
    axes = draw(st.integers(1, 2))
    groups, ci, co = (draw(st.integers(1, 3)) for _ in range(3))
    space, kernel, strides, padding = [], [], [], []
    for _ in range(axes):
        k, stride = draw(st.integers(1, 4)), draw(st.integers(1, 4))
        low, high = draw(st.integers(-2, 5)), draw(st.integers(-2, 5))
        size = draw(st.integers(max(1, k - low - high, 1 - min(low, high)), 9))
        space.append(size)
        kernel.append(k)
        strides.append(stride)
        padding.append((low, high))
    x_shape = (draw(st.integers(1, 3)), groups * ci, *space)
    w_shape = (ci, groups * co, *kernel)
    return x_shape, w_shape, {"strides": strides, "padding": padding, "groups": groups}
