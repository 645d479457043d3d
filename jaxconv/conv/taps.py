"""The method `taps`: for each filter tap, the input shifted there times its weight.

With `o` an output position, `p` a tap, `s` the stride, `d` the filter's dilation, `x`
the dilated and padded input, and `x[p::s]` its pixels `o*s + p*d` for all `o` at once:

    output        = sum over p of  x[p::s] * w[p]
    param_grad[p] = sum over o of  x[p::s] * g
    input_grad    = output(g, turned w) as `Geometry.of_input_grad` derives

No patch is ever written down. With one input channel in each group (depthwise) the
products are plain ones, and all the taps make a single pass over the image; otherwise
each tap is a small product of matrices.
"""

import itertools

import jax.numpy as jnp
from jax import Array, lax
from jax.lax import Precision

from jaxconv.conv.geometry import Geometry
from jaxconv.conv.operands import (
    accumulator,
    accumulator_zeros,
    merge_groups,
    split_groups,
    turned,
)
from jaxconv.conv.padding import pad_input
from jaxconv.conv.rounding import of_sum

_rounding = of_sum

_UNROLLED = 64  # taps; more take long to compile and run as a loop
_AT_ONCE = 4  # images whose products are added up in one pass


def _output(
    x: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Add up the shifted inputs times their weights."""
    xs = split_groups(pad_input(x, geometry), "x", geometry)
    ws = split_groups(w, "w", geometry)
    acc = accumulator(x.dtype)

    def products(tap):
        pixels, weights = _shifted(xs, tap, geometry), ws[..., *tap]
        if geometry.ci == 1:  # (n g 1 *out) times (g co, ones)
            weights = weights[0].reshape(weights.shape[1:] + (1,) * len(geometry.out))
            return pixels.astype(acc) * weights.astype(acc)[None]
        return jnp.einsum(
            "ngi...,igo->ngo...",
            pixels,
            weights,
            precision=precision,
            preferred_element_type=acc,
        )

    shape = (geometry.n, geometry.groups, geometry.co, *geometry.out)
    zeros = accumulator_zeros(shape, x)
    total = _over_taps(lambda tap, total: total + products(tap), zeros, geometry)
    return merge_groups(total).astype(x.dtype)


def _input_grad(
    g: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Add up the shifted gradients times the weights that they came through."""
    return _output(g, turned(w, geometry), geometry.of_input_grad, precision)


def _param_grad(
    x: Array, g: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Collect at each tap the shifted input times the gradient it was carried to."""
    if geometry.ci == 1 and geometry.taps <= _UNROLLED and geometry.n >= _AT_ONCE:
        return _param_grad_by_images(x, g, geometry).astype(x.dtype)
    xs = split_groups(pad_input(x, geometry), "x", geometry)
    gs = split_groups(g, "g", geometry)
    acc = accumulator(x.dtype)

    def collect(tap, grad):
        product = jnp.einsum(
            "ngi...,ngo...->igo",
            _shifted(xs, tap, geometry),
            gs,
            precision=precision,
            preferred_element_type=acc,
        )
        return grad.at[..., *tap].set(product)

    shape = (geometry.ci, geometry.groups, geometry.co, *geometry.kernel)
    grad = _over_taps(collect, accumulator_zeros(shape, x), geometry)
    return merge_groups(grad).astype(x.dtype)


def _param_grad_by_images(x: Array, g: Array, geometry: Geometry) -> Array:
    """Add up the products of a few images at a time, and over the pixels at the end.

    For one input channel in each group. XLA is slow at summing over the pixels of every
    image, and fast at adding whole images.
    """
    acc = accumulator(x.dtype)
    xs = split_groups(pad_input(x, geometry), "x", geometry)
    gs = split_groups(g, "g", geometry)
    at_once = max(size for size in range(1, _AT_ONCE + 1) if geometry.n % size == 0)
    taps = list(itertools.product(*map(range, geometry.kernel)))

    def add(totals, images):
        pixels, grads = (array.astype(acc) for array in images)
        return [
            sum(
                (_shifted(pixels[i : i + 1], tap, geometry)[0] * grads[i])
                for i in range(at_once)
            )
            + total
            for tap, total in zip(taps, totals, strict=True)
        ], None

    zero = accumulator_zeros(gs.shape[1:], x)
    tiles = tuple(array.reshape(-1, at_once, *array.shape[1:]) for array in (xs, gs))
    totals, _ = lax.scan(add, [zero] * len(taps), tiles)
    rows = tuple(range(2, zero.ndim - 1))  # first over these: along a row it is slow
    grad = jnp.stack([total.sum(rows) for total in totals], axis=2)
    return grad.reshape(*geometry.w_shape, -1).sum(axis=-1)


def _shifted(x: Array, tap: tuple, geometry: Geometry) -> Array:
    """Take for each output the pixel of `x` (n, g, ci, *padded) that `tap` reads."""
    axes = zip(
        tap, geometry.kernel_dilation, geometry.strides, geometry.out, strict=True
    )
    for axis, (p, d, s, o) in enumerate(axes, start=3):
        length = (o - 1) * s + 1
        if isinstance(p, int):
            x = lax.slice_in_dim(x, p * d, p * d + length, s, axis)
        else:
            x = lax.dynamic_slice_in_dim(x, p * d, length, axis)
            x = lax.slice_in_dim(x, 0, length, s, axis)
    return x


def _over_taps(body, init: Array, geometry: Geometry) -> Array:
    """Run `carry = body(tap, carry)` for each tap: unrolled, or as a loop if many."""
    if geometry.taps <= _UNROLLED:
        for tap in itertools.product(*map(range, geometry.kernel)):
            init = body(tap, init)
        return init

    def step(i, carry):
        return body(jnp.unravel_index(i, geometry.kernel), carry)

    return lax.fori_loop(0, geometry.taps, step, init)
