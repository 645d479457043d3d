"""The public calls: check the arguments once, then bind the primitive."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import Inexact

from jaxconv.conv import bilinear
from jaxconv.conv.choose import Method, choose
from jaxconv.conv.geometry import Geometry

Padding = str | int | Sequence[int | tuple[int, int]]


def conv(
    x: Inexact[Array, "n c_in *space"],
    w: Inexact[Array, "c_in_per_group c_out *kernel"],
    *,
    strides: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    groups: int = 1,
    method: Method = "auto",
) -> Inexact[Array, "n c_out *out"]:
    """Convolve `x` with the filters `w`, over any number of spatial axes.

    As everywhere in deep learning the filters are not turned: each output is the dot
    product of a filter with one patch of the padded input. Its gradients, of any order
    and mode, are the hand-written ones of `method`.

    Args:
      x: the input, channels-first.
      w: the filters, `(c_in // groups, c_out, *kernel)`.
      strides: pixels from one patch to the next, one number or one for each axis.
      padding: zeros around `x`: "SAME" (`out = ceil(space / stride)`, the odd one at
        the end, or with "SAME_LOWER" at the start), "VALID" (none), a number for all
        sides, or for each axis a number or a (low, high) pair; negative numbers crop.
      groups: output channels in group `i` read input channels in group `i` only.
      method: the algorithm, "im2col" or "loops"; "auto" picks one.

    Returns:
      The output, of the operands' common type under JAX's promotion rules;
      `out = (space + low + high - kernel) // stride + 1` for each axis. 16-bit floats
      are added up in float32.

    Raises:
      ValueError: the arguments do not fit each other; the message says which and why.

    >>> conv(jnp.arange(1.0, 6)[None, None], jnp.ones((1, 1, 3))).tolist()
    [[[3.0, 6.0, 9.0, 12.0, 9.0]]]

    Source: arXiv:1603.07285, chapter 2.
    """
    x, w = _promote("conv", x=x, w=w)
    geometry = Geometry.of(
        x.shape, w.shape, strides=strides, padding=padding, groups=groups
    )
    return bilinear.output(x, w, geometry=geometry, method=choose(method, "conv"))


def conv_input_grad(
    g: Inexact[Array, "n c_out *out"],
    w: Inexact[Array, "c_in_per_group c_out *kernel"],
    *,
    input_shape: Sequence[int],
    strides: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    groups: int = 1,
    method: Method = "auto",
) -> Inexact[Array, "n c_in *space"]:
    """Compute the gradient of `sum(g * conv(x, w))` at `x`, which has `input_shape`.

    The other arguments and the errors are those of `conv`; `g` has the output's shape.

    Source: arXiv:1603.07285, chapter 4.
    """
    g, w = _promote("conv_input_grad", g=g, w=w)
    geometry = Geometry.of(
        input_shape,
        w.shape,
        strides=strides,
        padding=padding,
        groups=groups,
        caller="conv_input_grad",
    )
    _check_output_grad(g, geometry, "conv_input_grad")
    chosen = choose(method, "conv_input_grad")
    return bilinear.input_grad(g, w, geometry=geometry, method=chosen)


def conv_param_grad(
    x: Inexact[Array, "n c_in *space"],
    g: Inexact[Array, "n c_out *out"],
    *,
    kernel_shape: Sequence[int],
    strides: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    groups: int = 1,
    method: Method = "auto",
) -> Inexact[Array, "c_in_per_group c_out *kernel"]:
    """Compute the gradient of `sum(g * conv(x, w))` at `w`, which has `kernel_shape`.

    The other arguments and the errors are those of `conv`; `g` has the output's shape.
    """
    x, g = _promote("conv_param_grad", x=x, g=g)
    geometry = Geometry.of(
        x.shape,
        kernel_shape,
        strides=strides,
        padding=padding,
        groups=groups,
        caller="conv_param_grad",
    )
    _check_output_grad(g, geometry, "conv_param_grad")
    chosen = choose(method, "conv_param_grad")
    return bilinear.param_grad(x, g, geometry=geometry, method=chosen)


def _promote(caller: str, **arrays: Any) -> list[Array]:
    """Return the arrays in their common type, which must be a floating-point one."""
    values = []
    for name, array in arrays.items():
        try:
            values.append(jnp.asarray(array))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{caller}: {name} must be an array of numbers, got {type(array)}."
            ) from error
    dtype = jnp.result_type(*values)
    if not jnp.issubdtype(dtype, jnp.inexact):
        pairs = zip(arrays, values, strict=True)
        types = " and ".join(f"{name} {value.dtype}" for name, value in pairs)
        raise ValueError(
            f"{caller}: the operands must be of a floating-point type, got {types}. "
            "Convert them, for instance with x.astype(jnp.float32)."
        )
    return [value.astype(dtype) for value in values]


def _check_output_grad(g: Array, geometry: Geometry, caller: str) -> None:
    if g.shape != geometry.out_shape:
        raise ValueError(
            f"{caller}: g must be shaped like the output (batch, channels, *out), "
            f"{geometry.out_shape}, got {g.shape}. Were strides, padding and "
            "groups those of the convolution?"
        )
