"""The three maps of a convolution as JAX primitives, each other's derivatives.

With `T(x, w, g) = sum(g * conv(x, w))`, linear in each of its three arguments:

    output(x, w)     = dT/dg        transposed in x: input_grad    in w: param_grad
    input_grad(g, w) = dT/dx        transposed in g: output        in w: param_grad
    param_grad(x, g) = dT/dw        transposed in x: input_grad    in g: output

The set is closed, so derivatives of any order, forward and reverse, run the three
hand-written maps of the chosen method and nothing else.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax._src import dispatch
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.lax import Precision
from jax.sharding import NamedSharding, PartitionSpec

from jaxconv.conv.auto.plan import execute, plan_for
from jaxconv.conv.auto.target import Target, target_of
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import check_served
from jaxconv.conv.operands import (
    Operand,
    fold,
    shape_of,
    shared_axis,
    unfold,
)
from jaxconv.conv.primitives.meshes import (
    Axes,
    kept,
    mesh_of,
    placed,
    placed_by_compiler,
    vary_alike,
)
from jaxconv.conv.primitives.partition import may_partition, over_devices
from jaxconv.conv.primitives.portable import method_for
from jaxconv.conv.primitives.transformations import Bilinear, register


def output(x: Array, w: Array, **facts: Any) -> Array:
    """Convolve `x` with `w`."""
    return _bind(output_p, x, w, **facts)


def input_grad(g: Array, w: Array, **facts: Any) -> Array:
    """Compute the gradient at the input, given the gradient at the output."""
    return _bind(input_grad_p, g, w, **facts)


def param_grad(x: Array, g: Array, **facts: Any) -> Array:
    """Compute the gradient at the filters, given the gradient at the output."""
    return _bind(param_grad_p, x, g, **facts)


def _bind(
    primitive: Primitive,
    a: Array,
    b: Array,
    *,
    geometry: Geometry,
    method: str,
    precision: Precision | None = None,
) -> Array:
    """Bind as sharding wants it: operands that vary over the same mesh axes.

    On an explicit mesh the compiler places the work, and as in lax the batch and the
    pixels stay where they were.
    """
    method = method_for(method)
    check_served(method, geometry, a.dtype, "jaxconv")
    a, b = vary_alike(a, b)
    bind = functools.partial(
        primitive.bind, geometry=geometry, method=method, precision=precision
    )
    spec = _spec(RESULTS[primitive], geometry, placed(a), mesh_of(a))
    return placed_by_compiler(bind, a, b, spec=spec)


def _spec(
    result: Operand, geometry: Geometry, spec: Sequence[Axes], mesh: Any
) -> list[Axes]:
    """Return how a result lies on an explicit mesh where the first operand lies so.

    The filters' gradient, a sum over batch and pixels, lies whole on every device.
    """
    shape = shape_of(result, geometry)
    if result == "w":
        return [None] * len(shape)
    batch, _, *pixels = spec
    return kept((batch, None, *pixels), shape, mesh)


def _run(
    a: Array,
    b: Array,
    geometry: Geometry,
    *,
    name: str,
    method: str,
    precision: Precision | None,
    target: Target,
) -> Array:
    """Compute a map as planned for its geometry, which may be a device's share."""
    plan = plan_for(name, geometry, a.dtype, method, target)
    return execute(plan, a, b, precision)


def _primitive(
    name: str, arguments: tuple[Operand, Operand], result: Operand
) -> Primitive:
    """Make the primitive that takes two operands of the form to the third."""
    primitive = Bilinear(f"conv_{name}")

    def lower(ctx, a, b, *, geometry: Geometry, **facts):
        geometry.check_countable("conv")
        platforms = ctx.platforms or ctx.module_context.platforms
        exported = ctx.module_context.lowering_parameters.for_export
        target = target_of(tuple(platforms), exported)
        run = functools.partial(_run, name=name, target=target, **facts)
        if may_partition(ctx) and not geometry.is_empty:
            whole = over_devices(run, arguments, result, geometry)
        else:
            whole = functools.partial(run, geometry=geometry)
        return mlir.lower_fun(whole, multiple_results=False)(ctx, a, b)

    def abstract(a, b, *, geometry: Geometry, **facts) -> ShapedArray:
        shape = shape_of(result, geometry)
        placed = NamedSharding(a.sharding.mesh, PartitionSpec(*[None] * len(shape)))
        return a.update(shape=shape, sharding=placed, weak_type=False)

    def batch(arrays, mapped_axes, *, geometry: Geometry, **facts):
        """Fold the mapped axis into the geometry, run the same map, unfold it."""
        pairs = list(zip(arrays, mapped_axes, strict=True))
        extra, first = next(
            (array.shape[at], placed(array)[at])
            for array, at in pairs
            if at is not None
        )
        a, at = pairs[0]
        inner = [axes for i, axes in enumerate(placed(a)) if i != at]
        mesh, shape = mesh_of(*arrays), (extra, *shape_of(result, geometry))
        spec = kept((first, *_spec(result, geometry, inner, mesh)), shape, mesh)

        def folded(*arrays):
            triples = list(zip(arguments, arrays, mapped_axes, strict=True))
            carriers = {operand for operand, _, at in triples if at is not None}
            axis = shared_axis(carriers | {result})
            wide = primitive.bind(
                *(
                    array
                    if at is None
                    else fold(jnp.moveaxis(array, at, 0), operand, axis, geometry)
                    for operand, array, at in triples
                ),
                geometry=geometry.widen(axis, extra),
                **facts,
            )
            return unfold(wide, result, axis, geometry, extra)

        return placed_by_compiler(folded, *arrays, spec=spec), 0

    compiled = jax.jit(
        primitive.bind, static_argnames=("geometry", "method", "precision")
    )

    def impl(a: Array, b: Array, **facts) -> Array:
        """Compile one map, as jit does many: what runs is what `lower` says."""
        with jax.disable_jit(False):
            return compiled(a, b, **facts)

    primitive.def_impl(impl)
    primitive.def_abstract_eval(abstract)
    batching.primitive_batchers[primitive] = batch
    mlir.register_lowering(primitive, lower)
    dispatch.prim_requires_devices_during_lowering.add(primitive)
    register(primitive)
    return primitive


output_p = _primitive("output", ("x", "w"), "g")
input_grad_p = _primitive("input_grad", ("g", "w"), "x")
param_grad_p = _primitive("param_grad", ("x", "g"), "w")
RESULTS: dict[Primitive, Operand] = {
    output_p: "g",
    input_grad_p: "x",
    param_grad_p: "w",
}

ad.defbilinear(
    output_p,
    lambda ct, x, w, **facts: input_grad(ct, w, **facts),
    lambda ct, x, w, **facts: param_grad(x, ct, **facts),
)
ad.defbilinear(
    input_grad_p,
    lambda ct, g, w, **facts: output(ct, w, **facts),
    lambda ct, g, w, **facts: param_grad(ct, g, **facts),
)
ad.defbilinear(
    param_grad_p,
    lambda ct, x, g, **facts: input_grad(g, ct, **facts),
    lambda ct, x, g, **facts: output(x, ct, **facts),
)
