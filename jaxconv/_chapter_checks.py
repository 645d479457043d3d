"""Argument checks of the chapter's functions, apart so that those stay readable."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

_SPACE = ("height", "width")
_AXES = {  # the family's name -> the axes of its input and of its filter
    "1-D": (("width",), ("filter width",)),
    "1-D batch": (("batch", "width"), ("filter width",)),
    "2-D": (("batch", *_SPACE), ("filter height", "filter width")),
    "channels": (
        ("batch", "in_channels", *_SPACE),
        ("in_channels", "out_channels", "filter height", "filter width"),
    ),
}


def array(function: str, name: str, value: Any, axes: Sequence[str]) -> Array:
    """Return `value` as an array, or say which axes it should have."""
    value = jnp.asarray(value)
    if value.ndim != len(axes):
        raise ValueError(
            f"{function}: {name} must be {len(axes)}-D ({', '.join(axes)}), got "
            f"{value.ndim}-D of shape {value.shape}. Reshape it, or use the function "
            "of the chapter made for that many axes."
        )
    return value


def pad_width(function: str, num: Any, count: int) -> tuple[int, ...]:
    """Return `num` as one pad width for each of `count` axes."""
    nums = tuple(num) if isinstance(num, Sequence) else (num,) * count
    if len(nums) != count or not all(
        isinstance(n, int | np.integer) and n >= 0 for n in nums
    ):
        raise ValueError(
            f"{function}: num must be a number of zeros, 0 or more, or {count} of "
            f"them, got {num!r}. To crop instead, slice the input."
        )
    return nums


def operands(function: str, family: str, inp: Any, param: Any) -> tuple[Array, Array]:
    """Return input and filter as arrays whose axes fit each other."""
    inp_axes, param_axes = _AXES[family]
    inp = array(function, "inp", inp, inp_axes)
    for axis, label in enumerate(inp_axes):
        if label in _SPACE and inp.shape[axis] == 0:
            raise ValueError(
                f"{function}: inp must have a {label} of at least 1, got 0 (axis "
                f"{axis} of {inp.shape})."
            )
    param = array(function, "param", param, param_axes)
    if family == "channels" and inp.shape[1] != param.shape[0]:
        raise ValueError(
            f"{function}: inp has {inp.shape[1]} channels (axis 1 of {inp.shape}) but "
            f"param takes {param.shape[0]} (axis 0 of {param.shape}). Filters are "
            "[in_channels, out_channels, filter_height, filter_width]."
        )
    for axis, label in enumerate(param_axes):
        if label.startswith("filter") and param.shape[axis] % 2 == 0:
            raise ValueError(
                f"{function}: param must have an odd {label}, got {param.shape[axis]} "
                f"(axis {axis} of {param.shape}): only then do {label} // 2 zeros on "
                "both sides keep the output as long as the input. For even filters "
                "use jaxconv.conv."
            )
    return inp, param


def operands_and_grad(
    function: str, family: str, inp: Any, param: Any, output_grad: Any
) -> tuple[Array, Array, Array]:
    """Return `operands` and the output gradient: ones if it is None."""
    inp, param = operands(function, family, inp, param)
    shape = inp.shape
    if family == "channels":
        shape = (inp.shape[0], param.shape[1], *inp.shape[2:])
    if output_grad is None:
        return inp, param, zeros(shape, inp, param) + 1
    output_grad = jnp.asarray(output_grad)
    if output_grad.shape != shape:
        raise ValueError(
            f"{function}: output_grad must be shaped like the output, {shape}, got "
            f"{output_grad.shape}. Check the order of the arguments."
        )
    return inp, param, output_grad


def zeros(shape: tuple[int, ...], *like: Array) -> Array:
    """Return zeros of the type that the product of `like` has."""
    return jnp.zeros(shape, jnp.result_type(*like))
