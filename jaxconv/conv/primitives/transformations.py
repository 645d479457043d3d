"""What the primitives do under further transformations of JAX, as lax's do.

`jax.checkpoint`: policies are asked about lax's convolution too, so that
`dots_saveable`, and policies that name `conv_general_dilated`, save ours. A policy that
would offload its results to another memory keeps them where they are.
`checkify.float_checks` reports a NaN. `jax.experimental.jet`, `roofline` and
`sparse.sparsify` find their rules; these modules take long to import, so that rules are
added at the first convolution after one of them is there.
"""

import functools
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax._src import checkify
from jax._src.interpreters import partial_eval
from jax.extend.core import Primitive, Var

from jaxconv.conv.geometry import Geometry


class Bilinear(Primitive):
    """A primitive that adds its rules to modules of JAX as they come."""

    def __init__(self, name: str) -> None:
        """Begin without rules for modules that come later."""
        super().__init__(name)
        self._later = dict(_LATER)

    def bind_with_trace(self, trace: Any, args: Any, avals: Any, params: Any, /) -> Any:
        """Bind, as every call does, with the rules of the modules that are there."""
        for module in [name for name in self._later if name in sys.modules]:
            self._later.pop(module)(self, sys.modules[module])
        return super().bind_with_trace(trace, args, avals, params)


def register(primitive: Primitive) -> None:
    """Add the rules of modules that JAX itself imports."""
    checkify.error_checks[primitive] = functools.partial(
        checkify.nan_error_check, primitive
    )
    partial_eval.partial_eval_jaxpr_custom_rules[primitive] = _under_checkpoint


def _under_checkpoint(
    policy: Callable, unknown: Sequence, instantiated: Sequence, eqn: Any
) -> tuple:
    """Say what is computed before and what after: JAX's own rule, asked as for lax."""
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
    """Return whether a policy saves lax's convolution, or names ours.

    It names ours if it saves it and does not save what it cannot know.
    """
    avals = [atom.aval for atom in eqn.invars]

    def asked(primitive: Primitive, **params: Any) -> bool:
        answer = partial_eval.ensure_enum(policy(primitive, *avals, **params))
        return not isinstance(answer, partial_eval.RecomputeType)

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


def _add_jet(primitive: Primitive, jet: Any) -> None:
    rule = functools.partial(jet._bilinear_taylor_rule, primitive)
    jet.jet_rules[primitive] = rule


def _add_roofline(primitive: Primitive, roofline: Any) -> None:
    """Count as lax's rule does: operations on pixels that exist, bytes once."""

    @roofline.register_roofline(primitive)
    def rule(context: Any, *_: Any, geometry: Geometry, **__: Any) -> Any:
        arrays = (*context.avals_in, *context.avals_out)
        return roofline.RooflineResult(
            unfused_flops=_flops_on_pixels(geometry),
            unfused_hbm_bytes=sum(a.size * a.dtype.itemsize for a in arrays),
        )


def _flops_on_pixels(geometry: Geometry) -> int:
    """Return the operations of any one map, without those on padding.

    >>> _flops_on_pixels(Geometry.of((1, 1, 4), (1, 1, 3)))
    20
    """
    pairs = geometry.n * geometry.groups * geometry.ci * geometry.co
    return 2 * pairs * math.prod(map(_reads, *_axes(geometry)))


def _axes(geometry: Geometry) -> Sequence[Sequence[Any]]:
    return (
        geometry.space,
        geometry.kernel,
        geometry.out,
        geometry.strides,
        geometry.kernel_dilation,
        geometry.input_dilation,
        geometry.padding,
    )


def _reads(size: int, k: int, out: int, s: int, d: int, r: int, pads: Any) -> int:
    """Return how often the outputs of an axis read a pixel; (1) in `geometry.py`."""
    total = 0
    outputs = np.arange(out, dtype=np.int64) * s - pads[0]
    for p in range(k):
        at = outputs + p * d
        total += int(np.sum((at % r == 0) & (at >= 0) & (at < size * r)))
    return total


def _add_sparse(primitive: Primitive, transform: Any) -> None:
    from jax.experimental.sparse import bcoo

    def run(a: Any, b: Any, *, geometry: Geometry, **_: Any) -> Any:
        """Convolve one line of pixels, as lax's rule does."""
        own = _convolution(primitive.name, geometry)
        steps = {*own.strides, *own.input_dilation, *own.kernel_dilation}
        if len(own.space) != 1 or steps != {1} or own.x_shape[:2] != (1, 1):
            raise NotImplementedError(_SPARSE.format(own.x_shape, own.w_shape))
        if primitive.name == "conv_input_grad":
            b = bcoo.bcoo_rev(b, dimensions=(2,)) if _is_sparse(b) else jnp.flip(b, 2)
        index = (a if _is_sparse(a) else b).indices.dtype
        line, taps = (bcoo._convert_to_1d_for_conv(array, index) for array in (a, b))
        return bcoo._bcoo_conv_1d(line, taps, padding=own.padding[0])

    rule = transform._standard_sparse_rule(primitive, run)
    transform.sparse_rules_bcoo[primitive] = rule


def _is_sparse(array: Any) -> bool:
    return hasattr(array, "indices")


_SPARSE = (
    "conv: sparse operands are served as in lax, for one image of one spatial axis, "
    "one channel in and out, strides and dilations of 1, got x {} and w {} (in, out, "
    "*kernel). Use sparse.todense()."
)
_LATER: dict[str, Callable[[Primitive, Any], None]] = {
    "jax.experimental.jet": _add_jet,
    "jax.experimental.roofline.roofline": _add_roofline,
    "jax.experimental.sparse.transform": _add_sparse,
}
