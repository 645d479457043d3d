"""lax's own rules for its convolutions, and clearer errors where a call breaks them."""

import functools
from typing import Any

import jax
from jax import lax

from jaxconv.dropin.redirect import ORIGINAL

_TRANSPOSE_LAYOUTS = {
    2: ("NC", "IO", "NC"),
    3: ("NHC", "HIO", "NHC"),
    4: ("NHWC", "HWIO", "NHWC"),
    5: ("NHWDC", "HWDIO", "NHWDC"),
}


class RankError(ValueError, AssertionError):
    """The operands have different numbers of axes; lax fails an assertion there."""


def check(name: str, lhs: Any, rhs: Any, given: dict[str, Any]) -> jax.ShapeDtypeStruct:
    """Return the shape and type of lax's result, without computing it.

    Raises:
      TypeError, ValueError, RuntimeError, RankError: what lax raises, in more words.
    """
    if lhs.ndim == rhs.ndim < 2:
        raise RankError(
            f"{name}: lhs and rhs must have two axes, batch and channels or channels "
            f"in and out, and one for each spatial axis, got shapes {lhs.shape} and "
            f"{rhs.shape}."
        )
    try:
        return jax.eval_shape(functools.partial(ORIGINAL[name], **given), lhs, rhs)
    except AssertionError as error:
        raise RankError(_explain(name, lhs, rhs, given, error)) from error
    except (TypeError, ValueError, RuntimeError) as error:
        words = _explain(name, lhs, rhs, given, error)
        if type(error) not in (TypeError, ValueError, RuntimeError):
            error.add_note(words)  # a class of JAX's own: it takes more than a message
            raise
        raise type(error)(words) from error


def dimension_numbers_of(
    name: str, lhs: Any, rhs: Any, given: Any
) -> lax.ConvDimensionNumbers:
    """Return the layout in lax's canonical form; each function has its own default."""
    if given is None and name == "conv_transpose":
        given = _TRANSPOSE_LAYOUTS[lhs.ndim]
    return lax.conv_dimension_numbers(lhs.shape, rhs.shape, given)


def _explain(
    name: str, lhs: Any, rhs: Any, given: dict[str, Any], error: Exception
) -> str:
    """Return lax's message, then what the axes are and what to change."""
    said = str(error).strip()
    clauses = [f"{said.removesuffix('.')}. {name}:" if said else f"{name}:"]
    try:
        spec = dimension_numbers_of(name, lhs, rhs, given.get("dimension_numbers"))
    except (TypeError, ValueError, KeyError):
        spec = None
    if spec is None or lhs.ndim != rhs.ndim:
        clauses.append(f"lhs is {lhs.shape} and rhs {rhs.shape}.")
        if lhs.ndim != rhs.ndim:
            clauses.append("Is the batch or a channel axis missing?")
    else:
        clauses.append(f"lhs is {_named(lhs, spec.lhs_spec, 'NC')}")
        clauses.append(f"and rhs {_named(rhs, spec.rhs_spec, 'OI')}.")
        clauses.append(_hint(lhs, rhs, spec, given))
    return " ".join(clause for clause in clauses if clause)


def _named(array: Any, spec: Any, leading: str) -> str:
    """Write the axes in their order with names: `(N 2, H 28, W 28, C 1) float32`."""
    names = dict(zip(spec, leading + "HWD456"[: array.ndim - 2], strict=False))
    axes = (f"{names.get(i, '?')} {size}" for i, size in enumerate(array.shape))
    return f"({', '.join(axes)}) {array.dtype}"


def _hint(lhs: Any, rhs: Any, spec: Any, given: dict[str, Any]) -> str:
    if lhs.dtype != rhs.dtype:
        return "Convert one of them: rhs.astype(lhs.dtype)."
    groups = given.get("feature_group_count") or 1
    channels, takes = lhs.shape[spec.lhs_spec[1]], rhs.shape[spec.rhs_spec[1]]
    if not isinstance(groups, int) or channels == groups * takes:
        return ""
    if channels == takes:
        if channels % groups:
            return f"feature_group_count must divide the {channels} channels of lhs."
        return f"With groups, rhs has I = {channels // groups}."
    if lhs.ndim > 2 and lhs.shape[-1] == groups * rhs.shape[-2]:
        pixels = "HWD456"[: lhs.ndim - 2]
        layout = (f"N{pixels}C", f"{pixels}IO", f"N{pixels}C")
        return f"Are both channels-last? Say so: dimension_numbers={layout}."
    if rhs.shape[spec.rhs_spec[0]] * groups == channels:
        return "Are I and O of rhs exchanged?"
    return ""
