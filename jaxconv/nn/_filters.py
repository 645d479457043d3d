"""What all layers with learned filters share: sizes, params, checks, bias, activation.

`Filters` describes a family: the layout of its filters and its operation; `layer_of`
makes the layer.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxconv.nn._checks import check_array, check_count, get_param
from jaxconv.nn._memory import channels_first, channels_last, of_channels
from jaxconv.nn.activations import Activation, as_layer
from jaxconv.nn.dense import Flatten
from jaxconv.nn.dropout import Dropout
from jaxconv.nn.initializers import Draw
from jaxconv.nn.layer import Layer, Shape, followed_by
from jaxconv.nn.window import Window

MEANT = {  # the names of PyTorch, Flax, Keras, Haiku and lax: see `says_what_is_meant`
    **dict.fromkeys(("filters", "features", "output_channels"), "out_channels"),
    **dict.fromkeys(("kernel_size", "kernel_shape"), "param_size"),
    **dict.fromkeys(("stride", "window_strides"), "strides"),
    **dict.fromkeys(
        ("dilations", "dilation_rate", "kernel_dilation", "rhs_dilation", "rate"),
        "dilation",
    ),
    **dict.fromkeys(("pad", "pads"), "padding"),
    **dict.fromkeys(("pad_mode", "mode"), "padding_mode"),
    **dict.fromkeys(("use_bias", "with_bias"), "bias"),
    **dict.fromkeys(("feature_group_count", "group"), "groups"),
    **dict.fromkeys(("kernel_init", "kernel_initializer", "w_init"), "weight_init"),
    "depth_multiplier": "multiplier",
    "channel_multiplier": "multiplier",
    "in_channels": "init(key, input_shape=(in_channels, ...))",
}

_SPACE = {1: "width", 2: "height, width", 3: "depth, height, width"}
_SIDES = {1: "width", 2: "height and width", 3: "depth, height and width"}
_TERMS = {": w is ": ": the filter is ", "kernel_dilation": "dilation"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filters:
    """What distinguishes one family of layers with filters from another."""

    caller: str  # the name that errors begin with
    name: str  # the kind of layer
    param_size: int | Shape  # one number serves all axes
    axes: int | None  # spatial ones; None: any number
    groups: int = 1  # must divide the input channels
    shape: Callable[[int, Shape], Shape]  # (input channels, kernel) -> filters' shape
    channels: Callable[[Shape], int]  # filters' shape -> input channels
    window: Window
    check: Callable[
        [Shape], None
    ]  # raises if the settings do not fit the kernel's size
    convolve: Callable[[Array, Array], Array]  # (x, filters) -> y

    def kernel(self, axes: int) -> Shape:
        """Return the filters' size along each axis."""
        if isinstance(self.param_size, tuple):
            return self.param_size
        return (self.param_size,) * axes


class After(NamedTuple):
    """What follows the filters: bias, activation, flattening and dropout."""

    bias: bool
    activation: Activation | None
    flatten: bool
    dropout: float

    def layers(self, caller: str) -> list[Layer]:
        """Return the layers that have no params."""
        flat = [Flatten()] if self.flatten else []
        return [as_layer(caller, self.activation), *flat, Dropout(self.dropout)]


def sizes_of(
    caller: str, param_size: object, axes: int | None
) -> tuple[int | Shape, int | None]:
    """Return the filters' size and the number of axes, as far as they are known.

    Raises:
      ValueError: a size is not an int of at least 1, or there are too many or too few.
    """
    listed = isinstance(param_size, Sequence)
    sizes: Any = param_size if listed else (param_size,)
    if listed and len(sizes) != (axes or len(sizes) or 1):
        sides = f"the filters' {_SIDES[axes]}" if axes else "the filters' sizes"
        raise ValueError(
            f"{caller}: param_size must be {sides}, or one number for "
            f"{'both' if axes == 2 else 'all'}, got {param_size!r}."
        )
    for size in sizes:
        check_count(caller, "param_size", size)
    if listed:
        return tuple(map(int, sizes)), len(sizes)
    return int(sizes[0]), axes


def layer_of(filters: Filters, draw: Draw, after: After) -> Layer:
    """Make the layer of a family: `convolve`, add the bias, apply what follows.

    Raises:
      ValueError: a setting is out of its range.
    """
    caller = filters.caller
    if filters.axes is not None:
        with retold(caller):
            filters.check(filters.kernel(filters.axes))

    def init(key, input_shape):
        _check_input_shape(filters, input_shape)
        kernel = filters.kernel(len(input_shape) - 1)
        shape = filters.shape(input_shape[0], kernel)
        image = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
        with retold(caller):
            y = jax.eval_shape(
                filters.convolve, image, jax.ShapeDtypeStruct(shape, jnp.float32)
            )
        params = {"filters": draw(key, shape)}
        if after.bias:
            params["bias"] = jnp.zeros((y.shape[1],), jnp.float32)
        return y.shape[1:], params

    def apply(params, x, *, key=None):
        w = get_param(caller, params, "filters")
        _check_operands(filters, x, w)
        with retold(caller):
            y = filters.convolve(x, w)
        if after.bias:
            bias = get_param(caller, params, "bias")
            y = channels_first(channels_last(y) + of_channels(bias, y.ndim))
        return y

    layer = Layer(init, apply, filters.name, window=filters.window)
    return followed_by(caller, layer, *after.layers(caller))


def check_groups(caller: str, groups: int, out_channels: int) -> None:
    """Raise ValueError unless the output channels can be divided into groups."""
    check_count(caller, "out_channels", out_channels)
    check_count(caller, "groups", groups)
    if out_channels % groups:
        raise ValueError(
            f"{caller}: groups must divide out_channels, got {groups} groups and "
            f"{out_channels} channels."
        )


@contextlib.contextmanager
def retold(caller: str) -> Iterator[None]:
    """Rewrite errors of `jaxconv.conv` with the layer's name and terms."""
    try:
        yield
    except (TypeError, ValueError) as error:
        function, colon, message = str(error).partition(": ")
        if function not in ("conv", "conv_transpose"):
            raise
        message = f"{caller}{colon}{message}"
        for term, ours in _TERMS.items():
            message = message.replace(term, ours)
        raise type(error)(message) from None


def _check_input_shape(filters: Filters, input_shape: Shape) -> None:
    """Raise unless the shape is that of an image whose channels the groups divide."""
    axes, given = filters.axes, len(input_shape) - 1
    if given == (axes or max(given, 1)) and input_shape[0] >= 1:
        if input_shape[0] % filters.groups == 0:
            return
        raise ValueError(
            f"{filters.caller}: groups must divide the input channels, got "
            f"{filters.groups} groups and {input_shape[0]} channels (axis 0 of "
            f"{input_shape})."
        )
    hint = ""
    if given == (axes or 0) - 1:
        hint = " Put the number of channels first: 1 for grey images."
    elif given == 0:
        hint = " Are the images flat? A convolution needs their rows."
    elif axes and given == axes + 1:
        hint = " Leave out the first axis, the batch."
    raise ValueError(
        f"{filters.caller}: input_shape must be {_layout(axes)}, without the batch, "
        f"with at least one channel, got {input_shape}.{hint}"
    )


def _check_operands(filters: Filters, x: Array, w: Array) -> None:
    """Raise unless `x` fits the filters and the filters fit the settings."""
    caller = filters.caller
    check_array(caller, x)
    axes = filters.axes or w.ndim - 2
    if x.ndim != axes + 2:
        hint = "Was the layer initialised for this input shape?"
        if x.ndim == axes + 1:
            hint = "Is the batch axis missing? x[None] adds it."
        raise ValueError(
            f"{caller}: x must be {_layout(axes, 'batch, ')}, got shape {x.shape}. "
            f"{hint}"
        )
    takes = filters.channels(w.shape) if w.ndim == axes + 2 else x.shape[1]
    expected = filters.shape(takes, filters.kernel(axes))
    if w.shape != expected:
        raise ValueError(
            f"{caller}: params['filters'] must have the shape {expected}, got "
            f"{w.shape}. Were params made by this layer's init?"
        )
    if x.shape[1] != takes:
        hint = "Was the layer initialised for this input shape?"
        if x.shape[-1] == takes:
            hint = (
                "Is x channels-last? Move its last axis to 1: jnp.moveaxis(x, -1, 1)."
            )
        raise ValueError(
            f"{caller}: x has {x.shape[1]} channels (axis 1 of {x.shape}) but the "
            f"filters, {w.shape}, take {takes}. {hint}"
        )


def _layout(axes: int | None, batch: str = "") -> str:
    space = _SPACE.get(axes or 0, f"{axes} spatial axes" if axes else "*space")
    return f"({batch}channels, {space})"
