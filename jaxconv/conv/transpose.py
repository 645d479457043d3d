"""Transposed convolution, with the meaning that each framework gives to its arguments.

A transposed convolution is the gradient of a convolution at its input, used as a
forward map: every pixel of `x` adds `pixel * filter` to the output, `stride` pixels
after its neighbour's. So it is the engine's `input_grad`, and its derivatives are the
engine's other two maps.
Source: arXiv:1603.07285, chapter 4.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array
from jax.lax import Precision
from jax.typing import DTypeLike
from jaxtyping import Num

from jaxconv.conv import primitives
from jaxconv.conv.arguments import hints
from jaxconv.conv.arguments.conventions import Convention, Place, as_paddings, place
from jaxconv.conv.arguments.dtypes import PrecisionLike, as_precision, common_type
from jaxconv.conv.arguments.keywords import names_arguments
from jaxconv.conv.arguments.settings import Padding, Sizes, check_groups, per_axis
from jaxconv.conv.arguments.shapes import Shape, check_ranks, dilate
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import Method, check_method, check_served
from jaxconv.conv.primitives.eager import is_eager, one_program
from jaxconv.conv.primitives.portable import method_for

_CALLER = "conv_transpose"
_LAYOUT = "(in, out // groups, *kernel)"


@names_arguments
def conv_transpose(
    x: Num[Array, "n c_in *space"],
    w: Num[Array, "c_in c_out_per_group *kernel"],
    *,
    strides: Sizes = 1,
    padding: Padding = 0,
    output_padding: Sizes | None = None,
    output_shape: Sizes | None = None,
    dilation: Sizes = 1,
    groups: int = 1,
    convention: Convention = "torch",
    method: Method = "auto",
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Num[Array, "n c_out *out"]:
    """Convolve `x` transposed: spread each pixel over the output through the filter.

    The layouts of `x` and `w` are the same for all conventions; `convention` decides
    what `padding` means, how large the output is and whether the filter is turned.

    Args:
      x: the input, channels-first.
      w: the filters, `(c_in, c_out // groups, *kernel)`.
      strides: output pixels from one input pixel to the next.
      padding: a number for all sides, or for each axis a number or a (low, high) pair:
        output pixels cut off ("torch", "onnx"), or input pixels added ("lax"); or a
        name: "SAME" or "VALID" ("keras", "lax"), "SAME_UPPER", "SAME_LOWER" or "VALID"
        ("onnx"). For "keras" 0 is "VALID".
      output_padding: output pixels added at the high end, fewer than the larger of
        stride and dilation; None: the convention's own default.
      output_shape: the spatial size to return, in place of `output_padding`. For "onnx"
        the padding follows from it.
      dilation: pixels from one tap of the filter to the next.
      groups: output channels in group `i` read input channels in group `i` only.
      convention: "torch", "lax", "keras" or "onnx"; `conventions.py` has the formulas.
      method: as for `conv`.
      precision: as for `conv`.
      preferred_element_type: as for `conv`.

    Raises:
      ValueError: the arguments do not fit each other; the message says which and why.

    >>> x, w = jnp.array([[[1.0, 10]]]), jnp.array([[[1.0, 2, 3]]])
    >>> conv_transpose(x, w, strides=2).tolist()
    [[[1.0, 2.0, 13.0, 20.0, 30.0]]]
    """
    x, w = common_type(_CALLER, preferred_element_type, x=x, w=w)
    _check_operands(x.shape, w.shape, groups)
    axes = x.ndim - 2
    strides = per_axis("strides", strides, axes, _CALLER)
    dilation = per_axis("dilation", dilation, axes, _CALLER)
    places = [
        place(convention, *axis)
        for axis in zip(
            as_paddings(padding, convention, axes, _CALLER),
            x.shape[2:],
            dilate(w.shape[2:], dilation),
            strides,
            _each("output_padding", output_padding, axes),
            _each("output_shape", output_shape, axes),
            strict=True,
        )
    ]
    limits = [max(pair) for pair in zip(strides, dilation, strict=True)]
    _check_places(places, limits, output_shape, convention)
    geometry = Geometry.of(
        (x.shape[0], groups * w.shape[1], *(one.size for one in places)),
        (w.shape[1], w.shape[0], *w.shape[2:]),
        strides=strides,
        padding=[(one.low, one.high) for one in places],
        kernel_dilation=dilation,
        groups=groups,
        empty_ok=True,
        runs_now=is_eager(),
        caller=_CALLER,
    )
    served = method_for(check_method(method, _CALLER))
    shapes = x.shape, w.shape
    check_served(served, geometry, x.dtype, _CALLER, shapes, _LAYOUT)
    turn = convention == "lax"  # it slides the filter unturned; `input_grad` turns it
    return _spread(
        x,
        w,
        turn=turn,
        geometry=geometry,
        method=method,
        precision=as_precision(precision, _CALLER),
    )


@one_program
def _spread(
    x: Array,
    w: Array,
    *,
    turn: bool,
    geometry: Geometry,
    method: str,
    precision: Precision | None,
) -> Array:
    w = jnp.flip(w, range(2, w.ndim)) if turn else w
    facts = {"geometry": geometry, "method": method, "precision": precision}
    return primitives.input_grad(x, jnp.swapaxes(w, 0, 1), **facts)


def _each(name: str, value: Sizes | None, axes: int) -> Sequence[int | None]:
    """Return `value` for each axis; if it is None, None for each."""
    if value is None:
        return (None,) * axes
    return per_axis(name, value, axes, _CALLER, least=0)


def _check_operands(x_shape: Shape, w_shape: Shape, groups: int) -> None:
    check_ranks(x_shape, w_shape, _CALLER, _LAYOUT)
    check_groups(groups, _CALLER)
    if 0 in (*x_shape[2:], *w_shape[2:]):
        raise ValueError(
            f"{_CALLER}: x and w must have pixels on each spatial axis, got {x_shape} "
            f"and {w_shape}."
        )
    if x_shape[1] != w_shape[0]:
        raise ValueError(
            f"{_CALLER}: x has {x_shape[1]} channels (axis 1 of {x_shape}) but w takes "
            f"{w_shape[0]} (axis 0 of {w_shape}). "
            + hints.of_transposed_channels(x_shape, w_shape, groups)
        )
    if x_shape[1] % groups:
        raise ValueError(
            f"{_CALLER}: groups must divide the input channels, got {groups} groups "
            f"and {x_shape[1]} channels (axis 1 of x, {x_shape})."
        )


def _check_places(
    places: Sequence[Place],
    limits: Sequence[int],
    output_shape: Sizes | None,
    convention: Convention,
) -> None:
    """Raise if the output has no pixels, or more than the convention allows."""
    for axis, (one, limit) in enumerate(zip(places, limits, strict=True), 2):
        if one.size < 1:
            raise ValueError(
                f"{_CALLER}: padding or output_shape leaves {one.size} output pixels "
                f'on axis {axis}. With convention="{convention}", '
                + ("pad more." if convention == "lax" else "cut off less.")
            )
        if one.added not in range(limit):
            least = one.size - one.added
            name = f"output_padding adds {one.added} pixels to the {least}"
            if output_shape is not None and convention != "onnx":
                name = f"output_shape {output_shape} asks for {one.size} pixels"
            raise ValueError(
                f'{_CALLER}: {name} on axis {axis}; convention="{convention}" allows '
                f"{least} to {least + limit - 1}."
            )
