"""What a layer is: two pure functions, and the ways to combine them.

    init(key, input_shape)           -> (output_shape, params)
    apply(params, x, *, key=None)    -> y

Shapes leave out the batch axis; `x` and `y` have it first. `params` is a dict of
arrays, nested where layers are, `{}` for a layer without any. `key` is the source of a
layer's randomness (dropout); without one, `apply` computes what inference needs.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import jax
from jax import Array

from jaxconv.nn._checks import (
    as_called,
    check_key,
    check_params,
    check_shape,
    described,
)

Shape = tuple[int, ...]
Params = dict[str, Any]
Init = Callable[[Array, Shape], tuple[Shape, Params]]
Apply = Callable[..., Array]


@dataclasses.dataclass(frozen=True)
class Layer:
    """Two pure functions; `init, apply = layer` unpacks them.

    `name` says what kind of layer this is; `serial` numbers it. `parts` are the named
    layers that a combination is made of, for `summary`.
    """

    init: Init
    apply: Apply
    name: str = "layer"
    parts: tuple[tuple[str, "Layer"], ...] = ()

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        """Yield `init`, then `apply`."""
        return iter((self.init, self.apply))

    def __call__(self, *_: object, **__: object) -> NoReturn:
        """Say how a layer is applied."""
        raise TypeError(
            f"{self.name}: a layer is two functions, and is not called itself. Write "
            "layer.apply(params, x), with params from layer.init(key, input_shape)."
        )

    def __repr__(self) -> str:
        """Name the layer and its parts."""
        parts = ", ".join(name for name, _ in self.parts)
        return f"<Layer {self.name}{f': {parts}' if parts else ''}>"


def serial(*layers: Layer) -> Layer:
    """Chain layers: each one's output is the next one's input.

    `params` has an entry for each layer that has parameters, named after its kind and
    its place among those of its kind: `conv1`, `conv2`, `dense1`.

    Raises:
      ValueError: an argument is not a `Layer`.

    >>> from jaxconv import nn
    >>> shape, params = nn.serial(nn.Dense(3), nn.Tanh()).init(jax.random.key(0), (2,))
    >>> shape, sorted(params["dense1"])
    ((3,), ['bias', 'weights'])
    """
    counts: Counter[str] = Counter()
    parts: list[tuple[str, Layer]] = []
    for position, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise ValueError(
                f"serial: argument {position} must be a Layer, got {described(layer)}. "
                f"{_meant(layer)}"
            )
        counts[layer.name] += 1
        name = f"{layer.name}{counts[layer.name]}"
        if name in dict(parts):
            raise ValueError(
                f"serial: two layers would be called {name!r}. Give argument "
                f"{position} another Layer.name, one that does not end in a digit."
            )
        parts.append((name, layer))

    def init(key, input_shape):
        check_key("serial", key)
        shape, params = check_shape("serial", input_shape), {}
        for part_key, (name, layer) in zip(_split(key, len(parts)), parts, strict=True):
            shape, part_params = layer.init(part_key, shape)
            if part_params:
                params[name] = part_params
        return shape, params

    def apply(params, x, *, key=None):
        check_params("serial", params)
        if key is not None:
            check_key("serial", key)
        if unknown := params.keys() - dict(parts):
            raise ValueError(
                f"serial: params has entries {sorted(unknown)}, but the layers are "
                f"{list(dict(parts))}. Was it made by this model's init?"
            )
        for part_key, (name, layer) in zip(_split(key, len(parts)), parts, strict=True):
            x = layer.apply(params.get(name, {}), x, key=part_key)
        return x

    return Layer(init, apply, "serial", tuple(parts))


def followed_by(caller: str, layer: Layer, *others: Layer) -> Layer:
    """Chain layers of which only the first has parameters; they stay its own.

    `caller` is the name that errors begin with.
    """

    def init(key, input_shape):
        check_key(caller, key)
        shape, params = layer.init(key, check_shape(caller, input_shape))
        for other in others:
            shape, other_params = other.init(key, shape)
            if other_params:
                raise ValueError(
                    f"{caller}: {other.name} has parameters, so it cannot be the "
                    f"activation of {layer.name}. Make it a layer of its own, with "
                    "serial."
                )
        return shape, params

    def apply(params, x, *, key=None):
        check_params(caller, params)
        if key is not None:
            check_key(caller, key)
        first_key, *other_keys = _split(key, 1 + len(others))
        y = layer.apply(params, x, key=first_key)
        for other, other_key in zip(others, other_keys, strict=True):
            y = other.apply({}, y, key=other_key)
        return y

    return Layer(init, apply, layer.name)


def keeps_shape(caller: str) -> Init:
    """Return the `init` of a layer that has no parameters and keeps the shape."""

    def init(key, input_shape):
        return check_shape(caller, input_shape), {}

    return init


def _meant(argument: object) -> str:
    """Say how an argument of `serial` that is no layer should be written."""
    if call := as_called(argument):
        return f"Write {call}."
    if (
        isinstance(argument, tuple)
        and len(argument) == 2
        and all(map(callable, argument))
    ):
        return "Write Layer(init, apply)."
    if isinstance(argument, list | tuple | Iterator):
        return "Write serial(*layers), with an asterisk."
    if callable(argument):
        return "Write elementwise(function), if it keeps the shape."
    return "Make one with Layer(init, apply), or from a function with elementwise."


def _split(key: Array | None, count: int) -> list[Array | None]:
    """Return a key for each part; none if there is none."""
    return [None] * count if key is None else list(jax.random.split(key, count))
