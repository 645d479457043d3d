"""The public calls: check the arguments once, then bind the primitive."""

from collections.abc import Sequence
from typing import Any

from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Num

from jaxconv.conv import primitives
from jaxconv.conv.arguments.dtypes import PrecisionLike, as_precision, common_type
from jaxconv.conv.arguments.keywords import names_arguments
from jaxconv.conv.arguments.settings import Padding as Padding
from jaxconv.conv.arguments.settings import Sizes as Sizes
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import Method, check_method
from jaxconv.conv.padding import Modes, as_modes, extend, extended, give_back
from jaxconv.conv.primitives.eager import checked_once, is_eager, one_program

_SETTINGS = (
    "strides",
    "padding",
    "padding_mode",
    "input_dilation",
    "kernel_dilation",
    "groups",
    "method",
    "memory_limit",
    "precision",
)


@names_arguments
def conv(
    x: Num[Array, "n c_in *space"],
    w: Num[Array, "c_in_per_group c_out *kernel"],
    *,
    strides: Sizes = 1,
    padding: Padding = "SAME",
    padding_mode: str | Sequence[str] = "zeros",
    input_dilation: Sizes = 1,
    kernel_dilation: Sizes = 1,
    groups: int = 1,
    method: Method = "auto",
    memory_limit: int | None = None,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Num[Array, "n c_out *out"]:
    """Convolve `x` with the filters `w`, over any number of spatial axes.

    As everywhere in deep learning the filters are not turned: each output is the dot
    product of a filter with a patch of the padded input. Gradients of any order,
    forward or reverse, are the hand-written ones of `method`; a `padding_mode` other
    than "zeros" is applied first, and differentiated by JAX.

    Args:
      x: the input, channels-first.
      w: the filters, `(c_in // groups, c_out, *kernel)`.
      strides: pixels from one patch to the next, one number or one for each axis.
      padding: pixels around the dilated `x`: "SAME" (`out = ceil(size / stride)`; of an
        odd number of pixels one more at the end, or with "SAME_LOWER" at the start),
        "VALID" (none), "CAUSAL" (all before, so that no output sees a later pixel), a
        number for all sides, or for each axis a number or a (low, high) pair; negative
        numbers crop.
      padding_mode: what the padding holds, for all axes or each: "zeros"; "reflect",
        the pixels mirrored at the outermost one; "replicate", copies of the outermost
        pixel; "circular", the pixels of the opposite end.
      input_dilation: r puts r - 1 zeros between neighbouring pixels of `x`, 1 none.
      kernel_dilation: pixels from one tap of a filter to the next.
      groups: output channels in group `i` read input channels in group `i` only.
      method: the algorithm: "loops", "taps", "im2col" or "xla"; "onednn", where jaxlib
        has it; for floats and complex numbers, with rounding errors that can be larger
        (see `explain`), "fft", or "winograd" or "winograd4", which take three taps
        along each axis and strides and dilations of 1. "auto" picks one for each of the
        three maps, "portable" one that every jaxlib has.
      memory_limit: the most bytes of patches held at a time, in each map: "im2col" cuts
        them for fewer images at a time, at least one; "auto" takes "im2col" only where
        one image's fit. Other methods ignore it. None: some megabytes, or one image's.
      precision: how exactly an accelerator multiplies float32, as in `jax.lax`.
      preferred_element_type: the type to compute in and to return.

    Returns:
      The output; `out = (padded - ((kernel - 1) * kernel_dilation + 1)) // stride + 1`
      for each axis. It has the operands' common type under JAX's promotion rules, but
      whole numbers shorter than int32 are accumulated and returned as int32, so that
      they do not wrap. Floats shorter than float32 are accumulated in float32.

    Raises:
      ValueError: the arguments do not fit each other; the message says which and why.

    >>> import jax.numpy as jnp
    >>> conv(jnp.arange(1.0, 6)[None, None], jnp.ones((1, 1, 3))).tolist()
    [[[3.0, 6.0, 9.0, 12.0, 9.0]]]

    Source: arXiv:1603.07285, chapters 2 and 5.
    """
    caller, settings = "conv", settings_of(locals())
    x, w = common_type(caller, preferred_element_type, x=x, w=w)
    geometry, modes, facts = prepared(caller, x.shape, w.shape, **settings)
    return _output(x, w, whole=geometry, modes=modes, **facts)


def conv_in_network(x: Array, w: Array, **settings: Any) -> Array:
    """Compute `conv` of an image that lies channels-last in memory, as in a network.

    The shapes are those of `conv`; `settings` are all of `prepared`'s.
    """
    x, w = common_type("conv", None, x=x, w=w)
    geometry, modes, facts = prepared(
        "conv", x.shape, w.shape, channels_last=True, **settings
    )
    return _output(x, w, whole=geometry, modes=modes, **facts)


@names_arguments
def conv_input_grad(
    g: Num[Array, "n c_out *out"],
    w: Num[Array, "c_in_per_group c_out *kernel"],
    *,
    input_shape: Sequence[int],
    strides: Sizes = 1,
    padding: Padding = "SAME",
    padding_mode: str | Sequence[str] = "zeros",
    input_dilation: Sizes = 1,
    kernel_dilation: Sizes = 1,
    groups: int = 1,
    method: Method = "auto",
    memory_limit: int | None = None,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Num[Array, "n c_in *space"]:
    """Compute the gradient of `sum(g * conv(x, w))` at `x`, which has `input_shape`.

    The other arguments and the errors are those of `conv`; `g` has the output's shape.

    Source: arXiv:1603.07285, chapter 4.
    """
    caller, settings = "conv_input_grad", settings_of(locals())
    g, w = common_type(caller, preferred_element_type, g=g, w=w)
    geometry, modes, facts = prepared(caller, input_shape, w.shape, **settings)
    check_output_grad(g, geometry, caller)
    return _input_grad(g, w, whole=geometry, modes=modes, **facts)


@names_arguments
def conv_param_grad(
    x: Num[Array, "n c_in *space"],
    g: Num[Array, "n c_out *out"],
    *,
    kernel_shape: Sequence[int],
    strides: Sizes = 1,
    padding: Padding = "SAME",
    padding_mode: str | Sequence[str] = "zeros",
    input_dilation: Sizes = 1,
    kernel_dilation: Sizes = 1,
    groups: int = 1,
    method: Method = "auto",
    memory_limit: int | None = None,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Num[Array, "c_in_per_group c_out *kernel"]:
    """Compute the gradient of `sum(g * conv(x, w))` at `w`, which has `kernel_shape`.

    The other arguments and the errors are those of `conv`; `g` has the output's shape.
    """
    caller, settings = "conv_param_grad", settings_of(locals())
    x, g = common_type(caller, preferred_element_type, x=x, g=g)
    geometry, modes, facts = prepared(caller, x.shape, kernel_shape, **settings)
    check_output_grad(g, geometry, caller)
    return _param_grad(x, g, whole=geometry, modes=modes, **facts)


@one_program
def _output(x, w, *, whole, modes, geometry, method, precision):
    facts = {"geometry": geometry, "method": method, "precision": precision}
    return primitives.output(extend(x, whole, modes), w, **facts)


@one_program
def _input_grad(g, w, *, whole, modes, geometry, method, precision):
    facts = {"geometry": geometry, "method": method, "precision": precision}
    return give_back(primitives.input_grad(g, w, **facts), whole, modes)


@one_program
def _param_grad(x, g, *, whole, modes, geometry, method, precision):
    facts = {"geometry": geometry, "method": method, "precision": precision}
    return primitives.param_grad(extend(x, whole, modes), g, **facts)


def settings_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return those of a public function's arguments that `prepared` checks.

    Called first of all, with `locals()`: so the function spells its settings once, in
    the signature that `help` shows.
    """
    return {name: arguments[name] for name in _SETTINGS if name in arguments}


@checked_once
def prepared(
    caller: str,
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    *,
    padding_mode: str | Sequence[str],
    method: str,
    precision: PrecisionLike,
    **settings: Any,
) -> tuple[Geometry, Modes, dict[str, Any]]:
    """Check the shapes and settings of a call.

    Returns:
      The geometry as called for, the padding mode of each axis, and what the primitives
      take: the geometry that is left once `extend` has padded by the modes, the method
      and the precision.
    """
    geometry = Geometry.of(
        x_shape, w_shape, **settings, runs_now=is_eager(), caller=caller
    )
    modes = as_modes(padding_mode, geometry, caller)
    facts = {
        "geometry": extended(geometry, modes),
        "method": check_method(method, caller),
        "precision": as_precision(precision, caller),
    }
    return geometry, modes, facts


def check_output_grad(g: Array, geometry: Geometry, caller: str) -> None:
    """Raise unless `g` has the shape of the output."""
    if g.shape != geometry.out_shape:
        raise ValueError(
            f"{caller}: g must be shaped like the output (batch, channels, *out), "
            f"{geometry.out_shape}, got {g.shape}. Were strides, padding, dilations "
            "and groups those of the convolution?"
        )
