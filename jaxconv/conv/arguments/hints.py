"""Guesses at the mistake behind shapes and settings that do not fit: what to change.

Each function returns a sentence or two for the end of an error message, "" if nothing
looks likely. Several libraries order the axes of filters in several ways:

    jaxconv                  (in // groups, out, *kernel), transposed (in, out // g, *)
    PyTorch, lax by default  (out, in // groups, *kernel)
    Flax, Keras              (*kernel, in // groups, out)
    Keras, depthwise         (*kernel, in, multiplier)
    TensorFlow Lite, MLX     (out, *kernel, in // groups)
"""

from collections.abc import Sequence
from typing import Any

Shape = tuple[int, ...]

_SWAP = "Is w (out, in, *kernel)? Swap its first two: jnp.swapaxes(w, 0, 1)."
_X_LAST = "Is x channels-last? Move its last axis to 1: jnp.moveaxis(x, -1, 1)."
_W_LAST = (
    "Is w (*kernel, in, out)? Move its last two axes to the front: "
    "jnp.moveaxis(w, (-2, -1), (0, 1))."
)
_BOTH_LAST = (
    "Are x and w channels-last, as in Flax and Keras? Use jnp.moveaxis(x, -1, 1) and "
    "jnp.moveaxis(w, (-2, -1), (0, 1)), or jaxconv.conv_general_dilated with "
    "dimension_numbers."
)


def of_channels(x_shape: Shape, w_shape: Shape, groups: int, caller: str) -> str:
    """Guess which exchange of axes or operands made the channels differ."""
    if caller in ("conv_param_grad", "per_example_grad_norms"):
        return _of_kernel_shape(x_shape, w_shape, groups)
    backwards = caller == "conv_input_grad"  # is given x_shape by name, and g before w
    if not backwards and are_exchanged(x_shape, w_shape, groups):
        return "Are x and w exchanged? x comes first."
    channels = x_shape[1]
    swapped = w_shape[1] * groups == channels and w_shape[0] % groups == 0
    guesses = []
    if groups > 1 and w_shape[0] == channels and not swapped:
        if channels % groups:
            guesses = [f"groups must divide the {channels} channels of x."]
        else:
            guesses = [f"With groups, w has in // groups = {channels // groups} there."]
    if x_shape[-1] == groups * w_shape[0]:
        guesses.append(_X_LAST)
    if swapped:
        guesses.append(_SWAP)
    if len(x_shape) == 2 and not guesses:
        guesses = ["Two axes have no pixels: for an image write x[None, None]."]
    if not guesses and backwards and w_shape[0] == x_shape[0]:
        guesses = ["Are g and w exchanged? g comes first."]
    if not guesses and len(w_shape) > 2:
        guesses = _of_other_layouts(x_shape, w_shape, groups)
    guesses += _of_missing_groups(x_shape, w_shape, groups)
    return " Or: ".join(guesses[:2]) or "Filters are (in // groups, out, *kernel)."


def of_transposed_channels(x_shape: Shape, w_shape: Shape, groups: int) -> str:
    """Guess the same for a transposed convolution, whose `w` begins with `in`."""
    channels = x_shape[1]
    if are_exchanged(x_shape, w_shape, 1):
        return "Are x and w exchanged? x comes first."
    if x_shape[-1] == w_shape[0]:
        return _X_LAST
    if w_shape[1] == channels:
        return _SWAP
    if w_shape[-1] == channels:
        return (
            "Is w (*kernel, out, in)? Move its last two axes to the front: "
            "jnp.moveaxis(w, (-1, -2), (0, 1))."
        )
    if w_shape[-2] == channels:
        return _W_LAST
    return "Filters are (in, out // groups, *kernel)."


def of_ranks(x_shape: Shape, w_shape: Shape) -> str:
    """Guess which axes are missing."""
    if len(x_shape) == len(w_shape) - 1:
        return "Is the batch axis of x missing? x[None] adds it."
    return "Is the batch or a channel axis missing?"


def of_sizes(x_shape: Shape, w_shape: Shape) -> str:
    """Say what to change where a filter is larger than the padded input."""
    if are_exchanged(x_shape, w_shape, 1):
        return "Are x and w exchanged? x comes first."
    return "Use a smaller filter or more padding."


def of_axes(values: Any, axes: int) -> str:
    """Guess why there is not one value for each spatial axis."""
    if _is_listed(values) and len(values) == axes + 2:
        return "Leave out batch and channels."
    return ""


def of_sides(values: Any, axes: int) -> str:
    """Guess why `values` is no padding."""
    if values is None:
        return 'For no padding write 0 or "VALID".'
    if not _is_listed(values):
        return ""
    if len(values) == axes + 2 and all(map(_is_listed, values)):
        return "Leave out batch and channels."
    if axes and len(values) == 2 * axes and all(isinstance(v, int) for v in values):
        pairs = tuple(zip(values[::2], values[1::2], strict=True))
        return f"Write a (low, high) pair for each axis, such as {pairs}."
    return ""


def are_exchanged(x_shape: Shape, w_shape: Shape, groups: int) -> bool:
    """Return whether `x` would serve as the filters of `w`, which has more pixels."""
    sizes = list(zip(x_shape[2:], w_shape[2:], strict=True))
    return (
        w_shape[1] == groups * x_shape[0]
        and x_shape[1] % groups == 0
        and all(small <= large for small, large in sizes)
        and any(small < large for small, large in sizes)
    )


def _of_kernel_shape(x_shape: Shape, kernel_shape: Shape, groups: int) -> str:
    """Guess why `kernel_shape` does not fit: it has sizes to exchange, not axes."""
    if kernel_shape[1] * groups == x_shape[1]:
        return (
            "Is kernel_shape (out, in, *kernel)? Exchange its first two sizes. Or: are "
            "x and g exchanged? x comes first."
        )
    if groups > 1 and kernel_shape[1] == x_shape[1]:
        return "Are x and g exchanged? x comes first."
    if x_shape[-1] == groups * kernel_shape[0]:
        return "Are x and g channels-last? Move their last axis to 1."
    return "kernel_shape is (in // groups, out, *kernel)."


def _of_missing_groups(x_shape: Shape, w_shape: Shape, groups: int) -> list[str]:
    if groups == 1 and w_shape[0] and x_shape[1] % w_shape[0] == 0:
        count = x_shape[1] // w_shape[0]
        if count > 1 and w_shape[1] % count == 0:
            return [f"Is groups={count} missing?"]
    return []


def _of_other_layouts(x_shape: Shape, w_shape: Shape, groups: int) -> list[str]:
    channels = x_shape[1]
    if w_shape[-2] * groups == channels:
        return [_W_LAST]
    if groups == channels == w_shape[-2]:
        return [
            "Is w (*kernel, in, multiplier), as Keras has it? Use jnp.moveaxis("
            "w.reshape(*w.shape[:-2], 1, -1), (-2, -1), (0, 1))."
        ]
    if x_shape[-1] == groups * w_shape[-2]:
        return [_BOTH_LAST]
    if w_shape[-1] * groups == channels:
        return [
            "Is w (out, *kernel, in)? Move its last axis to the front: "
            "jnp.moveaxis(w, -1, 0)."
        ]
    return []


def _is_listed(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
