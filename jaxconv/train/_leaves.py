"""A pytree as a list of its leaves and one row of bytes, and back, bit for bit."""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def described(tree: Any) -> list[list[str]]:
    """Return each leaf's name and kind: `params.0.weights`, `float32[3, 4]`."""
    with_paths, _ = jax.tree_util.tree_flatten_with_path(tree)
    name = jax.tree_util.keystr
    return [
        [name(path, simple=True, separator="."), _kind(leaf)]
        for path, leaf in with_paths
    ]


def packed(tree: Any, into: np.ndarray | None = None) -> np.ndarray:
    """Copy the leaves to the host, one after another, into the bytes `into` if given.

    It copies even where the host is the device, because a training step takes over the
    buffers of the arrays that it is given. Reused memory is faster than new memory.
    """
    leaves = jax.tree.leaves(tree)
    ranges = _ranges(leaves)
    if into is None or into.size != ranges[-1].stop:
        into = np.empty(ranges[-1].stop, np.uint8)
    for leaf, range_ in zip(leaves, ranges, strict=True):
        numbers = _numbers(leaf)
        np.copyto(_as_array(into[range_], numbers), numbers)
    return into


def unpacked(like: Any, data: np.ndarray) -> Any:
    """Return a pytree of these bytes, with the structure and kinds of `like`."""
    leaves, structure = jax.tree.flatten(like)
    ranges = zip(leaves, _ranges(leaves), strict=True)
    return jax.tree.unflatten(
        structure, [_restored(leaf, data[range_]) for leaf, range_ in ranges]
    )


def size(tree: Any) -> int:
    """Return how many bytes the leaves take."""
    return _ranges(jax.tree.leaves(tree))[-1].stop


def _ranges(leaves: list[Any]) -> list[slice]:
    """Return the range of bytes of each leaf."""
    sizes = [math.prod(n.shape) * n.dtype.itemsize for n in map(_bits, leaves)]
    bounds = itertools.accumulate(sizes, initial=0)
    return [slice(*pair) for pair in itertools.pairwise(bounds)]


def _kind(leaf: Any) -> str:
    shaped = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return f"{shaped.dtype}{list(shaped.shape)}"


def _bits(leaf: Any) -> Any:
    """Return an array with the shape and type of a leaf's numbers."""
    if _is_key(leaf):
        return jax.random.key_data(leaf)
    return leaf if hasattr(leaf, "dtype") else np.asarray(leaf)


def _numbers(leaf: Any) -> np.ndarray:
    return np.asarray(_bits(leaf))


def _as_array(data: np.ndarray, like: Any) -> np.ndarray:
    """View bytes as an array with the shape and type of `like`."""
    return data.view(like.dtype).reshape(like.shape)


def _restored(leaf: Any, data: np.ndarray) -> Any:
    """Return a leaf of these numbers, of the same kind as `leaf`."""
    array = _as_array(data, _bits(leaf))
    if _is_key(leaf):
        impl = jax.random.key_impl(leaf)
        return jax.random.wrap_key_data(jnp.array(array), impl=impl)
    if isinstance(leaf, jax.Array):
        return jnp.array(array)
    return array.copy() if hasattr(leaf, "dtype") else type(leaf)(array.item())


def _is_key(leaf: Any) -> bool:
    key = jax.dtypes.prng_key
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, key)
