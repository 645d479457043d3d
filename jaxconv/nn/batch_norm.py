"""Batch normalisation: each channel gets a mean and a deviation that are learned."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxconv.nn._checks import check_key, check_params, says_what_is_meant
from jaxconv.nn._memory import channels_last, of_channels
from jaxconv.nn._normalize import (
    check_epsilon,
    check_fraction,
    check_input,
    check_observation,
    init_affine,
    normalize,
    param,
    wide,
)
from jaxconv.nn.layer import Layer, Params
from jaxconv.nn.statistics import STATISTICS


@says_what_is_meant(
    decay="momentum=1 - decay",
    decay_rate="momentum=1 - decay_rate",
    use_running_average="a key in apply to train, none for the running statistics",
    training="a key in apply to train, none for the running statistics",
    eps="epsilon",
    center="shift",
    use_bias="shift",
    use_scale="scale",
    affine="scale=..., shift",
    num_features="nothing, since init counts the channels,",
    features="nothing, since init counts the channels,",
)
def BatchNorm(
    *,
    momentum: float = 0.1,
    epsilon: float = 1e-5,
    scale: bool = True,
    shift: bool = True,
) -> Layer:
    """Normalise each channel over the batch and all pixels, then scale and shift it.

        y = (x - mean) / sqrt(variance + epsilon) * scale + shift

    `apply` with a key, and `update`, use the mean and the biased variance (sum of
    squared deviations / count) of the batch; `apply` without a key uses the running
    ones. `update` returns params with new running ones,

        running = (1 - momentum) * running + momentum * (that of the batch)

    with the unbiased variance (/ (count - 1)) of the batch, as in PyTorch. In Keras and
    Flax, momentum means 1 - `momentum`, and the biased variance is kept. The count is
    that of the whole batch, on however many devices, less the rows that `mask` leaves
    out. No gradient flows through the running statistics.

    Args:
      momentum: the weight of the newest batch in the running statistics, in (0, 1].
      epsilon: what is added to the variance, above 0.
      scale: whether to learn a factor for each channel.
      shift: whether to learn a summand for each channel.

    Returns:
      A layer for (channels, *space), or (features,), with params `scale` and `shift`
      (channels,), and `statistics`: `mean` and `variance` (channels,).

    Raises:
      ValueError: a setting is out of range; from `apply` and `update`: `x` does not
        have the channels of `params`, or fewer than two numbers a channel.

    Source: S. Ioffe and C. Szegedy (2015), arXiv:1502.03167, algorithm 1.
    """
    check_fraction("BatchNorm", "momentum", momentum)
    check_epsilon("BatchNorm", epsilon)

    def init(key, input_shape):
        shape = check_observation("BatchNorm", input_shape)
        params = init_affine(shape[0], scale, shift)
        params[STATISTICS] = {
            "mean": jnp.zeros(shape[:1], jnp.float32),
            "variance": jnp.ones(shape[:1], jnp.float32),
        }
        return shape, params

    def apply(params, x, *, key=None):
        if key is not None:
            return update(params, x, key=key)[0]
        mean, variance = _running(params, x)
        pixels = channels_last(wide(x))
        deviations = pixels - of_channels(mean.astype(pixels.dtype), x.ndim)
        return normalize("BatchNorm", params, x, deviations, variance, epsilon)

    def update(params, x, *, key=None, mask=None):
        if key is not None:
            check_key("BatchNorm", key)
        running = _running(params, x)
        count: Any = x.size // x.shape[1]
        if count < 2:
            raise ValueError(
                "BatchNorm: training takes at least two numbers a channel, got "
                f"{count} (x has shape {x.shape}, channels on axis 1): its variance "
                "would be 0. Give a larger batch, or no key for the running statistics."
            )
        if mask is not None:
            count = count // len(x) * jnp.sum(mask, dtype=jnp.int32)
        count = jnp.asarray(count, wide(x).dtype)
        mean, variance, deviations = _moments(channels_last(wide(x)), mask, count)
        y = normalize("BatchNorm", params, x, deviations, variance, epsilon)
        batch = (mean, variance * (count / jnp.maximum(count - 1, 1)))
        mean, variance = (
            (1 - momentum) * old
            + momentum * jax.lax.stop_gradient(new).astype(old.dtype)
            for old, new in zip(running, batch, strict=True)
        )
        return y, {**params, STATISTICS: {"mean": mean, "variance": variance}}

    return Layer(init, apply, "batch_norm", update=update)


def _moments(x: Array, mask: Array | None, count: Array) -> tuple[Array, Array, Array]:
    """Return each channel's mean and biased variance, and the deviations from the mean.

    `x` is channels-last. In two passes: the one-pass formula, the mean of squares minus
    the squared mean, loses all digits where the mean is large compared with the
    deviations.
    """

    def mean_of(values):
        if mask is not None:
            rows = mask.reshape(-1, *(1,) * (x.ndim - 1))
            values = jnp.where(rows, values, 0)
        return jnp.sum(values, range(x.ndim - 1)) / count

    mean = mean_of(x)
    deviations = x - of_channels(mean, x.ndim)
    return mean, mean_of(deviations * deviations), deviations


def _running(params: Params, x: Array) -> tuple[Array, Array]:
    """Return the running mean and variance, of which no gradient is taken."""
    check_input("BatchNorm", params, x)
    statistics = params.get(STATISTICS, {})
    check_params("BatchNorm", statistics)
    mean, variance = (
        param("BatchNorm", statistics, name, x) for name in ("mean", "variance")
    )
    return jax.lax.stop_gradient(mean), jax.lax.stop_gradient(variance)
