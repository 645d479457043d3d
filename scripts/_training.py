"""The models that `bench.py train` trains, by jaxconv, Flax, PyTorch and NumPy.

Every contestant is a function of one batch that does a whole step (forward, gradients,
SGD with momentum) and returns the loss. The larger models are Flax's, on lax and, under
`patch()`, on jaxconv: only their convolutions differ.
"""

import itertools
from collections.abc import Callable
from typing import Any

import flax.linen as fl
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _nets import CHAPTER, CLASSES, INPUTS, NETS

import jaxconv
from jaxconv.train.config import Config
from jaxconv.train.optimizer import make_optimizer
from jaxconv.train.step import init_state, make_step

RATE, MOMENTUM, KEEP = 0.01, 0.9, 0.8
Step = Callable[[np.ndarray, np.ndarray], float]


def contestants(model: str, batch: int, torch: bool) -> dict[str, Step]:
    """Return each one's step for a model."""
    found: dict[str, Step] = {}
    if model == CHAPTER:
        found["jaxconv"] = _of_jaxconv()
        found["flax"] = _of_flax(_ChapterInFlax(), model, batch)
    else:
        net = _NetInFlax(tuple(NETS[model]))
        patched = jaxconv.patch()(_of_flax(net, model, batch))
        found["jaxconv"] = patched
        found["flax"] = _of_flax(net, model, batch)
    if torch:
        found["torch"] = _of_torch(model)
    if model == CHAPTER:
        found["numpy"] = _of_numpy()
    return found


def batches(model: str, batch: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw three batches: images (batch, channels, height, width), and labels."""
    rng = np.random.default_rng(0)
    shape = (batch, *INPUTS[model])
    return [
        (
            rng.normal(size=shape).astype("float32"),
            rng.integers(0, CLASSES, batch).astype("int32"),
        )
        for _ in range(3)
    ]


def _of_jaxconv() -> Step:
    from jaxconv.nn import models

    config = Config(learning_rate=RATE, momentum=MOMENTUM)
    model, optimizer = models.chapter5(method=config.method), make_optimizer(config)
    step: Any = make_step(model, optimizer, config.microbatches)
    state = init_state(model, optimizer, INPUTS[CHAPTER], 0)

    def run(x: np.ndarray, y: np.ndarray) -> float:
        nonlocal state
        state, metrics = step(state, x, y)
        return float(metrics.loss)

    return run


class _ChapterInFlax(fl.Module):
    @fl.compact
    def __call__(self, x: Any) -> Any:
        x = jnp.tanh(fl.Conv(32, (5, 5), use_bias=False)(x))
        x = fl.Dropout(1 - KEEP, deterministic=False)(x)
        return fl.Dense(CLASSES)(x.reshape(x.shape[0], -1))


class _NetInFlax(fl.Module):
    blocks: tuple[tuple[str, int, int], ...]

    @fl.compact
    def __call__(self, x: Any) -> Any:
        def conv(x: Any, out: int, size: int, stride: int, groups: int = 1) -> Any:
            x = fl.Conv(
                out,
                (size, size),
                stride,
                padding=size // 2,
                feature_group_count=groups,
                use_bias=False,
            )(x)
            return fl.BatchNorm(use_running_average=False)(x)

        for kind, out, stride in self.blocks:
            if kind == "conv":
                x = fl.relu(conv(x, out, 3, stride))
            elif kind == "separable":
                x = fl.relu(conv(x, x.shape[-1], 3, stride, groups=x.shape[-1]))
                x = fl.relu(conv(x, out, 1, 1))
            else:
                inner = fl.relu(conv(x, out, 3, stride))
                shortcut = x if x.shape[-1] == out else conv(x, out, 1, stride)
                x = fl.relu(conv(inner, out, 3, 1) + shortcut)
        return fl.Dense(CLASSES)(x.mean((1, 2)))


def _of_flax(net: fl.Module, model: str, batch: int) -> Step:
    optimizer = optax.sgd(RATE, MOMENTUM)
    channels, *space = INPUTS[model]
    images = jnp.zeros((batch, *space, channels))
    variables = net.init({"params": jax.random.key(0), "dropout": KEY}, images)
    state = variables.pop("params"), None, jnp.int32(0)
    state = state[0], optimizer.init(state[0]), state[2]

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        params, moments, number = state

        def loss_of(params: Any) -> Any:
            logits, _ = net.apply(
                {"params": params, **variables},
                x,
                rngs={"dropout": jax.random.fold_in(KEY, number)},
                mutable=["batch_stats"],
            )
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
            return losses.mean()

        loss, grads = jax.value_and_grad(loss_of)(params)
        updates, moments = optimizer.update(grads, moments, params)
        return (optax.apply_updates(params, updates), moments, number + 1), loss

    def run(x: np.ndarray, y: np.ndarray) -> float:
        nonlocal state
        state, loss = step(state, np.moveaxis(x, 1, -1), y)
        return float(loss)

    return run


KEY = jax.random.key(1)


def _of_torch(model: str) -> Step:
    import torch
    from torch import nn

    def conv(ins: int, out: int, size: int, stride: int, groups: int = 1) -> list:
        first = nn.Conv2d(
            ins, out, size, stride, padding=size // 2, groups=groups, bias=False
        )
        return [first, nn.BatchNorm2d(out)]

    class Residual(nn.Module):
        def __init__(self, ins: int, out: int, stride: int) -> None:
            super().__init__()
            inner = [*conv(ins, out, 3, stride), nn.ReLU(), *conv(out, out, 3, 1)]
            self.inner = nn.Sequential(*inner)
            shortcut = [] if ins == out else conv(ins, out, 1, stride)
            self.shortcut = nn.Sequential(*shortcut)

        def forward(self, x: Any) -> Any:
            return torch.relu(self.inner(x) + self.shortcut(x))

    channels = INPUTS[model][0]
    if model == CHAPTER:
        first = nn.Conv2d(1, 32, 5, padding=2, bias=False)
        parts = [first, nn.Tanh(), nn.Dropout(1 - KEEP), nn.Flatten()]
        channels = 32 * 28 * 28
    else:
        parts = []
        for kind, out, stride in NETS[model]:
            if kind == "residual":
                parts.append(Residual(channels, out, stride))
            elif kind == "separable":
                parts += [*conv(channels, channels, 3, stride, channels), nn.ReLU()]
                parts += [*conv(channels, out, 1, 1), nn.ReLU()]
            else:
                parts += [*conv(channels, out, 3, stride), nn.ReLU()]
            channels = out
        parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    net = nn.Sequential(*parts, nn.Linear(channels, CLASSES))
    optimizer = torch.optim.SGD(net.parameters(), RATE, MOMENTUM)

    def run(x: np.ndarray, y: np.ndarray) -> float:
        optimizer.zero_grad()
        logits = net(torch.from_numpy(x))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(y).long())
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def _of_numpy() -> Step:
    """Return the step of the chapter's own code: patches of one image at a time."""
    rng = np.random.default_rng(0)
    shapes = (25, 32), (32 * 28 * 28, CLASSES), (CLASSES,)
    params = [rng.normal(size=s) * (2 / sum(s)) ** 0.5 for s in shapes]
    moments = [np.zeros(shape) for shape in shapes]

    def patches(images: np.ndarray) -> np.ndarray:
        """(n, channels, height, width) to (n, positions, channels * taps)."""
        wide = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
        places = itertools.product(range(28), range(28))
        cut = [wide[:, :, i : i + 5, j : j + 5] for i, j in places]
        return np.stack(cut, axis=1).reshape(len(images), 28 * 28, -1)

    def run(x: np.ndarray, y: np.ndarray) -> float:
        filters, weights, bias = params
        cut = patches(x)
        hidden = np.tanh(np.matmul(cut, filters))  # n, positions, maps
        kept = rng.random(hidden.shape) < KEEP
        dropped = (hidden * kept / KEEP).transpose(0, 2, 1).reshape(len(x), -1)
        logits = dropped @ weights + bias
        chances = np.exp(logits - logits.max(1, keepdims=True))
        chances /= chances.sum(1, keepdims=True)
        rows = np.arange(len(x))
        loss = -np.log(chances[rows, y]).mean()
        chances[rows, y] -= 1
        g = chances / len(x)
        back = (g @ weights.T).reshape(len(x), 32, -1).transpose(0, 2, 1)
        back = back * kept / KEEP * (1 - hidden**2)
        # The chapter computes the input gradient too: patches of the output's gradient.
        maps = back.transpose(0, 2, 1).reshape(len(x), 32, 28, 28)
        turned = filters.reshape(25, 1, 32)[::-1].transpose(2, 0, 1).reshape(-1, 1)
        np.matmul(patches(maps), turned)
        grads = [
            np.tensordot(cut, back, axes=([0, 1], [0, 1])),
            dropped.T @ g,
            g.sum(0),
        ]
        for param, moment, grad in zip(params, moments, grads, strict=True):
            moment *= MOMENTUM
            moment += grad
            param -= RATE * moment
        return float(loss)

    return run
