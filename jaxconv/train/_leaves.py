"""A pytree's leaves as named arrays on the host, and back, bit for bit."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Leaf(NamedTuple):
    """A leaf on the host; `kind` is its type and shape, such as `float32[3, 4]`."""

    name: str  # where it is in the tree, such as params.0.weights
    kind: str
    data: np.ndarray  # the bits of a random key as numbers


def named(tree: Any) -> list[tuple[str, Any]]:
    """Return the leaves with their names."""
    with_paths, _ = jax.tree_util.tree_flatten_with_path(tree)
    name = jax.tree_util.keystr
    return [(name(path, simple=True, separator="."), leaf) for path, leaf in with_paths]


def on_host(tree: Any, buffers: Sequence[np.ndarray] = ()) -> list[Leaf]:
    """Copy the leaves to the host, into `buffers` of an earlier call if they fit.

    They are copies even where the host is the device: a training step takes the arrays
    that it is given, and memory used again is faster than memory asked for anew.
    """
    leaves = []
    for number, (name, leaf) in enumerate(named(tree)):
        data = np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
        if number < len(buffers) and _fits(buffers[number], data):
            np.copyto(buffers[number], data)
            data = buffers[number]
        else:
            data = np.array(data, order="C")
        leaves.append(Leaf(name, kind(leaf), data))
    return leaves


def rebuilt(like: Any, arrays: Sequence[np.ndarray]) -> Any:
    """Return a pytree with the structure and kinds of `like`, of the arrays' bits."""
    leaves, structure = jax.tree.flatten(like)
    pairs = zip(leaves, arrays, strict=True)
    return jax.tree.unflatten(structure, [_as(leaf, data) for leaf, data in pairs])


def kind(leaf: Any) -> str:
    """Return a leaf's type and shape in words."""
    shaped = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return f"{shaped.dtype}{list(shaped.shape)}"


def bits_of(leaf: Any) -> jax.ShapeDtypeStruct:
    """Return the shape and type of the array that holds a leaf's bits."""
    data = jax.random.key_data(leaf) if _is_key(leaf) else leaf
    data = data if hasattr(data, "dtype") else np.asarray(data)
    return jax.ShapeDtypeStruct(data.shape, data.dtype)


def _as(leaf: Any, data: np.ndarray) -> Any:
    """Return `data` as what `leaf` is."""
    if _is_key(leaf):
        return jax.random.wrap_key_data(jnp.array(data), impl=jax.random.key_impl(leaf))
    if isinstance(leaf, jax.Array):
        return jnp.array(data)
    return np.array(data) if hasattr(leaf, "dtype") else type(leaf)(data.item())


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(
        leaf.dtype, jax.dtypes.prng_key
    )


def _fits(buffer: np.ndarray, data: np.ndarray) -> bool:
    return (buffer.shape, buffer.dtype) == (data.shape, data.dtype)
