"""A model's arrays in the order, and with the names and shapes, of PyTorch.

Features of a flattened image are ordered by pixel here and by channel in PyTorch.
`order` holds PyTorch's index of each of our features; it is passed on from layer to
layer until a dense layer mixes the features.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.conv.primitives import PRIMITIVES
from jaxconv.nn.layer import Layer, Shape
from jaxconv.nn.products import primitives
from jaxconv.nn.statistics import STATISTICS
from jaxconv.nn.walk import Step, is_several, walk

NAMES = {  # a layer's leaves, in PyTorch's order and with its names
    ("filters",): "weight",
    ("weights",): "weight",
    ("scale",): "weight",
    ("bias",): "bias",
    ("shift",): "bias",
    (STATISTICS, "mean"): "running_mean",
    (STATISTICS, "variance"): "running_var",
}


class Leaf(NamedTuple):
    """An array of a model's params, and its form in PyTorch."""

    place: tuple[str, ...]  # the path of its layer
    keys: tuple[str, ...]  # its path in the layer's params
    name: str  # in PyTorch
    shape: Shape  # here
    exchanged: bool  # whether PyTorch has the first two axes exchanged
    order: np.ndarray | None  # PyTorch's index of each of our rows

    @property
    def path(self) -> str:
        """Its path in params."""
        return "/".join(self.place + self.keys)

    @property
    def torch_shape(self) -> Shape:
        """Its shape in PyTorch."""
        if not self.exchanged:
            return self.shape
        return (self.shape[1], self.shape[0], *self.shape[2:])

    def from_torch(self, array: np.ndarray) -> np.ndarray:
        """Return our array."""
        ours = np.swapaxes(array, 0, 1) if self.exchanged else array
        return ours if self.order is None else ours[self.order]

    def to_torch(self, ours: np.ndarray) -> np.ndarray:
        """Return PyTorch's array, a copy in its own memory."""
        if self.order is not None:
            ours = ours[np.argsort(self.order)]
        return np.array(np.swapaxes(ours, 0, 1) if self.exchanged else ours, order="C")


def leaves_of(caller: str, model: Layer, input_shape: Shape) -> Iterator[Leaf]:
    """Yield a model's arrays in PyTorch's order.

    Raises:
      ValueError: as `walk`, or it is not known how PyTorch orders a layer's features.
    """
    orders: dict[Step, np.ndarray | None] = {}
    for step in walk(model, input_shape, caller=caller):
        before = _order_before(
            caller, [orders[source] for source in step.sources], step
        )
        orders[step] = _order_after(caller, step, before)
        yield from _of_step(step, before)


def _of_step(step: Step, order: np.ndarray | None) -> Iterator[Leaf]:
    """Yield a layer's arrays; those without a name in PyTorch come last, unchanged."""
    shapes = _shapes(step)
    place = tuple(step.path.split("/")) if step.path else ()
    known = [keys for keys in NAMES if keys in shapes]
    for keys in (*known, *(keys for keys in shapes if keys not in known)):
        shape = shapes[keys]
        kernel = keys == ("filters",) and not _is_transposed(step)
        # A dense layer's weights have a row for each feature that it reads.
        ordered = keys == ("weights",) or "weights" not in step.params
        yield Leaf(
            place=place,
            keys=keys,
            name=NAMES.get(keys, ".".join(keys)),
            shape=shape,
            exchanged=len(shape) > 1 and (kernel or keys == ("weights",)),
            order=order if ordered and shape[:1] == step.input_shape else None,
        )


def _is_transposed(step: Step) -> bool:
    """Whether a layer's filters are laid out for a transposed convolution."""
    if step.layer.window.upsampling:
        return True
    return PRIMITIVES["input_grad"].name in primitives(step.program())


def _shapes(step: Step) -> dict[tuple[str, ...], Shape]:
    """Return the shape of each of a layer's arrays, by its path in the layer."""
    return {
        tuple(str(getattr(key, "key", getattr(key, "idx", key))) for key in path): (
            leaf.shape
        )
        for path, leaf in jax.tree_util.tree_leaves_with_path(step.params)
    }


def _order_before(
    caller: str, orders: list[np.ndarray | None], step: Step
) -> np.ndarray | None:
    """Return PyTorch's index of each feature that a layer reads; None: the same.

    Raises:
      ValueError: features of several orders have been joined.
    """
    if not any(order is not None for order in orders):
        return None
    first, *others = ([] if order is None else order.tolist() for order in orders)
    own = any(keys not in NAMES for keys in _shapes(step))
    if own or any(order != first for order in others):
        what = "flattened images, and has params of its own"
        if not own:
            what = "flattened images joined with something else"
    elif len(first) != step.input_shape[0]:
        what = "an output made of flattened images"
    else:
        return orders[0]
    raise ValueError(
        f"{caller}: {step.path} reads {what}: how PyTorch orders its features is not "
        "known. Flatten after that, or not at all."
    )


def _order_after(
    caller: str, step: Step, before: np.ndarray | None
) -> np.ndarray | None:
    """Return PyTorch's index of each feature of a layer's output; None: the same."""
    shape, output = step.input_shape, step.output_shape
    if is_several(shape) or is_several(output) or len(output) != 1:
        return None
    if len(shape) == 1:  # a layer with weights mixes the features, or scales each
        return None if "weights" in step.params else before
    if not step.params:
        if output != (math.prod(shape),):
            return None  # pooled
        return _numbered(caller, step)
    if "filters" not in step.params:
        return None
    if _is_transposed(step):
        raise ValueError(
            f"{caller}: {step.path or step.layer.name} is flattened, and how many "
            "channels it has is not known. Make Flatten() a layer of its own."
        )
    channels = step.params["filters"].shape[1]
    return np.arange(output[0]).reshape(channels, -1).T.ravel()


def _numbered(caller: str, step: Step) -> np.ndarray:
    """Return the order in which a layer without params flattens: it flattens indices.

    Raises:
      ValueError: it does more than flatten.
    """
    numbers = np.arange(step.output_shape[0], dtype=np.float32)
    images = jnp.asarray(numbers.reshape(1, *step.input_shape))
    order = np.asarray(step.layer.apply({}, images))[0]
    if not np.array_equal(np.sort(order), numbers):
        raise ValueError(
            f"{caller}: {step.path or step.layer.name} flattens images, and does more. "
            "Make Flatten() a layer of its own."
        )
    return order.astype(np.int32)
