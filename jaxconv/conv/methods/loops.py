"""The method `loops`: a `fori_loop` over every output position and every filter tap.

The chapter's algorithm for any stride, padding, groups and number of spatial axes, with
one small product over batch and channels at each step. Slow and easy to read: the
reference that the other methods are tested against.

With `o` an output position, `p` a tap, `s` the stride, `d` the filter's dilation, `x`
the dilated and padded input:

    output[o]              = sum over p of  x[o*s + p*d] * w[p]
    input_grad[o*s + p*d] += g[o] * w[p]      each output gives back to what it read
    param_grad[p]          = sum over o of  x[o*s + p*d] * g[o]

The middle line scatters where the chapter gathers. With a stride, only every s-th tap
over a pixel belongs to an output, and which ones depends on the pixel; each output,
though, knows what it read.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jax.lax import Precision

from jaxconv._loops import nested_loops
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.rounding import of_sum
from jaxconv.conv.operands import (
    accumulator,
    accumulator_zeros,
    merge_groups,
    split_groups,
)
from jaxconv.conv.padding import crop_input, pad_input

_rounding = of_sum


def _output(
    x: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Slide the filters over the padded input."""
    xs = split_groups(pad_input(x, geometry), "x", geometry)
    ws = split_groups(w, "w", geometry)

    def body(out, o, p, read):
        product = _product("ngi,igo->ngo", xs[..., *read], ws[..., *p], precision)
        return out.at[..., *o].add(product)

    shape = (geometry.n, geometry.groups, geometry.co, *geometry.out)
    out = _each_position_and_tap(body, accumulator_zeros(shape, x), geometry)
    return merge_groups(out).astype(x.dtype)


def _input_grad(
    g: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Give each output's gradient back to the pixels that it read."""
    gs = split_groups(g, "g", geometry)
    ws = split_groups(w, "w", geometry)

    def body(grad, o, p, read):
        product = _product("ngo,igo->ngi", gs[..., *o], ws[..., *p], precision)
        return grad.at[..., *read].add(product)

    shape = (geometry.n, geometry.groups, geometry.ci, *geometry.padded)
    grad = _each_position_and_tap(body, accumulator_zeros(shape, g), geometry)
    return crop_input(merge_groups(grad), geometry).astype(g.dtype)


def _param_grad(
    x: Array, g: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Collect at each tap what it carried, times the gradient it carried it to."""
    xs = split_groups(pad_input(x, geometry), "x", geometry)
    gs = split_groups(g, "g", geometry)

    def body(grad, o, p, read):
        product = _product("ngi,ngo->igo", xs[..., *read], gs[..., *o], precision)
        return grad.at[..., *p].add(product)

    shape = (geometry.ci, geometry.groups, geometry.co, *geometry.kernel)
    grad = _each_position_and_tap(body, accumulator_zeros(shape, x), geometry)
    return merge_groups(grad).astype(x.dtype)


def _product(axes: str, a: Array, b: Array, precision: Precision | None) -> Array:
    acc = accumulator(a.dtype)
    return jnp.einsum(axes, a, b, precision=precision, preferred_element_type=acc)


def _each_position_and_tap(
    body: Callable[..., Array], init: Array, geometry: Geometry
) -> Array:
    """Loop over outputs `o` and taps `p`; `read` is the padded pixel they meet at."""
    axes = len(geometry.space)

    def step(carry, *index):
        o, p = index[:axes], index[axes:]
        steps = zip(o, geometry.strides, p, geometry.kernel_dilation, strict=True)
        return body(carry, o, p, tuple(at * s + tap * d for at, s, tap, d in steps))

    return nested_loops((*geometry.out, *geometry.kernel), step, init)
