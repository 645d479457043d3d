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
    """All that changes from step to step."""

    params: Params
    opt_state: Any
    key: Array  # of the whole run; each step folds its number in
    step: Array  # () int32, the number of steps done


_AUGMENT = 2**31  # beyond the numbers of microbatches

Step = Callable[[TrainState, Array, Array], tuple[TrainState, Array]]


def init_state(
    model: Layer,
    optimizer: optax.GradientTransformation,
    input_shape: Shape,
    seed: int,
) -> TrainState:
    """Return the state before the first step; `input_shape` leaves out the batch.

    Raises:
      TypeError: `model` is not a layer, `optimizer` no optimiser of optax, or `seed`
        not an int.
    """
    check_model("init_state", model)
    check_optimizer("init_state", optimizer)
    check_seed("init_state", seed)
    _, params = model.init(_key(seed, "params"), input_shape)
    opt_state = optimizer.init(split_statistics(params)[0])
    return TrainState(params, opt_state, _key(seed, "dropout"), jnp.int32(0))


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
) -> Step:
    """Return the jitted `(state, images, labels) -> (state, loss)`.

    The loss is the mean over the batch, whose `microbatches` are computed in parallel,
    each in memory that fits the caches. A model that keeps statistics takes the batch
    whole: they are of all its images. The optimiser leaves statistics alone.

    `augment(key, images)` changes the images first, by another key in each step.
    `label_smoothing` is that of `softmax_cross_entropy`.

    The old state's buffers are donated: they hold the new state afterwards, so use the
    returned one only.

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

    parts = 1 if model.update else microbatches

    def step(state, images, labels):
        check_batch(images, labels)
        check_state(state, optimizer)
        key = jax.random.fold_in(state.key, state.step)
        learned, statistics = split_statistics(state.params)
        if augment is not None:
            images = augment(jax.random.fold_in(key, _AUGMENT), images)

        def loss_of(learned):
            params, loss = merge_statistics(learned, statistics), jnp.float32(0)
            for i, part in enumerate(_cut(len(images), parts)):
                part_key = jax.random.fold_in(key, i)
                logits, params = update(model, params, images[part], key=part_key)
                share = (part.stop - part.start) / len(images)
                loss += share * softmax_cross_entropy(
                    logits, labels[part], label_smoothing=label_smoothing
                )
            return loss, split_statistics(params)[1]

        loss_and_grads = jax.value_and_grad(loss_of, has_aux=True)
        (loss, statistics), grads = loss_and_grads(learned)
        updates, opt_state = optimizer.update(grads, state.opt_state, learned)
        learned = optax.apply_updates(learned, updates)
        params = merge_statistics(learned, statistics)
        return TrainState(params, opt_state, state.key, state.step + 1), loss

    compiled = jax.jit(step, donate_argnums=0)

    @functools.wraps(compiled)
    def checked(state, images, labels):
        check_not_donated(state)
        return compiled(state, images, labels)

    return checked


def _cut(images: int, parts: int) -> list[slice]:
    """Cut a batch into parts, as equal as they come; none is empty."""
    parts = min(parts, images)
    bounds = (images * i // parts for i in range(parts + 1))
    return [slice(*pair) for pair in itertools.pairwise(bounds)]


def make_count_correct(model: Layer) -> Callable[..., tuple[Array, Array]]:
    """Return the jitted `(params, images, labels) -> (right, finite)`.

    `right` counts the images that `model` classifies rightly; `finite` is whether all
    its outputs are: if not, the count means nothing.
    """

    def count_correct(params, images, labels):
        logits = model.apply(params, images)
        right = jnp.sum(jnp.argmax(logits, axis=1) == labels)
        return right, jnp.all(jnp.isfinite(logits))

    return jax.jit(count_correct)
