"""Carry weights from PyTorch to a model, and back.

A PyTorch `state_dict` is ordered as the modules were defined, a model as its layers
are: the entries are matched one after another, each shape is checked, and names do not
matter. So the modules must be defined in the order of the model's layers; in a residual
block, the shortcut's last. Layers and modules without weights may be anywhere.

    layer             here                             in PyTorch
    convolution       filters (in // groups, out, *k)  weight (out, in // groups, *k)
    transposed        filters (in, out // groups, *k)  weight, the same
    dense             weights (in, out)                weight (out, in)
    normalisation     scale, shift                     weight, bias
      its statistics  mean, variance                   running_mean, running_var
    any of them       bias                             bias

A flattened image's features are ordered by pixel here and by channel in PyTorch: the
rows of the next dense layer are permuted, and so are the params of a normalisation
before it.

Equal weights give equal outputs if the settings are equal too. "SAME" is the usual
cause of a silent difference. For 3 x 3 filters at stride 2 it pads an image of even
size as TensorFlow and JAX do, by 0 before and 1 after; PyTorch's `padding=1` pads both
sides. The shapes agree, and the windows lie one pixel apart:

>>> import jax.numpy as jnp
>>> from jaxconv import conv
>>> x, w = jnp.array([[[1.0, 2, 3, 4]]]), jnp.ones((1, 1, 3))
>>> conv(x, w, strides=2, padding="SAME").tolist()
[[[6.0, 7.0]]]
>>> conv(x, w, strides=2, padding=1).tolist()
[[[3.0, 9.0]]]

So give a model that takes PyTorch's weights the padding `(k - 1) // 2` of filters of k
pixels, k odd; the same holds for pooling. A normalisation's epsilon must agree too.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.nn._checks import check_params, described
from jaxconv.nn._torch_leaves import NAMES, Leaf, leaves_of
from jaxconv.nn.layer import Layer, Params, Shape, eval_shape

_BATCHES = "num_batches_tracked"  # PyTorch's count, which is not used here
_ORDER = "Modules must be defined in the order of the model's layers."


def from_torch(
    model: Layer, state_dict: Mapping[str, Any], input_shape: Shape
) -> Params:
    """Return the params of a model with the weights of the same network in PyTorch.

    Args:
      model: the layer; its settings, padding among them, are those of the network.
      state_dict: what `network.state_dict()` returns, of tensors or NumPy arrays, its
        modules defined in the order of the model's layers (see the module's docstring).
      input_shape: the shape of one observation, without the batch.

    Raises:
      ValueError: `state_dict` is not a state dict, has too many or too few entries, or
        an entry does not have the shape or kind that the model has there; the message
        names both.

    >>> from jaxconv import nn
    >>> weights = {"weight": np.array([[1.0, 2.0]]), "bias": np.array([3.0])}
    >>> from_torch(nn.Dense(1), weights, (2,))["weights"].tolist()
    [[1.0], [2.0]]
    """
    leaves = list(leaves_of("from_torch", model, input_shape))
    entries = _entries("from_torch", state_dict)
    params: Params = {}
    for leaf, (name, value) in zip(leaves, entries, strict=False):
        array = _as_array(value)
        _check_entry("from_torch", leaf, name, array.shape)
        place, (*outer, name) = params, (*leaf.place, *leaf.keys)
        for key in outer:
            place = place.setdefault(key, {})
        place[name] = jnp.asarray(leaf.from_torch(array), jnp.float32)
    _check_number("from_torch", leaves, [name for name, _ in entries])
    _check_structure("from_torch", model, input_shape, params)
    return params


def to_torch(
    model: Layer,
    params: Params,
    input_shape: Shape,
    *,
    like: Mapping[str, Any] | None = None,
) -> dict[str, np.ndarray]:
    """Return a model's params in the form of the same network in PyTorch.

    To load them in PyTorch:

        arrays = to_torch(model, params, input_shape, like=network.state_dict())
        network.load_state_dict({k: torch.from_numpy(v) for k, v in arrays.items()})

    Args:
      model: the layer.
      params: as its `init` returns them.
      input_shape: the shape of one observation, without the batch.
      like: the network's `state_dict`, for its names and to check its shapes; None
        names the entries after the paths here, `stage1.conv1.weight`.

    Returns:
      NumPy arrays in the order of the model's layers.

    Raises:
      ValueError: `params` are not the model's, or `like` is not as for `from_torch`.
    """
    check_params("to_torch", params)
    leaves = list(leaves_of("to_torch", model, input_shape))
    _check_structure("to_torch", model, input_shape, params)
    arrays = {".".join((*leaf.place, leaf.name)): leaf for leaf in leaves}
    if like is not None:
        entries = _entries("to_torch", like)
        for leaf, (name, value) in zip(leaves, entries, strict=False):
            _check_entry("to_torch", leaf, name, tuple(value.shape))
        _check_number("to_torch", leaves, [name for name, _ in entries])
        names = [name for name, _ in entries]
        arrays = dict(zip(names, leaves, strict=True))
    found = {name: leaf.to_torch(_get(params, leaf)) for name, leaf in arrays.items()}
    if like is None:
        return found
    zero = np.zeros((), np.int64)
    return {name: found.get(name, zero.copy()) for name in like}


def _get(params: Params, leaf: Leaf) -> np.ndarray:
    found: Any = params
    for key in leaf.place + leaf.keys:
        found = found[key]
    return np.asarray(found)


def _entries(caller: str, state_dict: object) -> list[tuple[str, Any]]:
    """Return the names and values of a state dict without its counters.

    Raises:
      ValueError: it is not a state dict.
    """
    name = "like" if caller == "to_torch" else "state_dict"
    if not isinstance(state_dict, Mapping):
        hint = "Write network.state_dict()."
        raise ValueError(
            f"{caller}: {name} must be a dict of arrays by name, got "
            f"{described(state_dict)}. {hint}"
        )
    for key, value in state_dict.items():
        if not hasattr(value, "shape"):
            inner = isinstance(value, Mapping)
            hint = f"Is it a checkpoint? Give {name}[{key!r}]." if inner else ""
            raise ValueError(
                f"{caller}: {name} must have arrays only, got {described(value)} as "
                f"{key!r}. {hint}".rstrip()
            )
    return [item for item in state_dict.items() if not item[0].endswith(_BATCHES)]


def _as_array(value: Any) -> np.ndarray:
    """Return a tensor or an array as a NumPy array of float32."""
    if hasattr(value, "detach"):  # NumPy has no type for PyTorch's bfloat16
        value = value.detach().cpu().float().numpy()
    return np.asarray(value).astype(np.float32)


def _check_entry(caller: str, leaf: Leaf, name: str, shape: Shape) -> None:
    """Raise ValueError unless an entry is what the model has in its place."""
    last = name.rpartition(".")[2]
    same_kind = last == leaf.name or last not in NAMES.values()
    if tuple(shape) == leaf.torch_shape and same_kind:
        return
    hint = _ORDER
    if (last == "bias") is not (leaf.name == "bias"):
        hint = f"Has one of the two layers a bias, and the other none? {_ORDER}"
    raise ValueError(
        f"{caller}: {leaf.path} {leaf.shape} must be a {leaf.name} of shape "
        f"{leaf.torch_shape} in PyTorch, got {name!r} of shape {tuple(shape)}. {hint}"
    )


def _check_number(caller: str, leaves: list[Leaf], names: list[str]) -> None:
    """Raise ValueError unless there are as many entries as arrays."""
    missing, others = leaves[len(names) :], names[len(leaves) :]
    if missing:
        paths = ", ".join(f"{leaf.path} {leaf.shape}" for leaf in missing[:4])
        more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
        raise ValueError(
            f"{caller}: the model has {len(leaves)} arrays, but PyTorch's network "
            f"{len(names)}: nothing is left for {paths}{more}. {_ORDER}"
        )
    if others:
        more = f" and {len(others) - 4} more" if len(others) > 4 else ""
        raise ValueError(
            f"{caller}: the model has {len(leaves)} arrays, but PyTorch's network "
            f"{len(names)}: the model has no place for {', '.join(others[:4])}{more}. "
            "Leave out what the model does not have."
        )


def _check_structure(
    caller: str, model: Layer, input_shape: Shape, params: Params
) -> None:
    """Raise ValueError unless params are such as the model's `init` returns."""
    _, wanted = eval_shape(model, input_shape)
    shapes = [
        {
            jax.tree_util.keystr(path, simple=True, separator="/"): jnp.shape(leaf)
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        }
        for tree in (wanted, params)
    ]
    for path in sorted(shapes[0].keys() | shapes[1].keys()):
        ours, got = (one.get(path, "no array") for one in shapes)
        if ours != got:
            raise ValueError(
                f"{caller}: params must have {ours} at {path}, as the model's init "
                f"returns them, got {got}. Were they made for this input_shape?"
            )
