"""The models of `jaxconv.nn` that `bench.py nets` times, beside their PyTorch twins.

On jaxconv they run as they are; on lax the same models call lax's convolution, which
JAX differentiates. Images are channels-first in all of them.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from _networks import NN, Network, draws, network
from jax import lax

from jaxconv import nn
from jaxconv.conv.api import prepared
from jaxconv.nn import models
from jaxconv.nn.convolution import Sliding

BLOCKS, FILTERS, PLANES, POINTS, MOVES = 6, 64, 17, 19 * 19, 362
MAKERS: tuple[tuple[Callable[[], nn.Layer], tuple[int, ...]], ...] = (
    (models.resnet, (3, 32, 32)),
    (models.mobilenet, (3, 96, 96)),
    (functools.partial(models.densenet, 40), (3, 32, 32)),
    (models.octave_resnet, (3, 32, 32)),
    (
        functools.partial(models.board_tower, BLOCKS, FILTERS, PLANES, MOVES),
        (PLANES, 19, 19),
    ),
)
MODELS = dict(zip(NN, MAKERS, strict=True))


def nn_network(name: str, batch: int, dtype: str = "float32") -> Network:
    """Build a model with random weights; small images come eight times as many.

    The board tower's logits of the moves and its value are trained as one vector.
    """
    make, shape = MODELS[name]
    model = make()
    _, params = model.init(jax.random.key(0), shape)
    learned, statistics = nn.split_statistics(
        jax.tree.map(lambda leaf: leaf.astype(dtype), params)
    )

    def call(learned: Any, statistics: Any, x: Any, training: bool) -> Any:
        params = nn.merge_statistics(learned, statistics)
        if training:
            y, params = nn.update(model, params, x)
        else:
            y = model.apply(params, x)
        if isinstance(y, tuple):
            y = jnp.concatenate(y, axis=1)
        return y, nn.split_statistics(params)[1]

    count = batch if shape[-1] > 32 else 8 * batch
    classes = jax.eval_shape(
        lambda: call(learned, statistics, jnp.zeros((1, *shape), dtype), False)[0]
    ).shape[1]
    inputs = draws((count, *shape), dtype, classes=classes)
    return network(call, learned, statistics, inputs)


@contextlib.contextmanager
def on_lax() -> Iterator[None]:
    """Let the layers of `nn` call lax's convolution."""

    def convolve(self: Any, x: Any, filters: Any, groups: int) -> Any:
        settings = self.settings(groups)
        geometry, _, _ = prepared("conv", x.shape, filters.shape, **settings)
        return lax.conv_general_dilated(
            x,
            filters,
            geometry.strides,
            geometry.padding,
            rhs_dilation=geometry.kernel_dilation,
            dimension_numbers=("NCHW", "IOHW", "NCHW"),
            feature_group_count=groups,
        )

    before = Sliding.convolve
    Sliding.convolve = convolve  # type: ignore[method-assign]
    try:
        yield
    finally:
        Sliding.convolve = before  # type: ignore[method-assign]


def twin(name: str) -> Any:
    """Build the model in PyTorch."""
    import _twins
    import torch

    class Joined(_twins.Tower):
        def forward(self, x: Any) -> Any:
            return torch.cat(super().forward(x), 1)

    makers: tuple[Callable[[], Any], ...] = (
        lambda: _twins.resnet(20, 3),
        lambda: _twins.mobilenet(1.0),
        lambda: _twins.densenet(40, 12, 3),
        lambda: _twins.octave_resnet(20, 0.25, 3),
        lambda: Joined(BLOCKS, FILTERS, PLANES, POINTS, MOVES),
    )
    return makers[NN.index(name)]()


WITHIN = {"lax": on_lax, "jaxconv": contextlib.nullcontext}
