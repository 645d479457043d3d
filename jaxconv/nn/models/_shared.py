"""What several models share: names of layers, checks of settings, and a few layers."""

import numbers
from collections.abc import Iterable

from jaxconv.nn._checks import described
from jaxconv.nn.activations import ReLU
from jaxconv.nn.batch_norm import BatchNorm
from jaxconv.nn.combine import named
from jaxconv.nn.convolution import Conv2D
from jaxconv.nn.layer import Layer


def numbered(name: str, layers: Iterable[Layer]) -> list[Layer]:
    """Name layers `name1`, `name2`, ..."""
    return [named(f"{name}{i}", layer) for i, layer in enumerate(layers, 1)]


def conv_norm(out_channels: int, param_size: int, *, strides: int = 1) -> list[Layer]:
    """Return a convolution and the batch normalisation of its output.

    The padding is `param_size // 2` pixels on each side, as in PyTorch: at strides of 2
    "SAME" would pad one side only and shift every output by a pixel.
    """
    padding = param_size // 2
    conv = Conv2D(
        out_channels, param_size, strides=strides, padding=padding, weight_init="he"
    )
    return [conv, BatchNorm()]


def conv_norm_relu(
    out_channels: int, param_size: int, *, strides: int = 1
) -> list[Layer]:
    """Return the layers of `conv_norm`, then a rectifier."""
    return [*conv_norm(out_channels, param_size, strides=strides), ReLU()]


def rectified(blocks: Iterable[Layer], relu: Layer | None = None) -> list[Layer]:
    """Name blocks `block1`, `block2`, ..., and put a rectifier after each sum."""
    relu = relu or ReLU()
    return [layer for block in numbered("block", blocks) for layer in (block, relu)]


def units_in_depth(model: str, depth: object, fixed: int, each: int) -> int:
    """Solve `depth = each * n + fixed` for n.

    Raises:
      ValueError: there is no such n of at least 1.
    """
    wanted = f"{model}: depth must be {each}n + {fixed}, n at least 1"
    if not isinstance(depth, numbers.Integral) or isinstance(depth, bool):
        raise ValueError(f"{wanted}, got {described(depth)}.")
    n, rest = divmod(int(depth) - fixed, each)
    if n < 1 or rest:
        near = [fixed + each * max(1, some) for some in (n, n + 1)]
        hint = " or ".join(map(str, sorted(set(near))))
        raise ValueError(f"{wanted}, got {depth}. Write {hint}.")
    return n
