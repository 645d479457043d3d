"""What a layer is: pure functions of parameters and data.

    init(key, input_shape)                       -> (output_shape, params)
    apply(params, x, *, key=None)                -> y
    update(params, x, *, key=None, mask=None)    -> (y, params)

Shapes leave out the batch axis; `x` and `y` have it first. `params` is a dict of
arrays, nested where layers are, `{}` for a layer without any. `key` is the source of a
layer's randomness (dropout); without one, `apply` computes inference.

Only a layer that keeps statistics of its input has `update`: it computes what training
computes, and returns the params with updated statistics. `mask`, (n,) bool, is true for
the rows of `x` that count in them; the others pad an incomplete batch.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Literal, NoReturn

import jax
from jax import Array

from jaxconv.nn._checks import check_key, check_params, check_shape
from jaxconv.nn.window import PIXEL, Window

Shape = tuple[Any, ...]  # of sizes; of shapes, where there are several arrays
Params = dict[str, Any]
Init = Callable[[Array, Shape], tuple[Shape, Params]]
Apply = Callable[..., Any]
Update = Callable[..., tuple[Any, Params]]
Part = tuple[str, "Layer"]
Flow = Literal["serial", "parallel", "each"]


@dataclasses.dataclass(frozen=True)
class Layer:
    """Two pure functions; `init, apply = layer` unpacks them.

    `name` says what kind of layer this is; a combination numbers it, unless the name is
    `exact`. `update` is there if the layer keeps statistics. The other fields tell
    `summary` how the layer is made: `parts` are the named layers of a combination, one
    after another ("serial"), all of the same input ("parallel"), or each of an input of
    its own ("each"); `window` says which pixels one output is computed from.
    """

    init: Init
    apply: Apply
    name: str = "layer"
    parts: tuple[Part, ...] = ()
    update: Update | None = None
    flow: Flow = "serial"
    window: Window = PIXEL
    exact: bool = False

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        """Yield `init`, then `apply`."""
        return iter((self.init, self.apply))

    def __call__(self, *_: object, **__: object) -> NoReturn:
        """Raise, saying how a layer is applied."""
        raise TypeError(
            f"{self.name}: a layer is two functions, and is not called itself. Write "
            "layer.apply(params, x), with params from layer.init(key, input_shape)."
        )

    def __repr__(self) -> str:
        """Name the layer and its parts."""
        parts = ", ".join(name for name, _ in self.parts if name)
        return f"<Layer {self.name}{f': {parts}' if parts else ''}>"


def update(
    layer: Layer,
    params: Params,
    x: Any,
    *,
    key: Array | None = None,
    mask: Array | None = None,
) -> tuple[Any, Params]:
    """Compute `(y, params)` as training does, for any layer.

    The params are those given, unless the layer keeps statistics. These count the rows
    of `x` where `mask`, (n,) bool, is true; the others pad an incomplete batch.
    """
    if layer.update is None:
        return layer.apply(params, x, key=key), params
    if mask is None:
        return layer.update(params, x, key=key)
    return layer.update(params, x, key=key, mask=mask)


def eval_shape(layer: Layer, input_shape: Shape) -> tuple[Shape, Any]:
    """Compute the shapes that `init` would return, without drawing numbers.

    Returns:
      The output shape, and params of `jax.ShapeDtypeStruct`.

    Raises:
      ValueError: the layer does not take `input_shape`.

    >>> from jaxconv import nn
    >>> shape, params = eval_shape(nn.Dense(3), (2,))
    >>> shape, params["weights"].shape
    ((3,), (2, 3))
    """
    output_shape: list[Shape] = []

    def init(key):
        shape, params = layer.init(key, input_shape)
        output_shape.append(shape)
        return params

    params = jax.eval_shape(init, jax.random.key(0))
    return output_shape[0], params


def followed_by(caller: str, layer: Layer, *others: Layer) -> Layer:
    """Chain layers of which only the first has parameters; its params are the chain's.

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
        first_key, *other_keys = split(key, 1 + len(others))
        y = layer.apply(params, x, key=first_key)
        for other, other_key in zip(others, other_keys, strict=True):
            y = other.apply({}, y, key=other_key)
        return y

    return Layer(init, apply, layer.name, window=layer.window)


def keeps_shape(caller: str) -> Init:
    """Return the `init` of a layer that has no parameters and keeps the shape."""

    def init(key, input_shape):
        return check_shape(caller, input_shape), {}

    return init


def split(key: Array | None, count: int) -> list[Array | None]:
    """Return a key for each part, or None for each if there is no key."""
    return [None] * count if key is None else list(jax.random.split(key, count))
