"""One training step: a pure function of the state and a batch, jitted once."""

import functools
import itertools
import numbers
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.sharding import Sharding

from jaxconv.nn import (
    Layer,
    Params,
    Shape,
    merge_statistics,
    softmax_cross_entropy,
    split_statistics,
    update,
)
from jaxconv.train._checks import (
    check_batch,
    check_model,
    check_not_donated,
    check_optimizer,
    check_seed,
    check_state,
)
from jaxconv.train.augment import Augment


class TrainState(NamedTuple):
    """The complete state of a run: all that is needed to resume it."""

    params: Params
    opt_state: Any
    key: Array  # the run's; each step folds its number in
    step: Array  # () int32, the number of steps done
    average: Params | None = None  # the exponential moving average of params
    best: Params | None = None  # those of the best validation; no step changes them


class Metrics(NamedTuple):
    """The loss and the accuracy of a step's batch."""

    loss: Array  # ()
    accuracy: Array  # () from 0 to 1


_AUGMENT = 2**31  # beyond the numbers of microbatches

Step = Callable[..., tuple[TrainState, Metrics]]


def init_state(
    model: Layer,
    optimizer: optax.GradientTransformation,
    input_shape: Shape,
    seed: int,
    *,
    average: bool = False,
) -> TrainState:
    """Return the state before the first step; `input_shape` leaves out the batch.

    `average` is whether a moving average of the params is kept.

    Raises:
      TypeError: `model` is not a layer, `optimizer` no optimiser of optax, or `seed`
        not an int.
    """
    check_model("init_state", model)
    check_optimizer("init_state", optimizer)
    check_seed("init_state", seed)
    _, params = model.init(_key(seed, "params"), input_shape)
    opt_state = optimizer.init(split_statistics(params)[0])
    averaged = jax.tree.map(jnp.copy, params) if average else None
    return TrainState(params, opt_state, _key(seed, "dropout"), jnp.int32(0), averaged)


def order_of(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order in which an epoch takes the `count` training images."""
    key = jax.random.fold_in(_key(seed, "order"), epoch)
    return np.asarray(jax.random.permutation(key, count))


def _key(seed: int, purpose: Literal["params", "dropout", "order"]) -> Array:
    """Return the purpose's own random key."""
    keys = jax.random.split(jax.random.key(seed), 3)
    return keys[("params", "dropout", "order").index(purpose)]


def make_step(
    model: Layer,
    optimizer: optax.GradientTransformation,
    microbatches: int = 1,
    *,
    label_smoothing: float = 0.0,
    augment: Augment | None = None,
    ema: float = 0.0,
    sharding: Sharding | None = None,
) -> Step:
    """Return the jitted `(state, images, labels, mask=None) -> (state, metrics)`.

    The loss is the mean over the batch, whose `microbatches` are computed in parallel,
    each in memory that fits the caches. A model that keeps statistics takes the batch
    undivided, since they are of all its images. The optimiser leaves statistics alone.
    Rows where `mask`, (n,) bool, is false pad the batch and do not count.

    `augment(key, images)` changes the images first, with another key in each step.
    `label_smoothing` is that of `softmax_cross_entropy`. `ema` is the share of the old
    average that each step keeps, in the first steps less: (1 + step) / (10 + step).
    `sharding` is the new state's, on several devices.

    The old state's buffers are donated: they hold the new state afterwards, so use only
    the returned state.

    Raises:
      TypeError: `model` is not a layer, or `optimizer` no optimiser of optax.
      ValueError: `microbatches` is not an int of at least 1; from the step: there are
        no images, not as many labels, or the state is another optimiser's or was given
        to a step before.
    """
    check_model("make_step", model)
    check_optimizer("make_step", optimizer)
    if not isinstance(microbatches, numbers.Integral) or microbatches < 1:
        raise ValueError(
            f"make_step: microbatches must be at least 1, got {microbatches!r}."
        )

    count = 1 if model.update else microbatches

    def step(state, images, labels, mask=None):
        check_batch(images, labels)
        check_state(state, optimizer, ema)
        key = jax.random.fold_in(state.key, state.step)
        learned, statistics = split_statistics(state.params)
        if augment is not None:
            images = augment(jax.random.fold_in(key, _AUGMENT), images)

        def loss_of(learned):
            params, loss, right = merge_statistics(learned, statistics), 0.0, 0.0
            for i, rows in enumerate(_cut(len(images), count)):
                present = None if mask is None else mask[rows]
                logits, params = update(
                    model,
                    params,
                    images[rows],
                    key=jax.random.fold_in(key, i),
                    mask=present,
                )
                share = _share(rows, mask, len(images), logits.dtype)
                loss += share * softmax_cross_entropy(
                    logits, labels[rows], label_smoothing=label_smoothing, mask=present
                )
                right += share * _accuracy(logits, labels[rows], present)
            return loss, (split_statistics(params)[1], right)

        loss_and_grads = jax.value_and_grad(loss_of, has_aux=True)
        (loss, (statistics, right)), grads = loss_and_grads(learned)
        updates, opt_state = optimizer.update(grads, state.opt_state, learned)
        learned = optax.apply_updates(learned, updates)
        params = merge_statistics(learned, statistics)
        average = state.average
        if average is not None:
            average = optax.incremental_update(params, average, 1 - _kept(ema, state))
        new = state._replace(
            params=params, opt_state=opt_state, step=state.step + 1, average=average
        )
        return new, Metrics(loss, right)

    compiled = jax.jit(step, donate_argnums=0, out_shardings=sharding)

    @functools.wraps(compiled)
    def checked(state, images, labels, mask=None):
        check_not_donated(state)
        return compiled(state, images, labels, mask)

    return checked


def _share(rows: slice, mask: Array | None, images: int, dtype: Any) -> float | Array:
    """Return the share of a batch's images that a microbatch, its `rows`, has."""
    if mask is None:
        return (rows.stop - rows.start) / images
    return (jnp.sum(mask[rows]) / jnp.maximum(jnp.sum(mask), 1)).astype(dtype)


def _accuracy(logits: Array, labels: Array, mask: Array | None) -> Array:
    """Return the share of rows that are classified correctly; 0 if there are none."""
    right = jnp.argmax(logits, axis=1) == labels
    if mask is None:
        return jnp.mean(right, dtype=logits.dtype)
    count = jnp.maximum(jnp.sum(mask), 1)
    return (jnp.sum(right & mask) / count).astype(logits.dtype)


def _kept(ema: float, state: TrainState) -> Array:
    """Return the share of the old average that a step keeps."""
    done = (state.step + 1).astype(jnp.float32)
    return jnp.minimum(ema, (1 + done) / (10 + done))


def _cut(images: int, count: int) -> list[slice]:
    """Split a batch into microbatches, as equal as possible; none is empty."""
    count = min(count, images)
    bounds = (images * i // count for i in range(count + 1))
    return [slice(*pair) for pair in itertools.pairwise(bounds)]


def make_count_correct(
    model: Layer, sharding: Sharding | None = None
) -> Callable[..., tuple[Array, Array]]:
    """Return the jitted `(params, images, labels, mask=None) -> (right, finite)`.

    `right` counts the images that `model` classifies correctly; `finite` says whether
    all its outputs are finite: if not, the count means nothing.
    """

    def count_correct(params, images, labels, mask=None):
        logits = model.apply(params, images)
        right = jnp.argmax(logits, axis=1) == labels
        if mask is not None:
            right = right & mask
        return jnp.sum(right), jnp.all(jnp.isfinite(logits))

    return jax.jit(count_correct, out_shardings=sharding)
