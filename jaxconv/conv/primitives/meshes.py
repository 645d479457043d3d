"""Arrays on meshes of devices: what varies over them, and who places the work."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import Array, lax
from jax.core import ShapedArray
from jax.sharding import NamedSharding, PartitionSpec, auto_axes
from jax.typing import DTypeLike

from jaxconv.conv.primitives.jax_internals import varying_axes

Axes = str | tuple[str, ...] | None


def vary_alike(*arrays: Array) -> list[Array]:
    """Cast all arrays to vary over each mesh axis that any of them varies over.

    Inside `jax.shard_map` an array that is the same on all devices becomes one that may
    differ; the transpose of that cast adds up its gradient. Elsewhere nothing happens.
    """
    own = [varying_axes(array) for array in arrays]
    missing = [sorted(frozenset().union(*own) - axes, key=str) for axes in own]
    return [
        lax.pcast(array, tuple(axes), to="varying")
        for array, axes in zip(arrays, missing, strict=True)
    ]


def placed_by_compiler(
    run: Callable[..., Array], *arrays: Array, spec: Sequence[Axes]
) -> Array:
    """Call `run`; on an explicit mesh have the compiler choose the shardings inside.

    Args:
      run: a function of the arrays.
      arrays: its arguments.
      spec: for each axis of the result, the mesh axes to shard it over there.
    """
    if any(axis is not None for array in arrays for axis in placed(array)):
        return auto_axes(run, out_sharding=PartitionSpec(*spec))(*arrays)
    return run(*arrays)


def like(
    aval: ShapedArray, shape: Sequence[int], dtype: DTypeLike | None = None
) -> ShapedArray:
    """Return the type of a result that varies over the mesh axes that `aval` does.

    On an explicit mesh it counts as whole: `placed_by_compiler` places the work.
    """
    whole = NamedSharding(aval.sharding.mesh, PartitionSpec(*[None] * len(shape)))
    dtype = aval.dtype if dtype is None else dtype
    return aval.update(shape=shape, dtype=dtype, sharding=whole, weak_type=False)


def placed(array: Array) -> tuple[Axes, ...]:
    """Return, for each axis of an array, the explicit mesh axes that shard it."""
    return tuple(jax.typeof(array).sharding.spec)


def mesh_of(*arrays: Array) -> Any:
    """Return the mesh of the first array that lies on one."""
    meshes = [jax.typeof(array).sharding.mesh for array in arrays]
    return next((mesh for mesh in meshes if not mesh.empty), meshes[0])


def kept(spec: Sequence[Axes], shape: Sequence[int], mesh: Any) -> list[Axes]:
    """Return `spec` without mesh axes that do not divide their axis, as lax does."""

    def fits(axes: Axes, size: int) -> bool:
        names = axes if isinstance(axes, tuple) else (axes,)
        return size % math.prod(mesh.shape[name] for name in names) == 0

    return [
        axes if axes is None or fits(axes, size) else None
        for axes, size in zip(spec, shape, strict=True)
    ]
