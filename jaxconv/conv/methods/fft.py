"""The method `fft`: multiply transforms, one product for each frequency.

A convolution of deep learning is a correlation, `y[o] = sum over p of x[o + p] * w[p]`,
and with F the discrete Fourier transform over N points, whatever is summed over

    F(y) = F(x) * conj(F(conj(w)))

for outputs counted around a circle of N. Where N is at least the padded input's size no
output that is kept goes around. Strides and dilations are made plain first:

    output      correlate x with the dilated w, keep each s-th output
    param_grad  correlate x with g, s apart, keep each d-th place
    input_grad  output(g, turned w) as `Geometry.of_input_grad` derives

The work hardly grows with the filter. It is rounded with respect to whole images, so
that results far below the largest have few right digits, and an inf or NaN spreads over
its image. Source: Mathieu, Henaff and LeCun (2013), arXiv:1312.5851.
"""

import math

import jax.numpy as jnp
from jax import Array
from jax.lax import Precision
from jax.typing import DTypeLike

from jaxconv.conv.geometry import Geometry, Shape
from jaxconv.conv.methods.rounding import Rounding, additions, of_norms
from jaxconv.conv.operands import accumulator, merge_groups, split_groups, turned
from jaxconv.conv.padding import pad_input, zero_pad

_MOST_AXES = 3  # that XLA transforms
# The error of one level of a transform, in unit roundoffs: Higham, "Accuracy and
# Stability of Numerical Algorithms", 2nd edition, theorem 24.2, plus that of rounding
# the weights.
_LEVEL = 8


def _refusal(geometry: Geometry, dtype: DTypeLike) -> str | None:
    """Return why this method cannot compute a convolution; None if it can."""
    if not jnp.issubdtype(dtype, jnp.inexact):
        return f"it needs floating-point or complex numbers, not {jnp.dtype(dtype)}"
    if len(geometry.space) > _MOST_AXES:
        return f"it takes {_MOST_AXES} spatial axes at the most"
    return None


def _rounding(map_name: str, geometry: Geometry, dtype: DTypeLike) -> Rounding:
    """Bound the three transforms and the sum over channels, or images, between them."""
    if map_name == "input_grad":
        return _rounding("output", geometry.of_input_grad, dtype)
    levels = 3 * _LEVEL * math.log2(math.prod(_sizes(geometry)))
    places = math.prod(geometry.out if map_name == "param_grad" else geometry.kernel)
    summed = additions(map_name, geometry) // places
    return of_norms(levels + summed + _LEVEL, dtype)


def _output(
    x: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Correlate the padded input with the filters."""
    axes = len(geometry.space)
    wide = zero_pad(w, ((0, 0),) * axes, geometry.kernel_dilation)
    y = _correlate(
        split_groups(pad_input(x, geometry), "x", geometry),
        split_groups(wide, "w", geometry),
        "ngi...,igo...->ngo...",
        geometry,
        precision,
    )
    y = _every(y, geometry.out, geometry.strides)
    return merge_groups(y).astype(x.dtype)


def _input_grad(
    g: Array, w: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Correlate the dilated, padded gradient with the turned filters."""
    return _output(g, turned(w, geometry), geometry.of_input_grad, precision)


def _param_grad(
    x: Array, g: Array, geometry: Geometry, precision: Precision | None = None
) -> Array:
    """Correlate the padded input with the gradient."""
    axes = len(geometry.space)
    wide = zero_pad(g, ((0, 0),) * axes, geometry.strides)
    grad = _correlate(
        split_groups(pad_input(x, geometry), "x", geometry),
        split_groups(wide, "g", geometry),
        "ngi...,ngo...->igo...",
        geometry,
        precision,
    )
    grad = _every(grad, geometry.kernel, geometry.kernel_dilation)
    return merge_groups(grad).astype(x.dtype)


def _correlate(
    a: Array, b: Array, form: str, geometry: Geometry, precision: Precision | None
) -> Array:
    """Slide `b` over `a`, around a circle along each axis; `form` says what is summed.

    Returns:
      For each shift along each spatial axis, the sum of the products.
    """
    sizes = _sizes(geometry)
    axes = tuple(range(-len(sizes), 0))
    real = not jnp.issubdtype(a.dtype, jnp.complexfloating)
    forward = jnp.fft.rfftn if real else jnp.fft.fftn
    backward = jnp.fft.irfftn if real else jnp.fft.ifftn
    acc = accumulator(a.dtype)
    a, b = a.astype(acc), b.astype(acc)
    if not sizes:
        return jnp.einsum(form, a, b, precision=precision)
    spectrum = jnp.einsum(
        form,
        forward(a, sizes, axes),
        jnp.conj(forward(jnp.conj(b), sizes, axes)),
        precision=precision,
    )
    return backward(spectrum, sizes, axes).astype(acc)


def _sizes(geometry: Geometry) -> Shape:
    """Return how many points to transform along each axis: products of 2, 3 and 5."""
    return tuple(_next_smooth(n) for n in geometry.padded)


def _next_smooth(n: int) -> int:
    """Return the smallest product of twos, threes and fives that is at least `n`."""
    best, five = 1 << (n - 1).bit_length(), 1
    while five < best:
        odd = five
        while odd < best:
            twos = (-(-n // odd) - 1).bit_length()
            best, odd = min(best, odd << twos), 3 * odd
        five *= 5
    return best


def _every(array: Array, counts: Shape, steps: Shape) -> Array:
    """Keep `counts` places along each spatial axis, `steps` apart."""
    ends = ((n - 1) * s + 1 for n, s in zip(counts, steps, strict=True))
    return array[..., *(slice(0, end, s) for end, s in zip(ends, steps, strict=True))]
