"""The optimiser that the settings name, from optax."""

import jax
import optax
from jax import Array

from jaxconv.nn import Params
from jaxconv.train.config import Config

_WARM_UP = 0.3  # of one cycle's steps


def make_optimizer(
    config: Config, steps: int | None = None
) -> optax.GradientTransformation:
    """Return the optimiser that `config` names, for a run of `steps` steps.

    Raises:
      TypeError: `config` is not a `Config`.
      ValueError: the schedule of `config` needs `steps`, and they are not given.
    """
    if not isinstance(config, Config):
        raise TypeError(
            f"make_optimizer: config must be a Config, got {config!r}. Write "
            'make_optimizer(Config(optimizer="adam")).'
        )
    rate = learning_rates(config, steps)
    decay = config.weight_decay
    if config.optimizer == "adam":
        if not decay:
            return optax.adam(rate)
        return optax.adamw(rate, weight_decay=decay, mask=_decays)
    sgd = optax.sgd(rate, momentum=config.momentum)
    return optax.chain(optax.add_decayed_weights(decay, _decays), sgd) if decay else sgd


def learning_rates(config: Config, steps: int | None) -> float | optax.Schedule:
    """Return the learning rate: a number, or a function of the number of steps done."""
    if config.schedule == "constant":
        return config.learning_rate
    if steps is None:
        raise ValueError(
            f'make_optimizer: schedule "{config.schedule}" needs the number of steps. '
            "Write make_optimizer(config, steps)."
        )
    if config.schedule == "cosine":
        return optax.cosine_decay_schedule(config.learning_rate, steps)
    return optax.cosine_onecycle_schedule(steps, config.learning_rate, _WARM_UP)


def _decays(params: Params) -> Params:
    """Say of each leaf whether it decays: weights and filters do, not biases."""
    return jax.tree.map(_is_matrix, params)


def _is_matrix(leaf: Array) -> bool:
    return leaf.ndim > 1
