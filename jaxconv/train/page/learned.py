"""What the first convolution has learned, and what it makes of an image."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxconv._words import counted
from jaxconv.nn import Layer, Params
from jaxconv.train.page.images import coloured, image, picture, signed
from jaxconv.train.page.markup import TIMES, Html, Section, element, section
from jaxconv.train.scaling import Scaling

_MOST = 64  # filters or maps that are shown
_TILE = 64  # pixels along a side of each


def filters_section(params: Params, path: str) -> Section:
    """Draw the filters of the convolution at `path`, all on one scale."""
    w = np.asarray(_first_filters(_at(params, path)))
    scale = _scale(w)
    in_colour = len(w) == 3
    tiles = []
    for number in range(min(w.shape[1], _MOST)):
        panel = (
            coloured(w[:, number], scale) if in_colour else signed(w[0, number], scale)
        )
        tiles.append(image(panel, f"filter {number}", _TILE))
    size = TIMES.join(map(str, w.shape[2:]))
    words = f"{counted(w.shape[1], 'filter')} of {size} pixels in {path}"
    if in_colour:
        words += ", for the three colours; grey is 0."
    else:
        one = "" if len(w) == 1 else f", for the first of {len(w)} input channels"
        words += f"{one}: red weights are positive, blue ones negative."
    if w.shape[1] > _MOST:
        words += f" The first {_MOST} are shown."
    return section(
        "Learned filters", _grid(tiles, "filters"), name="filters", intro=words
    )


def maps_section(
    model: Layer,
    params: Params,
    pixels: np.ndarray,
    called: str,
    scaling: Scaling,
    first: str,
) -> Section | None:
    """Draw what the layers make of an image: after the first convolution, and last."""
    chosen = _chosen_maps(model, params, jnp.asarray(scaling(pixels[None])), first)
    if not chosen:
        return None
    seen = element(
        "figure",
        image(picture(pixels), f"the image, {called}"),
        element("figcaption", "the image"),
        class_="seen",
    )
    return section(
        "Feature maps",
        seen,
        *(_maps(path, y) for path, y in chosen.items()),
        name="maps",
        intro=f"What the network makes of one test image, {called}: red is positive, "
        "blue negative, each layer on a scale of its own.",
    )


def first_convolution(steps: Sequence[Any]) -> str | None:
    """Return the path of the first layer with filters over two axes, if there is one.

    `steps` are those of `nn.walk`.
    """
    for step in steps:
        if _first_filters(step.params) is not None:
            return str(step.path)
    return None


def _first_filters(params: Any) -> Any:
    """Return the first array (in, out, h, w) of a layer's params, if any."""
    leaves = jax.tree.leaves(params)
    return next((leaf for leaf in leaves if getattr(leaf, "ndim", 0) == 4), None)


def _at(params: Any, path: str) -> Any:
    for name in path.split("/") if path else ():
        params = params[name]
    return params


def _chosen_maps(
    model: Layer, params: Params, x: Array, first: str
) -> dict[str, np.ndarray]:
    """Return the maps after the first convolution, and the last ones, by their paths.

    Nothing else is computed.
    """

    def all_maps(params: Params, x: Array) -> dict[str, Array]:
        outputs = _outputs(model, params, x)
        return {path: maps for path, _, maps in outputs if maps is not None}

    paths: list[str] = []
    jax.eval_shape(lambda *given: paths.extend(all_maps(*given)), params, x)
    after = [path for path in paths if _holds(path, first)]
    chosen = list(dict.fromkeys([*after[:1], *paths[-1:]]))

    @jax.jit
    def compute(params, x):
        maps = all_maps(params, x)
        return [maps[path] for path in chosen]

    return dict(zip(chosen, map(np.asarray, compute(params, x)), strict=True))


def _outputs(
    layer: Layer, params: Params, x: Any, path: str = ""
) -> Iterator[tuple[str, Any, Array | None]]:
    """Yield path, output and its maps of each layer that follows another.

    Layers side by side have one output, that of all of them.
    """
    if layer.flow != "serial" or not layer.parts:
        y = layer.apply(params, x)
        yield path, y, _maps_of(y, x, params)
        return
    for name, part in layer.parts:
        given = params.get(name, {}) if name else params
        for output in _outputs(part, given, x, f"{path}/{name}".strip("/")):
            yield output
            _, y, _ = output
        x = y


def _maps_of(y: Any, x: Any, params: Params) -> Array | None:
    """Return an output's maps, though the convolution that made them flattens it.

    An output of several arrays has none.
    """
    if isinstance(y, tuple) or isinstance(x, tuple):
        return None
    w = _first_filters(params)
    if w is not None and y.ndim == 2 and x.ndim == 4:
        pixels = (*x.shape[2:], w.shape[1])  # Flatten puts the channels last
        if y[0].size == math.prod(pixels):
            y = jnp.moveaxis(y.reshape(-1, *pixels), -1, 1)
    return y[0] if y.ndim == 4 and min(y.shape[2:]) > 1 else None


def _holds(path: str, inner: str) -> bool:
    """Return whether the layer at `path` is the one at `inner`, or contains it."""
    return path == inner or inner.startswith(f"{path}/") or not path


def _maps(path: str, y: np.ndarray) -> Html:
    scale = _scale(y)
    tiles = [
        image(signed(panel, scale), f"map {number}", _TILE)
        for number, panel in enumerate(y[:_MOST])
    ]
    size = TIMES.join(map(str, y.shape[1:]))
    more = f", the first {_MOST} of them" if len(y) > _MOST else ""
    return element(
        "figure",
        element(
            "figcaption",
            element("h3", f"after {path}" if path else "of the model"),
            element("span", f"{counted(len(y), 'map')} of {size} pixels{more}"),
        ),
        _grid(tiles, f"feature maps after {path}"),
        class_="maps",
    )


def _scale(values: np.ndarray) -> float:
    """Return the value shown in full colour, which 1 % of the values exceed."""
    return float(np.percentile(np.abs(values), 99))


def _grid(tiles: Sequence[Html], label: str) -> Html:
    return element("div", *tiles, class_="tiles", role="group", aria_label=label)
