"""Our primitives under further transformations of JAX: they behave as lax's do.

`jax.checkpoint` asks its policy which results to save. It is asked about lax's
convolution too, so that `dots_saveable`, and policies that name `conv_general_dilated`,
save our results. A policy that moves results to the host's memory saves them where they
are. `checkify.float_checks` reports a NaN.

`jax.experimental.jet`, `roofline` and `sparse.sparsify` take long to import, and most
programs use none of them: each gets its rule at the first convolution after its import.
"""

import functools
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive, Var

from jaxconv.conv.geometry import Geometry
from jaxconv.conv.primitives.jax_internals import (
    RecomputeType,
    add_jet_rule,
    add_sparse_rule,
    ensure_enum,
    error_checks,
    nan_error_check,
    partial_eval_jaxpr_custom_rules,
)


class Bilinear(Primitive):
    """A primitive that gives its rules to modules of JAX imported after this one."""

    def __init__(self, name: str) -> None:
        """Remember which modules lack a rule for this primitive."""
        super().__init__(name)
        self._without_rule = dict(_RULES)

    def bind_with_trace(self, trace: Any, args: Any, avals: Any, params: Any, /) -> Any:
        """Bind, as every call does, once the modules imported so far have rules."""
        for module in [name for name in self._without_rule if name in sys.modules]:
            self._without_rule.pop(module)(self)
        return super().bind_with_trace(trace, args, avals, params)


def register(primitive: Primitive) -> None:
    """Give the primitive its rules in modules that JAX itself imports."""
    error_checks[primitive] = functools.partial(nan_error_check, primitive)
    partial_eval_jaxpr_custom_rules[primitive] = _under_checkpoint


def _under_checkpoint(
    policy: Callable, unknown: Sequence, instantiated: Sequence, eqn: Any
) -> tuple:
    """Split an equation into what the forward and what the backward pass computes.

    JAX's own rule, but for the question to the policy. Returned are the equation as
    known before, the equation as computed after, which results are unknown before,
    which are computed after, and the variables that the latter still needs.
    """
    missing = [
        atom
        for atom, there in zip(eqn.invars, instantiated, strict=True)
        if isinstance(atom, Var) and not there
    ]
    if any(unknown):
        return None, eqn, [True], [True], missing
    if _saves(policy, eqn):
        return eqn, None, [False], [False], []
    return eqn, eqn, [False], [True], missing


def _saves(policy: Callable, eqn: Any) -> bool:
    """Return whether a policy saves lax's convolution, or ours by its name.

    A policy names ours if it saves it, but not a primitive that it cannot know.
    """
    avals = [atom.aval for atom in eqn.invars]

    def asked(primitive: Primitive, **params: Any) -> bool:
        answer = ensure_enum(policy(primitive, *avals, **params))
        return not isinstance(answer, RecomputeType)

    if asked(lax.conv_general_dilated_p, **_as_lax(eqn.primitive.name, **eqn.params)):
        return True
    return asked(eqn.primitive, **eqn.params) and not asked(_UNKNOWN)


_UNKNOWN = Primitive("unknown")


def _as_lax(
    name: str, *, geometry: Geometry, precision: Any, **_: Any
) -> dict[str, Any]:
    """Return the parameters of lax's convolution that computes a map."""
    own = _convolution(name, geometry)
    axes = tuple(range(2, len(own.x_shape)))
    return {
        "window_strides": own.strides,
        "padding": own.padding,
        "lhs_dilation": own.input_dilation,
        "rhs_dilation": own.kernel_dilation,
        "dimension_numbers": lax.ConvDimensionNumbers(
            (0, 1, *axes), (1, 0, *axes), (0, 1, *axes)
        ),
        "feature_group_count": own.groups,
        "batch_group_count": 1,
        "precision": precision,
        "preferred_element_type": None,
        "out_sharding": None,
    }


def _convolution(name: str, geometry: Geometry) -> Geometry:
    """Return the convolution, of rearranged operands, that computes a map."""
    if name == "conv_input_grad":
        return geometry.of_input_grad
    return geometry.of_param_grad if name == "conv_param_grad" else geometry


def _add_roofline_rule(primitive: Primitive) -> None:
    """Count as lax's rule does: no operations on padding; each operand read once."""
    from jax.experimental.roofline.roofline import RooflineResult, register_roofline

    @register_roofline(primitive)
    def rule(context: Any, *_: Any, geometry: Geometry, **__: Any) -> Any:
        arrays = (*context.avals_in, *context.avals_out)
        return RooflineResult(
            unfused_flops=_flops_on_pixels(geometry),
            unfused_hbm_bytes=sum(a.size * a.dtype.itemsize for a in arrays),
        )


def _flops_on_pixels(geometry: Geometry) -> int:
    """Return the operations of any of the three maps, without those on padding.

    >>> _flops_on_pixels(Geometry.of((1, 1, 4), (1, 1, 3)))
    20
    """
    pairs = geometry.n * geometry.groups * geometry.ci * geometry.co
    axes = (
        geometry.space,
        geometry.kernel,
        geometry.out,
        geometry.strides,
        geometry.kernel_dilation,
        geometry.input_dilation,
        geometry.padding,
    )
    return 2 * pairs * math.prod(map(_reads, *axes))


def _reads(size: int, k: int, out: int, s: int, d: int, r: int, pads: Any) -> int:
    """Return how many pixels all outputs of an axis read; (1) in `geometry.py`."""
    total = 0
    outputs = np.arange(out, dtype=np.int64) * s - pads[0]
    for p in range(k):
        at = outputs + p * d
        total += int(np.sum((at % r == 0) & (at >= 0) & (at < size * r)))
    return total


def _add_sparse_rule(primitive: Primitive) -> None:
    from jax.experimental.sparse import bcoo_conv_general_dilated, bcoo_rev

    def run(a: Any, b: Any, *, geometry: Geometry, **_: Any) -> Any:
        """Convolve one image of one channel and one axis: all that JAX's rule can."""
        own = _convolution(primitive.name, geometry)
        steps = {*own.strides, *own.input_dilation, *own.kernel_dilation}
        if len(own.space) != 1 or steps != {1} or own.x_shape[:2] != (1, 1):
            raise NotImplementedError(_SPARSE.format(own.x_shape, own.w_shape))
        if primitive.name == "conv_input_grad":
            is_sparse = hasattr(b, "indices")
            b = bcoo_rev(b, dimensions=(2,)) if is_sparse else jnp.flip(b, 2)
        return bcoo_conv_general_dilated(
            a, b, window_strides=own.strides, padding=own.padding
        )

    add_sparse_rule(primitive, run)


_SPARSE = (
    "conv: sparse operands are served as in lax, for one image of one spatial axis, "
    "one channel in and out, strides and dilations of 1, got x {} and w {} (in, out, "
    "*kernel). Use sparse.todense()."
)
_RULES: dict[str, Callable[[Primitive], None]] = {
    "jax.experimental.jet": add_jet_rule,
    "jax.experimental.roofline.roofline": _add_roofline_rule,
    "jax.experimental.sparse.transform": _add_sparse_rule,
}
