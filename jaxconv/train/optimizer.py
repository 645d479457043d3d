"""The optimiser that the settings name, from optax."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxconv.nn import Params
from jaxconv.train.config import Config

_WARM_UP = 0.3  # of one cycle's steps


def make_optimizer(
    config: Config,
    steps: int | None = None,
    *,
    learning_rate: float | optax.Schedule | None = None,
) -> optax.GradientTransformation:
    """Return the optimiser that `config` names, for a run of `steps` steps.

    `learning_rate` takes the place of the rate and the schedule of `config`.

    Raises:
      TypeError: `config` is not a `Config`.
      ValueError: the schedule of `config` needs `steps`, and they are not given.
    """
    if not isinstance(config, Config):
        raise TypeError(
            f"make_optimizer: config must be a Config, got {config!r}. Write "
            'make_optimizer(Config(optimizer="adam")).'
        )
    rate = learning_rates(config, steps) if learning_rate is None else learning_rate
    parts = []
    if config.clip_norm:
        parts.append(optax.clip_by_global_norm(config.clip_norm))
    if config.optimizer == "adam" and config.weight_decay:
        decay = config.weight_decay
        parts.append(optax.adamw(rate, weight_decay=decay, mask=_decays))
    elif config.optimizer == "adam":
        parts.append(optax.adam(rate))
    else:
        if config.weight_decay:
            parts.append(optax.add_decayed_weights(config.weight_decay, _decays))
        parts.append(optax.sgd(rate, momentum=config.momentum))
    optimizer = parts[0] if len(parts) == 1 else optax.chain(*parts)
    if config.accumulate == 1:
        return optimizer
    return _accumulating(optimizer, config.accumulate, steps)


def learning_rates(config: Config, steps: int | None) -> float | optax.Schedule:
    """Return the learning rate: a number, or a function of the number of updates done.

    There is an update for every `accumulate` steps.
    """
    peak, warm_up = config.learning_rate, config.warm_up
    if config.schedule == "constant":
        return optax.warmup_constant_schedule(0.0, peak, warm_up) if warm_up else peak
    if steps is None:
        raise ValueError(
            f'make_optimizer: schedule "{config.schedule}" needs the number of steps. '
            "Write make_optimizer(config, steps)."
        )
    updates = math.ceil(steps / config.accumulate)
    if config.schedule == "one-cycle":
        return optax.cosine_onecycle_schedule(updates, peak, _WARM_UP)
    if warm_up:
        whole = max(updates, warm_up + 1)
        return optax.warmup_cosine_decay_schedule(0.0, peak, warm_up, whole)
    return optax.cosine_decay_schedule(peak, updates)


def rate_after(config: Config, steps: int) -> Callable[[int], float]:
    """Return the learning rate as a function, on the host, of the updates done."""
    rates = learning_rates(config, steps)
    if not callable(rates):
        return lambda updates: float(rates)
    compiled = jax.jit(rates)  # operation by operation it would take milliseconds

    def rate(updates):
        with jax.numpy_dtype_promotion("standard"):  # optax mixes its types
            return float(compiled(updates))

    return rate


def _accumulating(
    optimizer: optax.GradientTransformation, every: int, steps: int | None
) -> optax.GradientTransformation:
    """Average the gradients of `accumulate` steps for each update.

    The last update of a run averages those that are left, if they divide unevenly.
    """

    def gradients(updates_done: Array) -> Array:
        if steps is None:
            return jnp.full_like(updates_done, every)
        left = steps - every * updates_done
        return jnp.clip(left, 1, every).astype(updates_done.dtype)

    return optax.MultiSteps(optimizer, gradients).gradient_transformation()


def _decays(params: Params) -> Params:
    """Return for each leaf whether it decays: weights and filters do, biases do not."""
    return jax.tree.map(_is_matrix, params)


def _is_matrix(leaf: Array) -> bool:
    return leaf.ndim > 1
