"""The three maps of a convolution as JAX primitives, each other's derivatives.

With `T(x, w, g) = sum(g * conv(x, w))`, linear in each of its three arguments:

    output(x, w)     = dT/dg        transposed in x: input_grad    in w: param_grad
    input_grad(g, w) = dT/dx        transposed in g: output        in w: param_grad
    param_grad(x, g) = dT/dw        transposed in x: input_grad    in g: output

The set is closed, so derivatives of any order, forward and reverse, run the three
hand-written maps of the chosen method and nothing else.

A primitive is an operation that JAX does not look into. `_bind` applies one: JAX hands
it to the transformation at work, which asks for the primitive's own rule. The rules
follow in the order of JAX's tutorial "Autodidax": abstract evaluation, transposition,
batching, lowering; the last lines register them, and the evaluation by a compiled
program. In all of them `name` is the map's, a key of `OPERANDS`.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.lax import Precision

from jaxconv.conv.auto.plan import execute, plan_for
from jaxconv.conv.auto.target import Target, target_of
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import check_served
from jaxconv.conv.operands import OPERANDS, fold, shape_of, shared_axis, unfold
from jaxconv.conv.primitives.eager import compile_and_run
from jaxconv.conv.primitives.jax_internals import (
    is_exported,
    platforms,
    prim_requires_devices_during_lowering,
)
from jaxconv.conv.primitives.meshes import (
    Axes,
    kept,
    like,
    mesh_of,
    placed,
    placed_by_compiler,
    vary_alike,
)
from jaxconv.conv.primitives.partition import may_partition, over_devices
from jaxconv.conv.primitives.portable import method_for
from jaxconv.conv.primitives.transformations import Bilinear, register

PRIMITIVES: dict[str, Primitive] = {name: Bilinear(f"conv_{name}") for name in OPERANDS}


def output(x: Array, w: Array, **settings: Any) -> Array:
    """Convolve `x` with `w`."""
    return _bind("output", x, w, **settings)


def input_grad(g: Array, w: Array, **settings: Any) -> Array:
    """Compute the gradient at the input, given the gradient at the output."""
    return _bind("input_grad", g, w, **settings)


def param_grad(x: Array, g: Array, **settings: Any) -> Array:
    """Compute the gradient at the filters, given the gradient at the output."""
    return _bind("param_grad", x, g, **settings)


def _bind(
    name: str,
    a: Array,
    b: Array,
    *,
    geometry: Geometry,
    method: str,
    precision: Precision | None = None,
) -> Array:
    """Apply a primitive, by a method that serves the convolution.

    Inside `shard_map` JAX asks for operands that vary over the same mesh axes. On an
    explicit mesh the compiler shards the work, and the result's batch and pixels are
    sharded as those of the first operand, as in lax.
    """
    method = method_for(method)
    check_served(method, geometry, a.dtype, "jaxconv")
    a, b = vary_alike(a, b)
    bind = functools.partial(
        PRIMITIVES[name].bind, geometry=geometry, method=method, precision=precision
    )
    spec = _spec(name, geometry, placed(a), mesh_of(a))
    return placed_by_compiler(bind, a, b, spec=spec)


def _spec(name: str, geometry: Geometry, spec: Sequence[Axes], mesh: Any) -> list[Axes]:
    """Return how a result is sharded on an explicit mesh, given the first operand.

    The filters' gradient, a sum over batch and pixels, is whole on every device.
    """
    *_, result = OPERANDS[name]
    if result == "w":
        return [None] * len(spec)
    batch, _, *pixels = spec
    return kept((batch, None, *pixels), shape_of(result, geometry), mesh)


def _abstract(name: str, a: ShapedArray, *_: Any, geometry: Geometry, **__: Any) -> Any:
    """Abstract evaluation: JAX asks for the result's shape and type, without values.

    The geometry has the shape. The type is that of both operands.
    """
    return like(a, shape_of(OPERANDS[name][2], geometry))


def _transpose(name: str, at: int, ct: Array, a: Any, b: Any, **settings) -> Array:
    """Transposition: JAX asks for the cotangent of operand `at`, given the result's.

    With the result's cotangent `ct` in the result's place, T is <ct, map(a, b)>. The
    operand's cotangent is the derivative of that, which the map to this operand makes.
    """
    first, second, result = OPERANDS[name]
    given, wanted = {first: a, second: b, result: ct}, OPERANDS[name][at]
    to_it = next(other for other in OPERANDS if OPERANDS[other][2] == wanted)
    first, second, _ = OPERANDS[to_it]
    return _bind(to_it, given[first], given[second], **settings)


def _batch(
    name: str,
    arrays: Sequence[Array],
    mapped_axes: Sequence[int | None],
    *,
    geometry: Geometry,
    **settings,
) -> tuple[Array, int]:
    """Batching: `vmap` asks for all results at once, and which axis they are along.

    The mapped operands and the result share an axis of T that the other operand, if it
    is not mapped, lacks: n, co or ci; all three share the groups. Along it the results
    do not mix, so the mapped axis is folded into it, and unfolded from the result.
    """
    *arguments, result = OPERANDS[name]
    mapped = {
        operand: (array.shape[at], placed(array)[at])
        for operand, array, at in zip(arguments, arrays, mapped_axes, strict=True)
        if at is not None
    }
    axis = shared_axis(mapped.keys() | {result})
    size, lies = next(iter(mapped.values()))

    def folded(*arrays: Array) -> Array:
        arrays = tuple(
            array
            if at is None
            else fold(jnp.moveaxis(array, at, 0), operand, axis, geometry)
            for operand, array, at in zip(arguments, arrays, mapped_axes, strict=True)
        )
        wide = geometry.widen(axis, size)
        many = PRIMITIVES[name].bind(*arrays, geometry=wide, **settings)
        return unfold(many, result, axis, geometry, size)

    own = [axes for i, axes in enumerate(placed(arrays[0])) if i != mapped_axes[0]]
    spec = (lies, *_spec(name, geometry, own, mesh_of(*arrays)))
    return placed_by_compiler(folded, *arrays, spec=spec), 0


def _lower(name: str, context, a, b, *, geometry: Geometry, **settings):
    """Lowering: JAX asks for the operations of XLA that compute the map.

    They are what the method's code does, traced here. Where XLA splits the program over
    devices, the rule of `partition.py` comes with them.
    """
    geometry.check_countable("conv")
    settings["target"] = target_of(platforms(context), is_exported(context))
    run = functools.partial(_compute, name=name, **settings)
    if may_partition(context) and not geometry.is_empty:
        whole = over_devices(run, name, geometry)
    else:
        whole = functools.partial(run, geometry=geometry)
    return mlir.lower_fun(whole, multiple_results=False)(context, a, b)


def _compute(
    a: Array,
    b: Array,
    geometry: Geometry,
    *,
    name: str,
    method: str,
    precision: Precision | None,
    target: Target,
) -> Array:
    """Compute a map as planned for its geometry, which may be a device's share.

    The scope names map and method in the compiled program, for profilers to show.
    """
    plan = plan_for(name, geometry, a.dtype, method, target)
    with jax.named_scope(f"conv_{name}/{plan.method}"):
        return execute(plan, a, b, precision)


for _name, _primitive in PRIMITIVES.items():
    # Evaluation: JAX asks for the result of arrays that hold numbers.
    _primitive.def_impl(compile_and_run(_primitive, "geometry", "method", "precision"))
    _primitive.def_abstract_eval(functools.partial(_abstract, _name))
    # A map that is linear in each operand is its own derivative: d(a*b) = da*b + a*db.
    transposes = [functools.partial(_transpose, _name, at) for at in (0, 1)]
    ad.defbilinear(_primitive, *transposes)
    batching.primitive_batchers[_primitive] = functools.partial(_batch, _name)
    mlir.register_lowering(_primitive, functools.partial(_lower, _name))
    prim_requires_devices_during_lowering.add(_primitive)
    register(_primitive)
