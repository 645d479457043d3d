"""The backward pass of one image: what arrives where, and where it came from."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.conv.api import conv_input_grad, conv_param_grad
from jaxconv.explore.arguments import SIDE, check_place
from jaxconv.explore.model import Model
from jaxconv.explore.passes import impulses, padding_before, run_backward

_SHOWN = 12  # of the outputs that read a pixel


def backward(model: Model, pixels: Any, label: int) -> dict[str, Any]:
    """Compute the gradients of an image's loss, for the class `label`.

    Returns:
      `loss`, and its gradients `logits_grad`; `dense_grad`, which arrives at the maps
      from the dense layer; `maps_grad`, before the activation; `input_grad`, at the
      scaled pixels; `filters_grad`.

    Raises:
      ValueError: `pixels` are not an image, or there is no such class.
    """
    x = model.scaled("backward", pixels)
    grads = _backward(model.params, x, model.label("backward", label))
    return {
        "loss": float(grads.loss),
        "logits_grad": grads.logits[0].tolist(),
        "dense_grad": grads.maps[0].tolist(),
        "maps_grad": grads.sums[0].tolist(),
        "input_grad": grads.image[0, 0].tolist(),
        "filters_grad": grads.params["conv1"]["filters"][0].tolist(),
    }


@jax.jit
def _backward(params, x, label):
    grads = run_backward(params, x, label)
    # That of the dense weights is a megabyte, which nobody looks at.
    return grads._replace(params={"conv1": grads.params["conv1"]})


def input_pixel(
    model: Model, pixels: Any, label: int, row: int, column: int
) -> dict[str, Any]:
    """Take the gradient at one pixel of the image apart: who read it, by which weight.

    Returns:
      `value`, the gradient; `reads`, the 12 outputs that give most of it back, each
      with its `map`, `row` and `column`, the `tap` [p, q] that read the pixel, its
      `weight`, the gradient `grad` at the output, and their `product`; `by_map`, what
      each map gives back, which adds up to `value`; and `count`, of all outputs that
      read the pixel.

    Raises:
      ValueError: `pixels` are not an image, or there is no such class or pixel.
    """
    x = model.scaled("input_pixel", pixels)
    y = model.label("input_pixel", label)
    row = check_place("input_pixel", "row", row, SIDE)
    column = check_place("input_pixel", "column", column, SIDE)
    found = _input_pixel(model.params, x, y, row, column)
    value, by_map, weights, grads, is_read = map(np.asarray, found)
    products = weights * grads
    count = len(products) * int(is_read.sum())
    order = np.argsort(-np.where(is_read, abs(products), -1), axis=None, kind="stable")
    top, left = padding_before(model.kernel)

    def read(at: int) -> dict[str, Any]:
        index, tap = divmod(at, products.shape[1])
        p, q = divmod(tap, model.kernel[1])
        return {
            "map": index,
            "row": row + top - p,
            "column": column + left - q,
            "tap": [p, q],
            "weight": float(weights[index, tap]),
            "grad": float(grads[index, tap]),
            "product": float(products[index, tap]),
        }

    return {
        "value": float(value),
        "reads": [read(int(at)) for at in order[: min(count, _SHOWN)]],
        "by_map": by_map.tolist(),
        "count": count,
    }


@jax.jit
def _input_pixel(params, x, label, row, column):
    """Return the gradient at a pixel, by map, and weight and gradient by map and tap.

    In (1) of `jaxconv.conv.geometry` a pixel i is read through tap p by the output
    o = i + low - p. So the gradient at the input of a filter that is 1 at p is, at i,
    the one at that output, and 0 where there is none.
    """
    w = params["conv1"]["filters"]
    g = run_backward(params, x, label).sums
    maps, kernel = w.shape[1], w.shape[2:]
    taps = kernel[0] * kernel[1]
    each = impulses(kernel)[:, None]  # an input channel for each tap

    def at_pixel(g):
        shape = (len(g), taps, *x.shape[2:])
        return conv_input_grad(g, each, input_shape=shape)[:, :, row, column]

    def share(g, w):
        return conv_input_grad(g[None, None], w[None, None], input_shape=x.shape)

    return (
        conv_input_grad(g, w, input_shape=x.shape)[0, 0, row, column],
        jax.vmap(share)(g[0], w[0])[:, 0, 0, row, column],
        w[0].reshape(maps, taps),
        at_pixel(jnp.swapaxes(g, 0, 1)),
        at_pixel(jnp.ones_like(g[:, :1]))[0] > 0.5,
    )


def filter_weight(
    model: Model,
    pixels: Any,
    label: int,
    index: int,
    tap: tuple[int, int],
) -> dict[str, Any]:
    """Take the gradient at one weight of filter `index` apart: where it came from.

    Returns:
      `value`, the gradient; and `heat`, for each pixel of the image its product with
      the gradient at the output that read it through `tap`. Their sum is `value`.

    Raises:
      ValueError: `pixels` are not an image, or there is no such class, map or tap.
    """
    x = model.scaled("filter_weight", pixels)
    y = model.label("filter_weight", label)
    at = (
        check_place("filter_weight", "map", index, model.filters),
        check_place("filter_weight", "tap[0]", tap[0], model.kernel[0]),
        check_place("filter_weight", "tap[1]", tap[1], model.kernel[1]),
    )
    value, heat = _filter_weight(model.params, x, y, *at)
    return {"value": float(value), "heat": heat.tolist()}


@jax.jit
def _filter_weight(params, x, label, index, p, q):
    """Return the gradient at a weight, and its parts (28, 28).

    With d the filter that is 1 at (p, q), the gradient is <g, conv(x, d)>, which is
    <conv_input_grad(g, d), x>: a sum over pixels.
    """
    w = params["conv1"]["filters"]
    g = run_backward(params, x, label).sums
    d = jnp.zeros_like(w[:, :1]).at[0, 0, p, q].set(1)
    met = conv_input_grad(g[:, index][:, None], d, input_shape=x.shape)
    value = conv_param_grad(x, g, kernel_shape=w.shape)[0, index, p, q]
    return value, (x * met)[0, 0]
