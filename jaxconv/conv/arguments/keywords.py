"""Calls with arguments that do not fit: the error names those that were meant.

Python's own error says `unexpected keyword argument 'stride'`. Here a decorator waits
for that error and says more; a call that is right does not pay for it.
"""

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# Our names, and what lax, PyTorch, Keras, Flax and ONNX call the same.
_OTHER_NAMES = {
    "strides": ("stride", "window_strides", "subsample"),
    "padding": ("pad", "pads", "auto_pad", "padding_type"),
    "padding_mode": ("pad_mode", "mode"),
    "kernel_dilation": ("dilation", "dilations", "dilation_rate", "rhs_dilation"),
    "dilation": ("dilations", "dilation_rate", "rhs_dilation", "kernel_dilation"),
    "input_dilation": ("lhs_dilation", "base_dilation"),
    "groups": ("group", "num_groups", "feature_group_count", "feature_groups"),
    "method": ("algorithm", "algo", "backend", "impl"),
    "preferred_element_type": ("dtype", "out_dtype", "preferred_type"),
    "output_padding": ("out_padding", "outpad"),
    "output_shape": ("output_size", "out_shape"),
    "input_shape": ("x_shape", "input_size", "lhs_shape"),
    "kernel_shape": ("w_shape", "weight_size", "kernel_size", "filter_shape"),
    "convention": ("framework",),
    "window": ("pool_size", "window_shape", "window_dimensions", "kernel_size"),
    "channels_last": ("data_format", "layout", "dimension_numbers"),
    "count_include_pad": ("include_pad",),
    "x": ("lhs", "input", "inputs", "inp"),
    "w": ("rhs", "weight", "weights", "kernel", "filters", "param"),
    "g": ("grad", "output_grad", "grad_output", "ct"),
}
_NO_BIAS = "there is no bias: add it to the result, y + bias[:, None, None]"
_CHANNELS_FIRST = (
    "arrays are channels-first, (batch, channels, *space): move axes with jnp.moveaxis,"
    " or use jaxconv.conv_general_dilated, which takes dimension_numbers"
)
_IN_W = "the shape of w says it, {w}"
_MEANINGS = {
    **dict.fromkeys(("bias", "use_bias", "b"), _NO_BIAS),
    **dict.fromkeys(
        ("dimension_numbers", "data_format", "layout", "channels_last"), _CHANNELS_FIRST
    ),
    **dict.fromkeys(
        ("kernel_size", "in_channels", "out_channels", "features", "out_features"),
        _IN_W,
    ),
    "batch_group_count": "only jaxconv.conv_general_dilated takes it",
    "output_padding": "only jaxconv.conv_transpose takes it",
    "convention": "only jaxconv.conv_transpose takes it",
    "transpose_kernel": 'convention="lax" leaves the filter as it is, others turn it',
}
_ALIKE = 0.75  # least similarity, 1 being equality, of a misspelt name
_SHAPE_OF = {"input_shape": "x.shape", "kernel_shape": "w.shape"}


def names_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a public function: a call that does not fit its signature is explained.

    Raises:
      TypeError: as Python does, with the right name or place of the argument.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError:
            try:
                inspect.signature(function).bind(*args, **kwargs)
            except TypeError as mismatch:
                words = _explain(function, args, kwargs, str(mismatch))
            else:  # the call was right, what it does was not
                raise
            raise TypeError(words) from None

    return call


def _explain(
    function: Callable[..., Any], args: tuple, kwargs: dict[str, Any], mismatch: str
) -> str:
    """Say what is wrong with a call that does not bind."""
    parameters = inspect.signature(function).parameters.values()
    arrays = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    settings = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    unknown = [name for name in kwargs if name not in (*arrays, *settings)]
    given = {*arrays[: len(args)], *kwargs}
    missing = [p.name for p in parameters if p.default is p.empty]
    missing = [name for name in missing if name not in given]
    extra = args[len(arrays) :]
    clauses = []
    if extra:
        clauses.append(_of_extra(extra, arrays, settings, given))
    clauses += [_of_unknown(name, arrays, settings, given) for name in unknown]
    if missing and not (extra or unknown):
        clauses = [_of_missing(missing)]
    what = "; ".join(clauses) or mismatch
    head = ", ".join([*arrays, "*", *settings])
    return f"{function.__name__}: {what}. It takes ({head})."


def _of_unknown(
    name: str, arrays: list[str], settings: list[str], given: set[str]
) -> str:
    """Propose what an unknown keyword means here."""
    free = [known for known in (*arrays, *settings) if known not in given]
    meant = [known for known in free if name in _OTHER_NAMES.get(known, ())]
    transposed = "convention" in settings
    if not meant and name in _MEANINGS and (transposed or name != "transpose_kernel"):
        filters = "(in // groups, out, *kernel)"
        if transposed:
            filters = "(in, out // groups, *kernel)"
        return f"no argument {name!r}: {_MEANINGS[name].format(w=filters)}"
    meant = meant or difflib.get_close_matches(name, free, 1, _ALIKE)
    proposal = f": write {meant[0]}=" if meant else ""
    return f"no argument {name!r}{proposal}"


def _of_extra(
    extra: tuple, arrays: list[str], settings: list[str], given: set[str]
) -> str:
    """Propose a name for each argument that was given by position."""
    free = [name for name in settings if name in _SHAPE_OF]
    free += [name for name in ("strides", "padding") if name in settings]
    free = [name for name in free if name not in given]
    operands = _listed(arrays)
    named = []
    for value in extra:
        if "strides" in settings and _is_bias(value):
            return f"{operands} go by position, and {_NO_BIAS}"
        name = "padding" if isinstance(value, str) else next(iter(free), None)
        if name not in free:
            break
        free = [other for other in free if other != name]
        shown = _SHAPE_OF.get(name) if getattr(value, "ndim", 0) > 1 else None
        named.append(f"{name}={shown or repr(value)}")
    proposal = f": {', '.join(named)}" if named else ""
    return (
        f"only {operands} go by position, got {len(extra)} more; settings go by "
        f"name{proposal}"
    )


def _listed(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _is_bias(value: Any) -> bool:
    """Return whether an argument is what PyTorch takes third: a bias or None."""
    if getattr(value, "ndim", 0) != 1:
        return value is None
    return "float" in str(getattr(value, "dtype", ""))


def _of_missing(missing: list[str]) -> str:
    first, *_ = missing
    if first in _SHAPE_OF:
        return (
            f"{first} is missing, which the operands do not determine: write "
            f"{first}={_SHAPE_OF[first]}"
        )
    return f"{_listed(missing)} missing"
