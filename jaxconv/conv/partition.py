"""How a map is split over devices: each computes its share of the batch or channels.

XLA's own partitioner gathers the whole batch on every device where it meets a loop over
the images or a grouped convolution. Here each axis of the trilinear form is told apart:
n, groups, ci and co may be cut, pixels and taps may not; the axis that a map sums over
leaves partial sums, which are added up over the devices. JAX cannot serialise the
executable of a program for several devices that holds such a rule of one's own.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from jax import Array, lax
from jax._src.sharding_impls import parse_flatten_op_sharding
from jax.experimental.custom_partitioning import custom_partitioning
from jax.interpreters import mlir
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxconv.conv.geometry import Geometry
from jaxconv.conv.operands import LEADING, Operand

Axes = tuple[str, ...]


def may_partition(ctx: mlir.LoweringRuleContext) -> bool:
    """Return whether XLA splits this program over devices and needs to be told how.

    Not so inside `shard_map`, where each device runs its own, nor in an exported
    program, which cannot call back.
    """
    where = ctx.module_context
    devices = getattr(where.axis_context, "device_assignment", None)
    mesh = getattr(where.axis_context, "abstract_mesh", None)
    known = devices is not None and len(devices) > 1 and mesh is not None
    return known and not where.lowering_parameters.for_export


def over_devices(
    run: Callable[[Array, Array, Geometry], Array],
    arguments: tuple[Operand, Operand],
    result: Operand,
    geometry: Geometry,
) -> Callable[[Array, Array], Array]:
    """Return `run` with `geometry` as a function that XLA can split over devices."""

    def partition(mesh: Mesh, shapes, _):
        specs = [_spec(shape.sharding, mesh) for shape in shapes]
        cuts = _cuts(specs, arguments, geometry, mesh)
        share = geometry
        for axis, names in cuts.items():
            size = getattr(share, axis) // math.prod(mesh.shape[name] for name in names)
            share = dataclasses.replace(share, **{axis: size})
        summed = [name for axis in _summed(result) for name in cuts.get(axis, ())]

        def on_one_device(a, b):
            partial = run(a, b, share)
            return lax.psum(partial, tuple(summed)) if summed else partial

        def place(operand: Operand) -> NamedSharding:
            axes = _cut_axes(operand, geometry)
            spec = [None if axis is None else cuts.get(axis) for axis in axes]
            return NamedSharding(mesh, PartitionSpec(*spec))

        return mesh, on_one_device, place(result), tuple(map(place, arguments))

    whole = custom_partitioning(lambda a, b: run(a, b, geometry))
    rule = _rule(arguments, result, geometry)
    whole.def_partition(partition, decode_shardings=False, **rule)
    return whole


def _spec(sharding: Any, mesh: Mesh) -> tuple[Axes, Axes]:
    """Return the mesh axes over which axes 0 and 1 of an array are cut.

    A cut by part of a mesh axis has no name; the array is then taken whole.
    """
    try:
        spec = parse_flatten_op_sharding(sharding._to_xla_hlo_sharding(0), mesh)[0]
    except (ValueError, NotImplementedError, AssertionError):
        return (), ()
    first, second, *_ = (*spec, None, None)
    return _names(first), _names(second)


def _names(axes: str | Axes | None) -> Axes:
    return (axes,) if isinstance(axes, str) else tuple(axes or ())


def _cut_axes(operand: Operand, geometry: Geometry) -> tuple[str | None, str]:
    """Return which axis of the form is cut where axis 0 or 1 of the operand is.

    Where there are groups, channels are cut between groups only.
    """
    first, groups, channels = LEADING[operand]
    if geometry.groups == 1:
        return first, channels
    return (None if first == "ci" else first), groups


def _summed(result: Operand) -> set[str]:
    """Return the axis that the map to `result` sums over."""
    return {"n", "ci", "co"} - set(LEADING[result])


def _cuts(
    specs: Sequence[tuple[Axes, Axes]],
    arguments: tuple[Operand, Operand],
    geometry: Geometry,
    mesh: Mesh,
) -> dict[str, Axes]:
    """Return the mesh axes to cut each axis over, as the arguments lie already.

    Where the two disagree, the first has its way and the other is moved.
    """
    cuts: dict[str, Axes] = {}
    for operand, spec in zip(arguments, specs, strict=True):
        for axis, names in zip(_cut_axes(operand, geometry), spec, strict=True):
            parts = math.prod(mesh.shape[name] for name in names)
            taken = {name for others in cuts.values() for name in others}
            if axis is None or axis in cuts or taken & set(names):
                continue
            if names and getattr(geometry, axis) % parts == 0:
                cuts[axis] = names
    return cuts


def _rule(
    arguments: tuple[Operand, Operand], result: Operand, geometry: Geometry
) -> dict[str, Any]:
    """Write down for Shardy which axes go together, which are summed, which stay whole.

    For the output: `n ci x0 x1, ci co w0 w1 -> n co g0 g1`, with groups
    `n (groups ci) x0 x1, ci (groups co) w0 w1 -> n (groups co) g0 g1`.
    """
    grouped = geometry.groups > 1

    def factors(operand: Operand) -> list[list[str]]:
        first, groups, channels = LEADING[operand]
        merged = [groups] if grouped else []
        if not grouped or getattr(geometry, channels) > 1:
            merged.append(channels)
        pixels = [[f"{operand}{i}"] for i in range(len(geometry.space))]
        return [[first], merged, *pixels]

    def written(operand: Operand) -> str:
        axes = factors(operand)
        return " ".join(f"({' '.join(a)})" if len(a) > 1 else a[0] for a in axes)

    axes = [axis for operand in (*arguments, result) for axis in factors(operand)]
    names = list(dict.fromkeys(name for axis in axes for name in axis))
    alone = {axis[0] for axis in axes if len(axis) == 1}
    whole = {"ci", "co"} if grouped else set()
    whole |= {name for name in names if name[0] in "xwg" and name != "groups"}
    a, b, c = map(written, (*arguments, result))
    return {
        "sharding_rule": f"{a}, {b} -> {c}",
        "need_replication_factors": tuple(name for name in names if name in whole),
        "reduction_factors": tuple(_summed(result) - whole),
        **{name: getattr(geometry, name) for name in names if name not in alone},
    }
