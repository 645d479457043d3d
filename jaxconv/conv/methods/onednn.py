"""The method `onednn`: the convolution of oneDNN, which jaxlib's wheels carry.

XLA's CPU runs oneDNN for a custom call to `__onednn$convolution`, whose configuration
names the axes of the three arrays. All three maps are forward convolutions of it:

    output      x, w
    input_grad  g, w reversed along its window     Geometry.of_input_grad
    param_grad  x with the batch as its channels and its channels as one more spatial
                axis, over which the filter is 1 long; g as the filter
                                                   Geometry.of_param_grad
                of a depthwise filter: one image, each channel with that of g
                of one tap: a product of matrices, by `__onednn$matmul`

The axes are named, not moved: those of `w` stay in the order in which they are stored,
and the input gradient exchanges its channels by their names. In the filter gradient
each output place is a product of matrices, (ci, n) times (n, co), summed over all
places of `g`: with ci as a spatial axis oneDNN computes all rows of that product at
once.

Images are channels-last in the call, whatever they are outside: there oneDNN has
kernels for every filter and any number of channels. Elsewhere it may take its
general one, which splits its products of matrices among XLA's threads once more from
within them: with every thread waiting for another it never returns, and now and then it
reads out of bounds. It takes that one, too, where a window lies wholly in the padding,
and for some depthwise filters without AVX-512. And where it refuses a configuration,
the process ends.

So the call is made in the verified region only (`onednn_region`). Every other image is
padded first and is then inside; where a stride makes no step it is cropped, too. Some
long depthwise filters are refused.
"""

import dataclasses
import math

import jax.numpy as jnp
from jax import Array, lax
from jax.export import is_symbolic_dim
from jax.lax import Precision
from jax.typing import DTypeLike

from jaxconv.conv.arguments.shapes import dilate
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.onednn_call import convolution, matmul
from jaxconv.conv.methods.onednn_region import (
    LONGEST,
    MOST_AXES,
    depthwise,
    endless,
    endless_in_pairs,
    has_avx512,
    in_region,
    lacks_kernel,
    misread,
    unavailable,
)
from jaxconv.conv.methods.rounding import of_sum
from jaxconv.conv.operands import (
    accumulator,
    accumulator_zeros,
    largest_divisor,
    turned,
)
from jaxconv.conv.padding import pad_input, zero_pad

_rounding = of_sum

_MOST_NUMBERS = 2**28  # in an array
_MOST_IMAGES = 16  # in a filter gradient: more are slow to move into the last axis
_MOST_NUMBERS_OF_G = 2**18  # that are read again and again
_CHANNELS_OF_G = 32  # read at a time
_MOST_NUMBERS_APART = 2**18  # of images in a call whose channels are apart


def _refusal(geometry: Geometry, dtype: DTypeLike) -> str | None:
    """Return why this method cannot compute a convolution; None if it can."""
    return unsuitable(geometry, dtype) or unavailable(dtype)


def unsuitable(geometry: Geometry, dtype: DTypeLike) -> str | None:
    """Return why a geometry is not served in a type; None if it is."""
    if is_symbolic_dim(geometry.n):
        return "it needs to know the number of images"
    if geometry.is_empty:
        return "there is nothing to add up"
    if not 1 <= len(geometry.space) <= MOST_AXES:
        return f"it takes 1 to {MOST_AXES} spatial axes"
    shapes = geometry.x_shape, geometry.w_shape, geometry.out_shape
    padded = (*geometry.x_shape[:2], *geometry.padded)
    wide = (*geometry.out_shape[:2], *dilate(geometry.out, geometry.strides))
    if any(math.prod(shape) > _MOST_NUMBERS for shape in (*shapes, padded, wide)):
        return f"it takes arrays of up to {_MOST_NUMBERS:,} numbers"
    calls = [geometry]
    if not has_channels_apart(geometry):
        parts = {*_images_at_once(geometry)} - {0}
        calls += [_of_products(dataclasses.replace(geometry, n=n)) for n in parts]
    if any(map(endless, calls)):
        return f"it takes thin depthwise filters of up to {LONGEST} taps"
    if any(map(lacks_kernel, calls)):
        return (
            "without AVX-512 it takes depthwise filters along two axes, or along three "
            "with strides and dilations of 1"
        )
    if jnp.dtype(dtype).itemsize < 4 and endless_in_pairs(geometry):
        return f"it takes depthwise filters of up to {LONGEST} taps in bfloat16"
    return None


def _output(
    x: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Call oneDNN, the image padded first where it must be."""
    return _convolve(x, w, geometry)


def _input_grad(
    g: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Convolve the gradient with the turned filters."""
    return _convolve(g, turned(w, geometry), geometry.of_input_grad)


def _convolve(x: Array, w: Array, geometry: Geometry) -> Array:
    """Convolve a channels-first image, by a call on a channels-last one.

    The axes of the filters stay as they are stored.
    """
    x, geometry = _enter(jnp.moveaxis(x, 1, -1), geometry)
    channels = _stored_channels(geometry, x.dtype)
    w = jnp.moveaxis(w, (0, 1), channels)
    return jnp.moveaxis(convolution(x, w, geometry, channels), -1, 1)


def _stored_channels(geometry: Geometry, dtype: DTypeLike) -> tuple[int, int]:
    """Return which axes of the stored filters are `ci` and `co`.

    In groups and in bfloat16 the channels are put last, for which oneDNN was verified.
    """
    if geometry.groups > 1:
        return -2, -1
    last = geometry.taps_first or dtype != jnp.float32
    inputs, outputs = (-2, -1) if last else (0, 1)
    return (outputs, inputs) if geometry.outputs_first else (inputs, outputs)


def _param_grad(
    x: Array, g: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Add up the filter gradients of parts of the batch, one after the other."""
    if geometry.taps == geometry.groups == 1:
        return _product(x, g, geometry)
    # Channels are moved to the end once, before parts are cut: as other maps move them,
    # and as a loop would leave them.
    x, g = jnp.moveaxis(x, 1, -1), jnp.moveaxis(g, 1, -1)
    total = _sum_of_parts(x, g, geometry)
    return jnp.moveaxis(total, (-2, -1), (0, 1)).astype(x.dtype)


def _sum_of_parts(x: Array, g: Array, geometry: Geometry) -> Array:
    images, rest = _images_at_once(geometry)
    run = _channels_apart if has_channels_apart(geometry) else _sum_of_rows
    if images == geometry.n:
        return run(x, g, geometry)

    def add(total: Array, start: Array | int, count: int) -> Array:
        part = dataclasses.replace(geometry, n=count)
        xs, gs = (lax.dynamic_slice_in_dim(a, start, count) for a in (x, g))
        return total + run(xs, gs, part)

    ci, co, *kernel = geometry.w_shape
    total = accumulator_zeros((*kernel, ci, co), x)
    total = lax.fori_loop(
        0, geometry.n // images, lambda i, sums: add(sums, i * images, images), total
    )
    return add(total, geometry.n - rest, rest) if rest else total


def _sum_of_rows(x: Array, g: Array, geometry: Geometry) -> Array:
    """Add up the filter gradients of some rows of `g`, one after the other."""
    rows = _rows_at_once(geometry)
    if rows == geometry.out[0]:
        return _sums_of_products(x, g, geometry)
    part, stride = geometry.of_rows(rows), geometry.strides[0]
    pads = (geometry.padding[0], *((0, 0),) * (x.ndim - 2))
    wide = zero_pad(x, pads, (geometry.input_dilation[0], *(1,) * (x.ndim - 2)))

    def add(i: Array, total: Array) -> Array:
        start = i * rows
        xs = lax.dynamic_slice_in_dim(wide, start * stride, part.space[0], 1)
        gs = lax.dynamic_slice_in_dim(g, start, rows, 1)
        return total + _sums_of_products(xs, gs, part)

    ci, co, *kernel = geometry.w_shape
    total = accumulator_zeros((*kernel, ci, co), x)
    return lax.fori_loop(0, geometry.out[0] // rows, add, total)


def _rows_at_once(geometry: Geometry) -> int:
    """Return how many rows of `g` a call takes, which divide all.

    Without AVX-512 oneDNN reads `g`, some channels at a time, for every third input
    channel: it should fit a cache. With it this was not measured.
    """
    if has_avx512():
        return geometry.out[0]
    row = geometry.n * math.prod(geometry.out[1:]) * min(geometry.co, _CHANNELS_OF_G)
    return largest_divisor(geometry.out[0], _MOST_NUMBERS_OF_G // row)


def _product(x: Array, g: Array, geometry: Geometry) -> Array:
    """Multiply the pixels that one tap reads by their gradients, as matrices."""
    axes = zip(geometry.strides, geometry.out, strict=True)
    read = tuple(slice(0, (o - 1) * s + 1, s) for s, o in axes)
    x = pad_input(x, geometry)[:, :, *read]
    xs, gs = (jnp.moveaxis(a, 1, -1).reshape(-1, a.shape[1]) for a in (x, g))
    return matmul(xs, gs).reshape(geometry.w_shape)


def _images_at_once(geometry: Geometry) -> tuple[int, int]:
    """Return how many images a call takes, and how many are left for the last one."""
    most = _MOST_IMAGES
    if has_channels_apart(geometry):
        most = max(1, _MOST_NUMBERS_APART // math.prod(geometry.x_shape[1:]))
    calls = math.ceil(geometry.n / most)
    images = math.ceil(geometry.n / calls)
    return images, geometry.n % images


def has_channels_apart(geometry: Geometry) -> bool:
    """Return whether each channel of an image is convolved with its gradient alone."""
    if not depthwise(geometry):
        return False
    apart = _apart(geometry)
    return not (endless(apart) or lacks_kernel(apart))


def _apart(geometry: Geometry) -> Geometry:
    own = geometry.of_param_grad
    return dataclasses.replace(own, n=1, ci=1, groups=geometry.n * geometry.groups)


def _channels_apart(x: Array, g: Array, geometry: Geometry) -> Array:
    """Convolve each channel of each image with its gradient; add up the images.

    Both are channels-last; so is the result: (*kernel, ci, co).
    """
    own = _apart(geometry)
    if geometry.n > 1:
        x, g = jnp.moveaxis(x, 0, -2), jnp.moveaxis(g, 0, -2)
    x, own = _enter(x.reshape(1, *own.space, own.groups), own)
    y = convolution(x, g.reshape(*own.kernel, 1, own.groups), own)
    y = y.reshape(*geometry.kernel, geometry.n, geometry.groups)
    y = y.astype(accumulator(x.dtype))
    return y.sum(-2, keepdims=True) if geometry.n > 1 else y


def _sums_of_products(x: Array, g: Array, geometry: Geometry) -> Array:
    """Convolve the input, its batch as channels, with the gradient as the filter.

    Both are channels-last; so is the result: (*kernel, ci, co).
    """
    x, own = _enter(x, geometry.of_param_grad)
    ci, n, groups, axes = geometry.ci, geometry.n, geometry.groups, len(own.space)
    xs = x.reshape(n, *own.space, groups, ci)
    gs = jnp.moveaxis(g, 0, -2)
    if axes == MOST_AXES:  # none is left for the input channels: they are the batch
        xs = jnp.moveaxis(xs, (-1, 0), (0, -1)).reshape(ci, *own.space, groups * n)
        y = jnp.moveaxis(convolution(xs, gs, own), 0, -2)
        return y.astype(accumulator(x.dtype))
    xs = jnp.moveaxis(xs, (-1, 0), (-3, -1)).reshape(1, *own.space, ci, groups * n)
    gs = jnp.expand_dims(gs, axes)
    y = convolution(xs, gs, _inputs_as_an_axis(own))[0]
    return y.astype(accumulator(x.dtype))


def _of_products(geometry: Geometry) -> Geometry:
    """Return the convolution that adds up the products of a filter gradient."""
    own = geometry.of_param_grad
    return own if len(own.space) == MOST_AXES else _inputs_as_an_axis(own)


def _inputs_as_an_axis(own: Geometry) -> Geometry:
    """Make the batch, which is the input channels, the last spatial axis."""
    return dataclasses.replace(own, n=1).with_axis(len(own.space), own.n)


def _enter(x: Array, geometry: Geometry) -> tuple[Array, Geometry]:
    """Bring a channels-last image into the region: pad it, and crop it if misread."""
    if in_region(geometry):
        return x, geometry
    x = zero_pad(x, (*geometry.padding, (0, 0)), (*geometry.input_dilation, 1))
    geometry = geometry.once_padded
    if misread(geometry):  # one output reads the first pixels, whatever the stride
        reaches = dilate(geometry.kernel, geometry.kernel_dilation)
        axes = zip(reaches, geometry.space, geometry.strides, geometry.out, strict=True)
        cut = [(k, 1) if out == 1 else (size, s) for k, size, s, out in axes]
        space, strides = zip(*cut, strict=True)
        x = x[:, *map(slice, space)]
        geometry = dataclasses.replace(geometry, space=space, strides=strides)
    return x, geometry
