"""Layers made of layers: how data flow through the parts, and where their params are.

`combine.py` defines the kinds of combinations; all of them are made here.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from jaxconv.nn._checks import (
    as_called,
    at_part,
    check_key,
    check_params,
    check_shape,
    described,
)
from jaxconv.nn._memory import channels_first, channels_last
from jaxconv.nn.layer import Flow, Layer, Part, split, update

Join = Literal["sum", "concatenate", "tuple"]
_Step = Callable[[str, Layer, Any], Any]


def combination(
    caller: str, parts: tuple[Part, ...], flow: Flow, join: Join = "tuple"
) -> Layer:
    """Make a layer of named layers, its parts.

    At most one part may have no name: its parameters stand beside the others' entries.
    """
    names = dict(parts)

    def init(key, input_shape):
        check_key(caller, key)
        keys, params = _keys(key, parts), {}

        def step(name, layer, shape):
            with at_part(name):
                shape, part_params = layer.init(keys[name], shape)
            if part_params:
                params.update({name: part_params} if name else part_params)
            return shape

        shapes = _flow(caller, flow, parts, step, check_shape(caller, input_shape))
        return _join_shapes(caller, parts, join, shapes), params

    def run(one, params, x, key):
        check_params(caller, params)
        if key is not None:
            check_key(caller, key)
        if "" not in names and (unknown := params.keys() - names):
            raise ValueError(
                f"{caller}: params has entries {sorted(unknown)}, but the layers are "
                f"{list(names)}. Was it made by this model's init?"
            )
        keys = _keys(key, parts)

        def step(name, layer, x):
            given = params.get(name, {}) if name else _own(params, parts)
            with at_part(name):
                return one(name, layer, given, x, keys[name])

        return _join(join, _flow(caller, flow, parts, step, x))

    def apply(params, x, *, key=None):
        def one(name, layer, given, x, key):
            return layer.apply(given, x, key=key)

        return run(one, params, x, key)

    def updated(params, x, *, key=None, mask=None):
        after = dict(params)

        def one(name, layer, given, x, key):
            y, changed = update(layer, given, x, key=key, mask=mask)
            if changed:
                after.update({name: changed} if name else changed)
            return y

        return run(one, params, x, key), after

    keeps = any(layer.update is not None for _, layer in parts)
    return Layer(init, apply, caller, parts, updated if keeps else None, flow)


def _flow(caller: str, flow: Flow, parts: tuple[Part, ...], step: _Step, x: Any) -> Any:
    """Send `x`, shapes or arrays, through the parts."""
    if flow == "serial":
        for name, layer in parts:
            x = step(name, layer, x)
        return x
    if flow == "parallel":
        return tuple(step(name, layer, x) for name, layer in parts)
    if not isinstance(x, tuple) or len(x) != len(parts):
        raise ValueError(
            f"{caller}: give a tuple of {len(parts)}, one for each layer, got "
            f"{described(x)}."
        )
    return tuple(step(*part, one) for part, one in zip(parts, x, strict=True))


def _join(join: Join, ys: Any) -> Any:
    if join == "sum":
        total, *others = ys
        for y in others:
            total = jax.tree.map(_sum, total, y)
        return total
    if join == "concatenate":
        return channels_first(jnp.concatenate([channels_last(y) for y in ys], axis=-1))
    return ys


def _sum(a: Array, b: Array) -> Array:
    return channels_first(channels_last(a) + channels_last(b))


def _join_shapes(caller: str, parts: tuple[Part, ...], join: Join, shapes: Any) -> Any:
    """Return the shape of `_join`'s result.

    Raises:
      ValueError: the shapes do not fit together.
    """
    if join == "tuple":
        return shapes
    fit = {shape if join == "sum" else shape[1:] for shape in shapes}
    if join == "sum" and len(fit) == 1:
        return shapes[0]
    arrays = all(shape and isinstance(shape[0], int) for shape in shapes)
    if join == "concatenate" and len(fit) == 1 and arrays:
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])
    found = ", ".join(
        f"{name or 'the layers'} {shape}"
        for (name, _), shape in zip(parts, shapes, strict=True)
    )
    wanted = {
        "sum": "outputs that are added must have one shape",
        "concatenate": "outputs that are concatenated may differ in axis 0, the "
        "channels, only",
    }[join]
    hint = " Give residual a shortcut=." if caller == "residual" else ""
    raise ValueError(f"{caller}: {wanted}, got {found}.{hint}")


def name_parts(caller: str, layers: Sequence[Layer]) -> tuple[Part, ...]:
    """Name layers after their kind, numbered, unless `named` has named them.

    Raises:
      ValueError: an argument is not a layer, or two would have one name.
    """
    check_layers(caller, layers)
    counts: Counter[str] = Counter()
    parts: dict[str, Layer] = {}
    for position, layer in enumerate(layers):
        counts[layer.name] += 1
        name = layer.name if layer.exact else f"{layer.name}{counts[layer.name]}"
        if name in parts:
            raise ValueError(
                f"{caller}: two layers would be called {name!r}. Give argument "
                f"{position} another name: named(name, layer)."
            )
        parts[name] = layer
    return tuple(parts.items())


def check_layers(caller: str, layers: Sequence[object]) -> None:
    for position, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise ValueError(
                f"{caller}: argument {position} must be a Layer, got "
                f"{described(layer)}. {_meant(caller, layer)}"
            )


def _meant(caller: str, argument: object) -> str:
    """Say what to write for an argument that is not a layer."""
    if call := as_called(argument):
        return f"Write {call}."
    if (
        isinstance(argument, tuple)
        and len(argument) == 2
        and all(map(callable, argument))
    ):
        return "Write Layer(init, apply)."
    if isinstance(argument, list | tuple | Iterator):
        return f"Write {caller}(*layers), with an asterisk."
    if callable(argument):
        return "Write elementwise(function), if it keeps the shape."
    return "Make one with Layer(init, apply), or from a function with elementwise."


def _keys(key: Any, parts: tuple[Part, ...]) -> dict[str, Any]:
    return dict(zip(dict(parts), split(key, len(parts)), strict=True))


def _own(params: dict[str, Any], parts: tuple[Part, ...]) -> dict[str, Any]:
    """Return the params of the part without a name: those that no other part has."""
    others = {name for name, _ in parts}
    return {name: value for name, value in params.items() if name not in others}
