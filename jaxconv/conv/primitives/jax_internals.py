"""Every private name of JAX that the project uses, and why. JAX may move any of them.

`tests/conv/primitives/test_jax_internals.py` says which of them an installed JAX lacks,
and fails where a private name is used elsewhere. Modules that JAX does not import
itself take long to load: their names are imported in functions.
"""
# ruff: noqa: F401 (imported for other files)

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import Array
from jax._src.checkify import (
    error_checks,  # checkify's rules by primitive: where ours is to be added
    nan_error_check,  # the rule of lax's convolution: reports a NaN in the result
)
from jax._src.config import (
    include_full_tracebacks_in_locations,  # set for one thread; `jax.config` cannot
    traceback_in_locations_limit,  # a context manager, so that it is set back
)
from jax._src.core import (
    EvalTrace,  # what handles a primitive that is evaluated at once
    trace_ctx,  # says what handles the primitives that this thread binds
)
from jax._src.dispatch import (
    prim_requires_devices_during_lowering,  # else a lowering rule may not see the mesh
)
from jax._src.interpreters.ad import (
    JVPTrace,  # what handles a primitive under `jax.jvp`: asks the trace below
    LinearizeTrace,  # the same under `jax.grad`, `jax.vjp` and `jax.linearize`
)
from jax._src.interpreters.batching import (
    BatchTrace,  # the same under `jax.vmap`
)
from jax._src.interpreters.partial_eval import (
    RecomputeType,  # what a policy of `jax.checkpoint` answers for: do not save
    ensure_enum,  # turns the True or False of older policies into such an answer
    partial_eval_jaxpr_custom_rules,  # what `jax.checkpoint` does, by primitive
)
from jax._src.sharding_impls import (
    parse_flatten_op_sharding,  # XLA's description of a sharding as a PartitionSpec
)
from jax.extend.core import Primitive
from jax.interpreters import mlir
from jax.sharding import Mesh, PartitionSpec, Sharding


def varying_axes(array: Array) -> frozenset[Any]:
    """Return the mesh axes, inside `shard_map`, over which an array may differ."""
    return jax.typeof(array).manual_axis_type.varying


def spec_over(mesh: Mesh, sharding: Sharding) -> PartitionSpec:
    """Name the axes of `mesh` in a sharding that XLA has chosen.

    `custom_partitioning` hands such a sharding on without names. Its own option to
    decode it, `decode_shardings`, raises where part of a mesh axis cuts an array.
    """
    return parse_flatten_op_sharding(sharding._to_xla_hlo_sharding(0), mesh)[0]


def platforms(context: mlir.LoweringRuleContext) -> Sequence[str]:
    """Return the platforms that a lowering rule is asked for: several in an export."""
    return context.platforms or context.module_context.platforms


def device_count(context: mlir.LoweringRuleContext) -> int:
    """Return over how many devices XLA splits the program: 1 inside `shard_map`."""
    where = context.module_context.axis_context
    if not isinstance(where, mlir.ShardingContext) or where.abstract_mesh is None:
        return 1
    return len(where.device_assignment or (None,))


def is_exported(context: mlir.LoweringRuleContext) -> bool:
    """Return whether the program is lowered by `jax.export`."""
    return context.module_context.lowering_parameters.for_export


def add_jet_rule(primitive: Primitive) -> None:
    """Tell `jax.experimental.jet` that a primitive is bilinear."""
    from jax.experimental.jet import _bilinear_taylor_rule, jet_rules

    jet_rules[primitive] = functools.partial(_bilinear_taylor_rule, primitive)


def add_sparse_rule(primitive: Primitive, run: Callable[..., Any]) -> None:
    """Have `sparse.sparsify` call `run` where an operand of a primitive is sparse."""
    from jax.experimental.sparse.transform import (
        _standard_sparse_rule,
        sparse_rules_bcoo,
    )

    sparse_rules_bcoo[primitive] = _standard_sparse_rule(primitive, run)
