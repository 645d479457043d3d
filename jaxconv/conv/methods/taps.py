"""The method `taps`: for each filter tap, the input shifted there times its weight.

With `o` an output position, `p` a tap, `s` the stride, `d` the filter's dilation, `x`
the dilated and padded input, and `x[p::s]` its pixels `o*s + p*d` for all `o` at once:

    output        = sum over p of  x[p::s] * w[p]
    param_grad[p] = sum over o of  x[p::s] * g
    input_grad    = output(g, turned w) as `Geometry.of_input_grad` derives

No patch is ever written down. With one input channel in each group (depthwise), or few,
the products are plain ones, and all the taps make a single pass over the image; else
each tap is a small product of matrices. Where the channels are last in memory they stay
there: loops then run over channels and not over pixels.
"""

import dataclasses
import functools
import itertools
import math
import operator

import jax.numpy as jnp
from jax import Array, lax
from jax.export import is_symbolic_dim
from jax.lax import Precision

from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import depthwise_grad as tiles
from jaxconv.conv.methods.rounding import of_sum
from jaxconv.conv.operands import (
    accumulator,
    accumulator_zeros,
    merge_groups,
    split_stored,
    turned,
)
from jaxconv.conv.padding import zero_pad

_rounding = of_sum

MOST_UNROLLED = 64  # taps; more take long to compile and run as a loop
_RUN = 32  # taps in an iteration of that loop
_TERMS = 72  # plain products for each output, in groups of a few channels


def has_few_terms(geometry: Geometry) -> bool:
    """Return whether an output is the sum of so few products that all are spelt out."""
    grouped = geometry.groups > 1 and geometry.ci * geometry.taps <= _TERMS
    return geometry.ci == 1 or grouped


def _output(
    x: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Add up the shifted inputs times their weights."""
    xs = _padded(x, geometry)
    # *kernel ci groups co: the channels of a tap lie side by side in memory
    ws = jnp.moveaxis(w, (0, 1), (-2, -1))
    ws = ws.reshape(*ws.shape[:-1], geometry.groups, geometry.co)
    if geometry.channels_last:
        shape = (geometry.n, *geometry.out, geometry.groups * geometry.co)
        multiply, finish = _times_channels_last, lambda y: jnp.moveaxis(y, -1, 1)
    else:
        shape = (geometry.n, geometry.groups, geometry.co, *geometry.out)
        multiply, finish = _times, merge_groups

    def add(tap, total):
        pixels, weights = _shifted(xs, tap, geometry), ws[tap]
        return total + multiply(pixels, weights, geometry, precision)

    total = _over_taps(add, accumulator_zeros(shape, x), geometry)
    return finish(total).astype(x.dtype)


def _times(
    pixels: Array, weights: Array, geometry: Geometry, precision: Precision | None
) -> Array:
    """Multiply (n, g, ci, *out) by (ci, g, co) to (n, g, co, *out)."""
    acc = accumulator(pixels.dtype)
    if has_few_terms(geometry):  # (n g 1 *out) times (g co, ones) for each channel
        pixels = pixels.astype(acc)
        weights = weights.reshape(weights.shape + (1,) * len(geometry.out)).astype(acc)
        each = range(geometry.ci)
        products = (pixels[:, :, c : c + 1] * weights[c][None] for c in each)
        return functools.reduce(operator.add, products)
    return jnp.einsum(
        "ngi...,igo->ngo...",
        pixels,
        weights,
        precision=precision,
        preferred_element_type=acc,
    )


def _times_channels_last(
    pixels: Array, weights: Array, geometry: Geometry, precision: Precision | None
) -> Array:
    """Multiply (n, *out, g, ci) by (ci, g, co) to (n, *out, g * co).

    The innermost axis must never have length 1: such loops are slow.
    """
    acc = accumulator(pixels.dtype)
    places = pixels.shape[:-2]
    ones = (1,) * len(places)
    if geometry.ci == geometry.co == 1:
        product = pixels[..., 0].astype(acc) * weights.astype(acc).reshape(*ones, -1)
    elif has_few_terms(geometry):
        pixels, each = pixels.astype(acc), range(geometry.ci)
        weights = weights.astype(acc).reshape(-1, *ones, *weights.shape[1:])
        products = (pixels[..., c : c + 1] * weights[c] for c in each)
        product = functools.reduce(operator.add, products)
    elif geometry.groups == 1:
        product = jnp.matmul(
            pixels[..., 0, :].astype(acc),  # as in `_param_grad`
            weights[:, 0].astype(acc),
            precision=precision,
            preferred_element_type=acc,
        )
    else:
        product = jnp.einsum(
            "...gi,igo->...go",
            pixels,
            weights,
            precision=precision,
            preferred_element_type=acc,
        )
    return product.reshape(*places, -1)


def _input_grad(
    g: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Add up the shifted gradients times the weights that they came through."""
    if geometry.taps == geometry.groups == 1:
        return _one_tap_input_grad(g, w, geometry, precision)
    return _output(g, turned(w, geometry), geometry.of_input_grad, precision)


def _one_tap_input_grad(
    g: Array, w: Array, geometry: Geometry, precision: Precision | None
) -> Array:
    """Multiply the gradient by the transposed weights, whose axes are named, not moved.

    XLA moves them where a reshaping stands between them and the product.
    """
    own, acc = geometry.of_input_grad, accumulator(g.dtype)
    tap = (0,) * len(own.kernel)
    pixels, weights = _shifted(_padded(g, own), tap, own), w[(..., *tap)]
    form = "n...go,io->n...i" if own.channels_last else "ngo...,io->ni..."
    x = jnp.einsum(form, pixels.astype(acc), weights.astype(acc), precision=precision)
    return (jnp.moveaxis(x, -1, 1) if own.channels_last else x).astype(g.dtype)


def _param_grad(
    x: Array, g: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Collect at each tap the shifted input times the gradient it was carried to."""
    if geometry.ci == 1 and geometry.out and not is_symbolic_dim(geometry.n):
        few = geometry.taps <= MOST_UNROLLED
        run = tiles.param_grad if few else _by_images
        return run(x, g, geometry).astype(x.dtype)
    xs, gs = _padded(x, geometry), split_stored(g, "g", geometry)
    last, acc = geometry.channels_last, accumulator(x.dtype)

    def collect(tap, grad):
        pixels, grads = _shifted(xs, tap, geometry), gs
        form = "n...gi,n...go->igo" if last else "ngi...,ngo...->igo"
        if last and geometry.groups == 1:
            # As plain matrices it is faster, but for bfloat16 XLA's CPU has no such
            # product with a float32 sum.
            form = "pgi,po->igo"
            pixels = pixels.reshape(-1, 1, geometry.ci).astype(acc)
            grads = grads.reshape(-1, geometry.co).astype(acc)
        product = jnp.einsum(
            form, pixels, grads, precision=precision, preferred_element_type=acc
        )
        return grad.at[..., *tap].set(product)

    shape = (geometry.ci, geometry.groups, geometry.co, *geometry.kernel)
    grad = _over_taps(collect, accumulator_zeros(shape, x), geometry)
    return merge_groups(grad).astype(x.dtype)


def _by_images(x: Array, g: Array, geometry: Geometry) -> Array:
    """Slide each image's gradient over the image, every channel apart; add up images.

    As `Geometry.of_param_grad` derives, with the images as groups. Each group must have
    one input channel.
    """
    own = dataclasses.replace(
        geometry.of_param_grad,
        n=1,
        groups=geometry.n * geometry.groups,
        ci=1,
        channels_last=True,
    )
    acc = accumulator(x.dtype)
    apart = _output(
        x.reshape(own.x_shape).astype(acc), g.reshape(own.w_shape).astype(acc), own
    )
    return apart.reshape(geometry.n, *geometry.w_shape).sum(0)


def _padded(x: Array, geometry: Geometry) -> Array:
    """Dilate and pad the input, its channels split, as it lies in memory."""
    xs = split_stored(x, "x", geometry)
    behind = 2 if geometry.channels_last else 0
    pads = geometry.padding + ((0, 0),) * behind
    return zero_pad(xs, pads, geometry.input_dilation + (1,) * behind)


def _shifted(x: Array, tap: tuple, geometry: Geometry) -> Array:
    """Take for each output the pixel of `x` that `tap` reads."""
    axes = zip(
        tap, geometry.kernel_dilation, geometry.strides, geometry.out, strict=True
    )
    for axis, (p, d, s, o) in enumerate(axes, 1 if geometry.channels_last else 3):
        length = (o - 1) * s + 1
        if isinstance(p, int):
            x = lax.slice_in_dim(x, p * d, p * d + length, s, axis)
        else:
            x = lax.dynamic_slice_in_dim(x, p * d, length, axis)
            x = lax.slice_in_dim(x, 0, length, s, axis)
    return x


def _over_taps(body, init: Array, geometry: Geometry) -> Array:
    """Run `carry = body(tap, carry)` for each tap: unrolled, or as loops if many.

    An iteration takes `_RUN` taps along the last axis, in one pass over memory; a
    second loop takes what is left over of each row.
    """
    if geometry.taps <= MOST_UNROLLED:
        for tap in itertools.product(*map(range, geometry.kernel)):
            init = body(tap, init)
        return init
    *rows, length = geometry.kernel
    run = min(length, _RUN)
    runs, left = divmod(length, run)

    def take(carry, row, first, count):
        for p in range(count):
            carry = body((*row, first + p), carry)
        return carry

    def a_run(i, carry):
        *row, at = jnp.unravel_index(i, (*rows, runs))
        return take(carry, row, at * run, run)

    def the_rest(i, carry):
        row = jnp.unravel_index(i, rows) if rows else ()
        return take(carry, row, runs * run, left)

    init = lax.fori_loop(0, math.prod(rows) * runs, a_run, init)
    return lax.fori_loop(0, math.prod(rows), the_rest, init) if left else init
