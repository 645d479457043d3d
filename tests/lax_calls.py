"""Calls of lax's convolutions drawn at random, and lax as a safe oracle for them."""

from typing import Any

import hypothesis.strategies as st
import jax.numpy as jnp
from jax import lax

DTYPES = ("float32", "float32", "bfloat16", "float16", "complex64", "int32", "int8")
DTYPES += ("uint8", "bool")
WIDER = {"bfloat16": "float32", "int8": "int32", "uint8": "uint32", "bool": "int32"}


@st.composite
def layouts(draw: st.DrawFn, axes: int) -> tuple[str, str, str]:
    """Where batch, channels and pixels stand in lhs, rhs and result: any order."""
    pixels = "HWD"[:axes]
    return tuple(
        "".join(draw(st.permutations(leading + pixels)))
        for leading in ("NC", "IO", "NC")
    )


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    """Shapes, type and arguments of one call of `lax.conv_general_dilated`."""
    axes = draw(st.sampled_from((0, 1, 1, 2, 2, 2, 3)))
    sizes = st.integers(1, 3)
    small = st.sampled_from((1, 1, 1, 2, 3))
    groups, blocks = draw(st.sampled_from(((1, 1), (1, 1), (2, 1), (3, 1), (1, 2))))
    n, ci, co = draw(sizes), draw(sizes), draw(sizes)
    if draw(st.integers(0, 19)) == 0:
        n, ci, co = draw(st.sampled_from(((0, ci, co), (n, 0, co), (n, ci, 0))))
    kernel = [draw(st.integers(1, 4)) for _ in range(axes)]
    space = [draw(st.integers(1, 7)) for _ in range(axes)]
    strides, gaps, spreads = ([draw(small) for _ in range(axes)] for _ in range(3))
    padding: Any = draw(st.sampled_from(("SAME", "SAME_LOWER", "VALID", None, None)))
    if padding is None:
        wide = [(size - 1) * gap + 1 for size, gap in zip(space, gaps, strict=True)]
        lows = [draw(st.integers(-min(2, size), 4)) for size in wide]
        highs = [
            draw(st.integers(-min(2, size + min(low, 0)), 4))
            for size, low in zip(wide, lows, strict=True)
        ]
        padding = list(zip(lows, highs, strict=True))
    else:
        gaps = [1] * axes
    layout = draw(layouts(axes))
    dtype = draw(st.sampled_from(DTYPES))
    named = dict(zip("HWD", zip(space, kernel, strict=True), strict=False))
    lhs_sizes = {"N": n * blocks, "C": ci * groups} | {
        k: v[0] for k, v in named.items()
    }
    rhs_sizes = {"I": ci, "O": co * groups * blocks}
    rhs_sizes |= {k: v[1] for k, v in named.items()}
    order = [name for name in layout[1] if name in "HWD"]

    def by_rhs(values):
        """lax counts settings in the order of the pixels' names in rhs."""
        return tuple(values["HWD".index(name)] for name in order)

    return {
        "lhs_shape": tuple(lhs_sizes[name] for name in layout[0]),
        "rhs_shape": tuple(rhs_sizes[name] for name in layout[1]),
        "dtype": dtype,
        "given": {
            "window_strides": by_rhs(strides),
            "padding": padding if isinstance(padding, str) else by_rhs(padding),
            "lhs_dilation": by_rhs(gaps),
            "rhs_dilation": by_rhs(spreads),
            "dimension_numbers": layout,
            "feature_group_count": groups,
            "batch_group_count": blocks,
            "preferred_element_type": draw(
                st.sampled_from((None, None, WIDER.get(dtype)))
            ),
        },
    }


def lax_safely(lhs, rhs, **given):
    """lax's convolution with the padding done first where it may read out of bounds.

    That is where padding is negative, or in the gradient would be: beyond the filter.
    """
    padding = given["padding"]
    spec = lax.conv_dimension_numbers(
        lhs.shape, rhs.shape, given.get("dimension_numbers")
    )
    axes = len(spec.lhs_spec) - 2
    spreads = given.get("rhs_dilation") or (1,) * axes
    if isinstance(padding, str):
        kernel = [
            (rhs.shape[at] - 1) * d + 1
            for at, d in zip(spec.rhs_spec[2:], spreads, strict=True)
        ]
        space = [lhs.shape[at] for at in spec.lhs_spec[2:]]
        padding = lax.padtype_to_pads(space, kernel, given["window_strides"], padding)
    gaps = given.get("lhs_dilation") or (1,) * axes
    config = [(0, 0, 0)] * lhs.ndim
    for at, (low, high), gap in zip(spec.lhs_spec[2:], padding, gaps, strict=True):
        config[at] = (int(low), int(high), gap - 1)
    lhs = lax.pad(lhs, jnp.zeros((), lhs.dtype), config)
    return lax.conv_general_dilated(
        lhs, rhs, **(given | {"padding": "VALID", "lhs_dilation": None})
    )
