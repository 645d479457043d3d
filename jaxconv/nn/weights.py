"""Params in a file: safetensors, with the path of each array as its name, no pickle.

    nn.save("model.safetensors", params, {"model": "lenet5"})
    like = jax.eval_shape(lambda key: model.init(key, shape)[1], jax.random.key(0))
    params = nn.load("model.safetensors", like)

The array `params["stage2"]["conv1"]["filters"]` is called `stage2/conv1/filters`. Any
safetensors reader reads these files, and `load` reads any safetensors file. The format
has no checksum of its own: `save` stores one of names, shapes, data and metadata in the
metadata, and `load` checks it if there is one.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.nn._checks import described
from jaxconv.nn._safetensors import (
    CODES,
    DIGEST,
    FORMAT,
    RESERVED,
    WeightsError,
    digest,
    flush,
    package,
    read,
)
from jaxconv.nn.layer import Params

_SHOWN = 5


def save(
    path: str | os.PathLike[str],
    params: Params,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write params to a safetensors file, whole or not at all.

    An existing file is replaced when the new one is complete and on the disk. An empty
    dict within params is not written; `load` restores it from `like`. Arrays that are
    sharded over devices are gathered.

    Args:
      path: the file, usually `*.safetensors`.
      params: a dict of arrays, nested as deep as you like.
      metadata: strings by name; `load_metadata` returns them.

    Raises:
      ValueError: a leaf is not an array, of a dtype that the format does not have, or
        held by other processes; a key contains "/" or is not a string; `metadata` is
        not strings. The message names the leaf.
      OSError: the file cannot be written.
    """
    package()
    from safetensors.numpy import save_file

    notes = _checked_metadata(metadata)
    arrays = {name: _on_host(name, leaf) for name, leaf in _leaves("save", params)}
    notes |= {FORMAT: "1", DIGEST: digest(arrays, notes)}
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"save: {target} is a folder. Name a file in it.")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"save: the folder {target.parent} does not exist.")
    target = target.resolve()  # a symbolic link stays one
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode  # safetensors lets only the owner read it
        try:
            save_file(arrays, temporary, notes)
            temporary.chmod(mode)
        except Exception as error:  # safetensors' own type, where the disk is full
            raise OSError(f"save: {target} cannot be written: {error}") from error
        flush(temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load(path: str | os.PathLike[str], like: Params | None = None) -> Params:
    """Read params from a safetensors file.

    Args:
      path: the file.
      like: params of the same structure, of arrays or `jax.ShapeDtypeStruct`, as
        `jax.eval_shape(lambda key: model.init(key, shape)[1], jax.random.key(0))`
        returns without drawing weights. Names, shapes and dtypes must agree; nothing
        is converted.

    Returns:
      A dict of JAX arrays, nested as the names say, or as `like` is.

    Raises:
      WeightsError: the file is damaged or not a safetensors file, does not agree with
        `like`, or has 64-bit numbers while `jax_enable_x64` is off.
      FileNotFoundError: there is no such file.
      ValueError: `like` is not a dict of arrays.
    """
    wanted = None if like is None else dict(_leaves("load: like", like))
    arrays, _ = read("load", Path(path))
    if wanted is not None:
        _check_agreement(path, arrays, wanted)
    held = {}
    for name in list(arrays):  # free each on the host before the next is copied
        held[name] = _on_device(path, name, arrays.pop(name))
    if like is None:
        return _nested(path, held)
    return _shaped_as(like, held)


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the metadata that `save` was given; the whole file is checked.

    Raises:
      WeightsError: the file is damaged or not a safetensors file.
      FileNotFoundError: there is no such file.
    """
    _, metadata = read("load_metadata", Path(path))
    return {k: v for k, v in metadata.items() if not k.startswith(RESERVED)}


def _leaves(caller: str, params: object, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each leaf with its path as a name."""
    if not isinstance(params, Mapping):
        hint = ""
        if isinstance(params, tuple) and not above:
            hint = " init returns two things: output_shape, params."
        raise ValueError(
            f"{caller}: params must be a dict, as init returns it, got "
            f"{described(params)}.{hint}"
        )
    for key, value in params.items():
        if not isinstance(key, str) or "/" in key or above + key == "__metadata__":
            raise ValueError(
                f'{caller}: keys must be strings without "/" (and not __metadata__), '
                f"got {key!r} in {above or 'params'}. Rename it: names join keys by /."
            )
        name = above + key
        if isinstance(value, Mapping):
            yield from _leaves(caller, value, f"{name}/")
        elif isinstance(value, list | tuple):
            raise ValueError(
                f"{caller}: {name} is a {type(value).__name__}; params are nested "
                "dicts only. Make it a dict, with names for its entries."
            )
        elif not (hasattr(value, "shape") and hasattr(value, "dtype")):
            raise ValueError(
                f"{caller}: {name} must be an array, got {described(value)}. Use "
                "jnp.asarray for a number; leave out what is not an array."
            )
        else:
            yield name, value


def _on_host(name: str, leaf: Any) -> np.ndarray:
    """Return a leaf as a NumPy array; on CPUs that copies nothing."""
    if isinstance(leaf, jax.core.Tracer):
        raise ValueError(f"save: {name} is traced. Call save outside jit and grad.")
    if not isinstance(leaf, jax.Array | np.ndarray | np.generic):
        raise ValueError(f"save: {name} must be an array, got {described(leaf)}.")
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        raise ValueError(
            f"save: {name} is a random key, not a parameter. Leave it out, or "
            "save jax.random.key_data of it."
        )
    if leaf.dtype.name not in CODES.values():
        raise ValueError(
            f"save: {name} is of dtype {leaf.dtype}, which safetensors files and JAX "
            f"do not share. Convert it to one of {', '.join(CODES.values())}."
        )
    if isinstance(leaf, jax.Array):
        if leaf.is_deleted():
            raise ValueError(
                f"save: {name} was deleted, as arrays given to a jitted function with "
                "donate_argnums are. Save what the function returned."
            )
        if not leaf.is_fully_addressable:
            raise ValueError(
                f"save: shards of {name} are held by other processes. Gather it first, "
                "with jax.experimental.multihost_utils.process_allgather."
            )
    array = np.asarray(leaf, order="C")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder())


def _checked_metadata(metadata: object) -> dict[str, str]:
    """Return the metadata as a dict of its own."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise ValueError(
            f"save: metadata must be a dict of strings, got {described(metadata)}."
        )
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ValueError(
                f"save: metadata must be strings by strings, got {described(value)} "
                f"for {key!r}. Use json.dumps for other values."
            )
        if key.startswith(RESERVED):
            raise ValueError(
                f"save: names in metadata that begin with {RESERVED!r} are reserved, "
                f"got {key!r}. Give it another name."
            )
    return dict(metadata)


def _check_agreement(
    path: object, arrays: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Raise WeightsError where a file's arrays are not those of `like`."""
    troubles = [
        f"{title}: {_listed(sorted(names))}"
        for title, names in (
            ("missing in the file", wanted.keys() - arrays.keys()),
            ("not in `like`", arrays.keys() - wanted.keys()),
        )
        if names
    ]
    different = []
    for name in sorted(wanted.keys() & arrays.keys()):
        theirs, ours = arrays[name], wanted[name]
        if tuple(theirs.shape) != tuple(ours.shape):
            different.append(f"{name} is {theirs.shape}, not {tuple(ours.shape)}")
        elif theirs.dtype != ours.dtype:
            different.append(f"{name} is {theirs.dtype}, not {ours.dtype}")
    if different:
        troubles.append(f"different: {_listed(different)}")
    if troubles:
        raise WeightsError(
            f"load: {path} does not hold the params of the model of `like`. "
            f"{'. '.join(troubles)}. Is it another model's file, or another setting?"
        )


def _listed(names: list[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} ({', '.join(names[:_SHOWN])}{more})"


def _on_device(path: object, name: str, array: np.ndarray) -> jax.Array:
    """Return a JAX array of the same dtype."""
    if jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype:
        raise WeightsError(
            f"load: {name} in {path} is {array.dtype}, which JAX would cut to 32 bits. "
            "Set jax_enable_x64, or read it with safetensors.numpy.load_file."
        )
    return jax.block_until_ready(jax.device_put(array))


def _nested(path: object, arrays: Mapping[str, jax.Array]) -> Params:
    """Return a dict nested as the names say."""
    params: Params = {}
    for name, array in arrays.items():
        *folders, last = name.split("/")
        place = params
        for folder in folders:
            place = place.setdefault(folder, {})
            if not isinstance(place, dict):
                break
        if not isinstance(place, dict) or last in place:
            raise WeightsError(
                f"load: {path} has {name} and another array within or above it, so its "
                "names are not paths. Read it with safetensors.numpy.load_file."
            )
        place[last] = array
    return params


def _shaped_as(like: Any, arrays: Mapping[str, jax.Array]) -> Params:
    """Return the arrays in the structure of `like`, empty dicts and all."""

    def is_leaf(node: object) -> bool:
        return not isinstance(node, Mapping)

    paths, structure = jax.tree_util.tree_flatten_with_path(like, is_leaf=is_leaf)
    names = ["/".join(entry.key for entry in path) for path, _ in paths]
    return jax.tree_util.tree_unflatten(structure, [arrays[name] for name in names])
