"""Layers made of layers: one after another, side by side, around a shortcut.

The params of a combination have an entry for each part that has parameters, named after
the part. An error inside a part begins with the path to it: `stage2/block1/conv1: ...`.
"""

import dataclasses
import operator
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxconv.nn._checks import (
    as_called,
    at_part,
    check_key,
    check_params,
    check_shape,
    described,
)
from jaxconv.nn.layer import Flow, Layer, Part, keeps_shape, split, update

Join = Literal["sum", "concatenate", "tuple"]
_Step = Callable[[str, Layer, Any], Any]


def serial(*layers: Layer) -> Layer:
    """Chain layers: each one's output is the next one's input.

    Parts are named after their kind and their place among those of their kind: `conv1`,
    `conv2`, `dense1`; or as `named` says.

    Raises:
      ValueError: an argument is not a `Layer`, or two parts would have one name.

    >>> import jax
    >>> from jaxconv import nn
    >>> shape, params = nn.serial(nn.Dense(3), nn.Tanh()).init(jax.random.key(0), (2,))
    >>> shape, sorted(params["dense1"])
    ((3,), ['bias', 'weights'])
    """
    return chain("serial", *layers)


def chain(caller: str, *layers: Layer) -> Layer:
    """Do as `serial`; errors begin with `caller`."""
    return _combination(caller, _name_parts(caller, layers), "serial")


def parallel(*layers: Layer, join: Join = "sum") -> Layer:
    """Apply each layer to the same input and put their outputs together.

    Args:
      layers: at least one; named as in `serial`.
      join: "sum" of outputs of one shape, or of one tuple of shapes; "concatenate"
        along the channels, axis 0 of their shapes; or "tuple", all of them, as they
        are.

    Raises:
      ValueError: an argument is not a `Layer`, two parts would have one name, or `join`
        is none of these; from `init`: the outputs do not fit together.

    >>> import jax
    >>> from jaxconv import nn
    >>> model = nn.parallel(nn.Conv2D(4, 3), nn.Conv2D(8, 5), join="concatenate")
    >>> model.init(jax.random.key(0), (1, 28, 28))[0]
    (12, 28, 28)
    """
    return _side_by_side("parallel", layers, "parallel", join)


def each(*layers: Layer, join: Join = "tuple") -> Layer:
    """Apply the first layer to the first of a tuple of arrays, and so on.

    Its input shape is a tuple of shapes, its output a tuple of arrays; or, as `join`
    says, their sum or concatenation: see `parallel`.

    Raises:
      ValueError: as `parallel`; from `init` and `apply`: there are not as many arrays
        as layers.
    """
    return _side_by_side("each", layers, "each", join)


def residual(*layers: Layer, shortcut: Layer | None = None) -> Layer:
    """Chain layers and add the input to their output, or what `shortcut` makes of it.

    Raises:
      ValueError: as `serial`; from `init`: the two summands have different shapes.

    Source: K. He et al. (2016), arXiv:1512.03385, equation 1.
    """
    _check_layers("residual", layers)
    shortcut = _kept() if shortcut is None else shortcut
    _check_layers("residual", (shortcut,))
    body = serial(*layers)
    if "shortcut" in dict(body.parts):
        raise ValueError(
            "residual: a layer is named 'shortcut', which is the name of the other "
            "way. Give it another name."
        )
    return _combination(
        "residual", (("", body), ("shortcut", shortcut)), "parallel", "sum"
    )


def dense_block(*layers: Layer) -> Layer:
    """Chain layers, each of which sees the input and all outputs before it.

    They are concatenated along the channels, and so is the result.

    Raises:
      ValueError: as `serial`; from `init`: a layer's pixels are not those of its input.

    Source: G. Huang et al. (2017), arXiv:1608.06993, equation 2.
    """
    _check_layers("dense_block", layers)
    grown = (
        dataclasses.replace(
            _combination(
                "dense_block",
                (("kept", _kept()), ("", layer)),
                "parallel",
                "concatenate",
            ),
            name=layer.name,
            exact=layer.exact,
        )
        for layer in layers
    )
    return dataclasses.replace(serial(*grown), name="dense_block")


def named(name: str, layer: Layer) -> Layer:
    """Give a layer the name that its parameters have in a combination.

    Raises:
      ValueError: the name is empty or holds a slash, or `layer` is not a `Layer`.

    >>> import jax
    >>> from jaxconv import nn
    >>> model = nn.serial(nn.named("head", nn.Dense(3)))
    >>> list(model.init(jax.random.key(0), (2,))[1])
    ['head']
    """
    if not isinstance(name, str) or not name or "/" in name:
        raise ValueError(
            "named: name must be a text without a slash, which separates the names of "
            f"a path, got {described(name)}. Write named(name, layer)."
        )
    _check_layers("named", (layer,))
    return dataclasses.replace(layer, name=name, exact=True)


def _kept() -> Layer:
    """Leave the input as it is, be it an array or a tuple of them."""
    return Layer(keeps_shape("linear"), lambda params, x, *, key=None: x, "linear")


def _side_by_side(
    caller: str, layers: Sequence[Layer], flow: Flow, join: Join
) -> Layer:
    """Make a layer of at least one, whose outputs are put together."""
    if join not in ("sum", "concatenate", "tuple"):
        raise ValueError(
            f'{caller}: join must be "sum", "concatenate" or "tuple", got '
            f"{described(join)}."
        )
    parts = _name_parts(caller, layers)
    if not parts:
        raise ValueError(f"{caller}: give at least one layer.")
    return _combination(caller, parts, flow, join)


def _combination(
    caller: str, parts: tuple[Part, ...], flow: Flow, join: Join = "tuple"
) -> Layer:
    """Make a layer of named ones.

    The parameters of a part without a name, at most one, stand among the others'.
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

    def updated(params, x, *, key=None):
        after = dict(params)

        def one(name, layer, given, x, key):
            y, changed = update(layer, given, x, key=key)
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
            total = jax.tree.map(operator.add, total, y)
        return total
    if join == "concatenate":
        return jnp.concatenate(ys, axis=1)
    return ys


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


def _name_parts(caller: str, layers: Sequence[Layer]) -> tuple[Part, ...]:
    """Name layers after their kind, numbered, or as they say themselves.

    Raises:
      ValueError: an argument is no layer, or two would have one name.
    """
    _check_layers(caller, layers)
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


def _check_layers(caller: str, layers: Sequence[object]) -> None:
    for position, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise ValueError(
                f"{caller}: argument {position} must be a Layer, got "
                f"{described(layer)}. {_meant(caller, layer)}"
            )


def _meant(caller: str, argument: object) -> str:
    """Say how an argument that is no layer should be written."""
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
