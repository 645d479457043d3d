"""Arrays on meshes of devices: what varies over them, and who places the work."""

from collections.abc import Callable

import jax
from jax import Array, lax
from jax.sharding import PartitionSpec, auto_axes


def vary_alike(*arrays: Array) -> list[Array]:
    """Make all vary over every mesh axis that one of them varies over.

    Inside `jax.shard_map` an array that is the same on all devices becomes one that may
    differ; the transpose of that cast adds up its gradient. Elsewhere nothing happens.
    """
    own = [jax.typeof(array).manual_axis_type.varying for array in arrays]
    missing = [sorted(frozenset().union(*own) - axes, key=str) for axes in own]
    return [
        lax.pcast(array, tuple(axes), to="varying")
        for array, axes in zip(arrays, missing, strict=True)
    ]


def placed_by_compiler(
    run: Callable[..., Array], *arrays: Array, first: object = None
) -> Array:
    """Call `run`; on an explicit mesh let the compiler place what it does.

    Args:
      run: a function of the arrays.
      arrays: its arguments.
      first: the mesh axes over which the result's first axis is to lie there.
    """
    specs = [jax.typeof(array).sharding.spec for array in arrays]
    if any(axis is not None for spec in specs for axis in spec):
        return auto_axes(run, out_sharding=PartitionSpec(first))(*arrays)
    return run(*arrays)
