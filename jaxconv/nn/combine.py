"""Layers made of layers: one after another, side by side, around a shortcut.

The params of a combination have an entry for each part that has parameters, named after
the part. An error inside a part begins with the path to it: `stage2/block1/conv1: ...`.
"""

import dataclasses
from collections.abc import Sequence

from jaxconv.nn._checks import described
from jaxconv.nn._combination import Join, check_layers, combination, name_parts
from jaxconv.nn.activations import Linear
from jaxconv.nn.layer import Flow, Layer


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
    """Chain layers as `serial` does; errors begin with `caller`."""
    return combination(caller, name_parts(caller, layers), "serial")


def parallel(*layers: Layer, join: Join = "sum") -> Layer:
    """Apply each layer to the same input and join their outputs.

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
    """Apply each layer to its own array of a tuple: the first to the first, and so on.

    Its input shape is a tuple of shapes, its output a tuple of arrays; or, as `join`
    says, their sum or concatenation: see `parallel`.

    Raises:
      ValueError: as `parallel`; from `init` and `apply`: there are not as many arrays
        as layers.
    """
    return _side_by_side("each", layers, "each", join)


def residual(*layers: Layer, shortcut: Layer | None = None) -> Layer:
    """Chain layers and add the input, or `shortcut` of the input, to their output.

    Raises:
      ValueError: as `serial`; from `init`: the two summands have different shapes.

    Source: K. He et al. (2016), arXiv:1512.03385, equation 1.
    """
    check_layers("residual", layers)
    shortcut = Linear() if shortcut is None else shortcut
    check_layers("residual", (shortcut,))
    body = serial(*layers)
    if "shortcut" in dict(body.parts):
        raise ValueError(
            "residual: a layer is named 'shortcut', the name that the layer given as "
            "shortcut= has. Give it another name."
        )
    return combination(
        "residual", (("", body), ("shortcut", shortcut)), "parallel", "sum"
    )


def dense_block(*layers: Layer) -> Layer:
    """Chain layers, each of which reads the input and all outputs before it.

    These are concatenated along the channels; the result is all of them concatenated.

    Raises:
      ValueError: as `serial`; from `init`: a layer changes the size of the images.

    Source: G. Huang et al. (2017), arXiv:1608.06993, equation 2.
    """
    check_layers("dense_block", layers)
    grown = (
        dataclasses.replace(
            combination(
                "dense_block",
                (("kept", Linear()), ("", layer)),
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
    check_layers("named", (layer,))
    return dataclasses.replace(layer, name=name, exact=True)


def _side_by_side(
    caller: str, layers: Sequence[Layer], flow: Flow, join: Join
) -> Layer:
    """Make a layer of one or more layers, whose outputs are joined."""
    if join not in ("sum", "concatenate", "tuple"):
        raise ValueError(
            f'{caller}: join must be "sum", "concatenate" or "tuple", got '
            f"{described(join)}."
        )
    parts = name_parts(caller, layers)
    if not parts:
        raise ValueError(f"{caller}: give at least one layer.")
    return combination(caller, parts, flow, join)
