"""One filter over a few numbers: the three maps, by `jaxconv.conv`.

The page computes the same in JavaScript while one types; a test compares the two.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.conv.api import conv, conv_input_grad, conv_param_grad
from jaxconv.explore.requests import BadRequestError, Body

MOST_NUMBERS, MOST_WEIGHTS = 16, 9
MOST_STRIDE, MOST_PADDING, MOST_DILATION = 4, 8, 4
LARGEST = 1e6  # of a number
_KEPT = 64  # programs; each of other sizes or settings is compiled anew


def toy(body: Body) -> dict[str, Any]:
    """Answer with output, input gradient and filter gradient; `g` null means ones."""
    x = body.numbers("x", 1, MOST_NUMBERS, LARGEST)
    w = body.numbers("w", 1, MOST_WEIGHTS, LARGEST)
    low, high = body.integers("padding", 2, 0, MOST_PADDING)
    stride = body.integer("stride", 1, MOST_STRIDE)
    dilation = body.integer("dilation", 1, MOST_DILATION)
    length = (len(x) + low + high - (len(w) - 1) * dilation - 1) // stride + 1
    if length < 1:
        raise BadRequestError(
            f"toy: w spans {(len(w) - 1) * dilation + 1} numbers, more than the "
            f"{len(x) + low + high} of x with its padding. Shorten w, or pad more."
        )
    g = np.ones(length, np.float32)
    if body.has("g"):
        g = body.numbers("g", length, length, LARGEST)
    program = _program(len(x), len(w), stride, (low, high), dilation)
    names = "output", "input_grad", "param_grad"
    return dict(zip(names, map(np.asarray, program(x, w, g)), strict=True))


@functools.lru_cache(_KEPT)
def _program(
    size: int, taps: int, stride: int, padding: tuple[int, int], dilation: int
) -> Callable[..., Any]:
    """Compile the three maps; what is compiled goes when the cache lets go of it."""
    facts: dict[str, Any] = {
        "strides": stride,
        "padding": [padding],
        "kernel_dilation": dilation,
    }

    def maps(x, w, g):
        x, w, g = (array[None, None] for array in (x, w, g))
        results = (
            conv(x, w, **facts),
            conv_input_grad(g, w, input_shape=x.shape, **facts),
            conv_param_grad(x, g, kernel_shape=w.shape, **facts),
        )
        return tuple(result[0, 0] for result in results)

    length = (size + sum(padding) - (taps - 1) * dilation - 1) // stride + 1
    shapes = (jax.ShapeDtypeStruct((n,), jnp.float32) for n in (size, taps, length))
    return jax.jit(maps).lower(*shapes).compile()
