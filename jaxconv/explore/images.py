"""The forward pass of one image: filters, maps, logits, and one output of a map."""

from typing import Any

import jax

from jaxconv.conv.api import conv
from jaxconv.explore.arguments import SIDE, check_place
from jaxconv.explore.model import Model
from jaxconv.explore.passes import TANH, impulses, padding_before, run_forward


def forward(model: Model, pixels: Any) -> dict[str, Any]:
    """Compute what the model makes of an image: feature maps and logits.

    Returns:
      `logits`, `probabilities`, `filters` (filter, row, column) and `maps` (filter,
      row, column), after the activation.

    Raises:
      ValueError: `pixels` are not an image.
    """
    logits, probabilities, maps = _forward(
        model.params, model.scaled("forward", pixels)
    )
    return {
        "logits": logits.tolist(),
        "probabilities": probabilities.tolist(),
        "filters": model.params["conv1"]["filters"][0].tolist(),
        "maps": maps.tolist(),
    }


@jax.jit
def _forward(params, x):
    _, maps, logits = run_forward(params, x)
    return logits[0], jax.nn.softmax(logits[0]), maps[0]


def map_pixel(
    model: Model, pixels: Any, index: int, row: int, column: int
) -> dict[str, Any]:
    """Compute one output of feature map `index` as the sum of products that it is.

    Returns:
      `top` and `left` of the patch in the image, negative where it begins in the
      padding; `patch`, as the model takes it; `filter`; `products`; `bias`, 0 as the
      chapter's layer has none; `sum`; and its `value` after the activation.

    Raises:
      ValueError: `pixels` are not an image, or there is no such output.
    """
    x = model.scaled("map_pixel", pixels)
    at = (
        check_place("map_pixel", "map", index, model.filters),
        check_place("map_pixel", "row", row, SIDE),
        check_place("map_pixel", "column", column, SIDE),
    )
    patch, filters, products, total, value = _map_pixel(model.params, x, *at)
    top, left = padding_before(model.kernel)
    return {
        "top": at[1] - top,
        "left": at[2] - left,
        "patch": patch.tolist(),
        "filter": filters.tolist(),
        "products": products.tolist(),
        "bias": 0.0,
        "sum": float(total),
        "value": float(value),
    }


@jax.jit
def _map_pixel(params, x, index, row, column):
    w = params["conv1"]["filters"]
    kernel = w.shape[2:]
    patch = conv(x, impulses(kernel)[None])[0, :, row, column].reshape(kernel)
    total = conv(x, w)[0, index, row, column]
    return patch, w[0, index], patch * w[0, index], total, TANH.apply({}, total)
