"""How a map is split over devices: each computes its share of the batch or channels.

XLA's own partitioner gathers the whole batch on every device where it meets a loop over
the images or a grouped convolution. The rule here tells it which axes of the trilinear
form may be cut: n, groups, ci and co; spatial axes where outputs and pixels can be cut
alike (`halo.py`); never the taps. Where an axis is cut that the map sums over, each
device has a partial sum, and these are added up over the devices. JAX cannot serialise
the executable of a program for several devices that has such a rule.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from jax import Array, lax
from jax.experimental.custom_partitioning import custom_partitioning
from jax.interpreters import mlir
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxconv.conv.geometry import Geometry
from jaxconv.conv.operands import LEADING, OPERANDS, Operand
from jaxconv.conv.primitives import halo
from jaxconv.conv.primitives.jax_internals import (
    device_count,
    include_full_tracebacks_in_locations,
    is_exported,
    spec_over,
)

Axes = tuple[str, ...]


def may_partition(context: mlir.LoweringRuleContext) -> bool:
    """Return whether XLA splits this program over devices and may ask the rule how.

    Inside `shard_map` the program is already one device's, and an exported program
    cannot call back into Python.
    """
    return device_count(context) > 1 and not is_exported(context)


def over_devices(
    run: Callable[[Array, Array, Geometry], Array], map_name: str, geometry: Geometry
) -> Callable[[Array, Array], Array]:
    """Return a map as a function of its operands that XLA can split over devices.

    Args:
      run: computes the map, for the whole convolution or for one device's.
      map_name: the map's name.
      geometry: the whole convolution.
    """
    first, second, result = OPERANDS[map_name]
    arguments = (first, second)

    def partition(mesh: Mesh, shapes, _):
        _leave_out_frames()
        specs = [_spec(shape.sharding, mesh, len(shape.shape)) for shape in shapes]
        cuts = _cuts(specs, arguments, geometry, mesh)
        summed = [name for axis in _summed(result) for name in cuts.get(axis, ())]
        pixels = _pixels(cuts, mesh)
        if result == "w":
            summed += [name for cut in pixels for name in cut.names]
        own = _shard(geometry, cuts, mesh)

        def on_one_device(*arrays):
            arrays = [
                halo.receive(array, geometry, pixels) if operand == "x" else array
                for operand, array in zip(arguments, arrays, strict=True)
            ]
            partial = run(*arrays, own)
            if summed:
                partial = lax.psum(partial, tuple(summed))
            if result == "x":
                partial = halo.send_back(partial, geometry, pixels)
            return partial

        def place(operand: Operand) -> NamedSharding:
            axes = _cut_axes(operand, geometry)
            spec = [None if axis is None else cuts.get(axis) for axis in axes]
            return NamedSharding(mesh, PartitionSpec(*spec))

        return mesh, on_one_device, place(result), tuple(map(place, arguments))

    whole = custom_partitioning(lambda a, b: run(a, b, geometry))
    rule = _rule(arguments, result, geometry)
    whole.def_partition(partition, decode_shardings=False, **rule)
    return whole


def _leave_out_frames() -> None:
    """Have this thread lower programs with one source line an operation, no frames.

    JAX lowers what a rule returns into a module of its own. XLA takes the numbers of
    its stack frames for the whole program's: where this makes a circle, its pass
    PropagateCallMetadata never ends (jaxlib 0.10.2). The thread is one that XLA starts
    for a compilation; should it be the caller's, later dumps of its programs have one
    source line an operation, too.
    """
    include_full_tracebacks_in_locations.set_local(False)


def _spec(sharding: Any, mesh: Mesh, ndim: int) -> list[Axes]:
    """Return the mesh axes over which each axis of an array is cut.

    An array that is cut over part of a mesh axis, which has no name, counts as whole.
    """
    try:
        spec = spec_over(mesh, sharding)
    except (ValueError, NotImplementedError, AssertionError):
        return [()] * ndim
    return [_names(axes) for axes in (*spec, *[None] * (ndim - len(spec)))]


def _names(axes: str | Axes | None) -> Axes:
    return (axes,) if isinstance(axes, str) else tuple(axes or ())


def _cut_axes(operand: Operand, geometry: Geometry) -> list[str | None]:
    """Return for each axis of an operand the axis of the form that is cut with it.

    None for an axis that may not be cut. If there are groups, channels are cut between
    groups only. `p0` is the first spatial axis, of outputs and of the pixels that they
    lie over.
    """
    first, groups, channels = LEADING[operand]
    leading: list[str | None] = [first, channels]
    if geometry.groups > 1:
        leading = [None if first == "ci" else first, groups]
    axes = range(len(geometry.space))
    return leading + [
        f"p{i}" if operand != "w" and halo.can_be_cut(geometry, i) else None
        for i in axes
    ]


def _summed(result: Operand) -> set[str]:
    """Return which of n, ci and co the map to `result` sums over."""
    return {"n", "ci", "co"} - set(LEADING[result])


def _cuts(
    specs: Sequence[Sequence[Axes]],
    arguments: tuple[Operand, Operand],
    geometry: Geometry,
    mesh: Mesh,
) -> dict[str, Axes]:
    """Return the mesh axes over which each axis of the form is cut.

    They are those over which the operands lie already. Where the two disagree, the
    first decides and XLA moves the other.
    """
    cuts: dict[str, Axes] = {}
    for operand, spec in zip(arguments, specs, strict=True):
        for axis, names in zip(_cut_axes(operand, geometry), spec, strict=True):
            taken = {name for others in cuts.values() for name in others}
            if axis is None or axis in cuts or not names or taken & set(names):
                continue
            if _can_be_cut(geometry, axis, _shards(names, mesh)):
                cuts[axis] = names
    return cuts


def _shards(names: Axes, mesh: Mesh) -> int:
    return math.prod(mesh.shape[name] for name in names)


def _can_be_cut(geometry: Geometry, axis: str, shards: int) -> bool:
    if axis.startswith("p"):
        return halo.neighbours_suffice(geometry, int(axis[1:]), shards)
    return getattr(geometry, axis) % shards == 0


def _pixels(cuts: dict[str, Axes], mesh: Mesh) -> list[halo.Cut]:
    """Return the cuts of spatial axes."""
    return [
        halo.cut_over(int(axis[1:]), names, mesh)
        for axis, names in cuts.items()
        if axis.startswith("p")
    ]


def _shard(geometry: Geometry, cuts: dict[str, Axes], mesh: Mesh) -> Geometry:
    """Return the convolution of one device."""
    for axis, names in cuts.items():
        if not axis.startswith("p"):
            size = getattr(geometry, axis) // _shards(names, mesh)
            geometry = dataclasses.replace(geometry, **{axis: size})
    for cut in _pixels(cuts, mesh):
        geometry = halo.shard(geometry, cut.axis, len(cut.order))
    return geometry


def _rule(
    arguments: tuple[Operand, Operand], result: Operand, geometry: Geometry
) -> dict[str, Any]:
    """Return the rule for Shardy: which axes are cut together, summed, kept whole.

    For the output: `n ci x0 x1, ci co w0 w1 -> n co g0 g1`, with groups
    `n (groups ci) x0 x1, ci (groups co) w0 w1 -> n (groups co) g0 g1`. Where a spatial
    axis can be cut, `p0` replaces `x0` and `g0`; with strides, `(p0 s0)` replaces `x0`.
    """
    grouped = geometry.groups > 1
    cut = [i for i in range(len(geometry.space)) if halo.can_be_cut(geometry, i)]

    def pixels(operand: Operand, i: int) -> list[str]:
        if operand == "w" or i not in cut:
            return [f"{operand}{i}"]
        strided = operand == "x" and geometry.strides[i] > 1
        return [f"p{i}", f"s{i}"] if strided else [f"p{i}"]

    def factors(operand: Operand) -> list[list[str]]:
        first, groups, channels = LEADING[operand]
        merged = [groups] if grouped else []
        if not grouped or getattr(geometry, channels) > 1:
            merged.append(channels)
        axes = range(len(geometry.space))
        return [[first], merged, *(pixels(operand, i) for i in axes)]

    def written(operand: Operand) -> str:
        axes = factors(operand)
        return " ".join(f"({' '.join(a)})" if len(a) > 1 else a[0] for a in axes)

    axes = [axis for operand in (*arguments, result) for axis in factors(operand)]
    names = list(dict.fromkeys(name for axis in axes for name in axis))
    alone = {axis[0] for axis in axes if len(axis) == 1}
    sizes = {name: getattr(geometry, name) for name in ("n", "groups", "ci", "co")}
    sizes |= {f"p{i}": geometry.out[i] for i in cut}
    sizes |= {f"s{i}": geometry.strides[i] for i in cut}
    whole = {"ci", "co"} if grouped else set()
    whole |= {name for name in names if name[0] in "xwgs"} - {"groups"}
    moved = {f"p{i}" for i in cut}
    summed = _summed(result) | (moved if result == "w" else set())
    a, b, c = map(written, (*arguments, result))
    return {
        "sharding_rule": f"{a}, {b} -> {c}",
        "need_replication_factors": tuple(name for name in names if name in whole),
        "reduction_factors": tuple(sorted(summed - whole)),
        "permutation_factors": tuple(sorted(moved - summed)),
        **{name: sizes[name] for name in names if name not in alone},
    }
