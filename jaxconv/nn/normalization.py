"""Normalisation of each observation on its own: by group, or by pixel."""

import jax.numpy as jnp
from jax import Array

from jaxconv.nn._checks import check_count, says_what_is_meant
from jaxconv.nn._memory import channels_last
from jaxconv.nn._normalize import (
    check_epsilon,
    check_input,
    check_observation,
    init_affine,
    normalize,
    wide,
)
from jaxconv.nn.layer import Layer

_meant = says_what_is_meant(
    num_groups="groups",
    num_channels="nothing, since init counts the channels,",
    normalized_shape="nothing, since init counts the channels,",
    eps="epsilon",
    center="shift",
    use_bias="shift",
    bias="shift",
    use_scale="scale",
    affine="scale=..., shift",
    elementwise_affine="scale=..., shift",
)


@_meant
def GroupNorm(
    groups: int, *, epsilon: float = 1e-5, scale: bool = True, shift: bool = True
) -> Layer:
    """Normalise each observation over all pixels and the channels of a group.

        y = (x - mean) / sqrt(variance + epsilon) * scale + shift

    The variance is the biased one. A group is a run of neighbouring channels; one group
    is the whole observation, and as many groups as channels is instance normalisation.
    Training and inference do not differ.

    Returns:
      A layer for (channels, *space), or (features,), with params `scale` and `shift`,
      a number for each channel.

    Raises:
      ValueError: a setting is out of range; from `init` and `apply`: the channels are
        not those of `params`, or not a multiple of `groups`.

    Source: Y. Wu and K. He (2018), arXiv:1803.08494, equations 1 and 2.
    """
    check_count("GroupNorm", "groups", groups)
    check_epsilon("GroupNorm", epsilon)

    def init(key, input_shape):
        shape = check_observation("GroupNorm", input_shape)
        _check_divides(groups, shape, 0)
        return shape, init_affine(shape[0], scale, shift)

    def apply(params, x, *, key=None):
        check_input("GroupNorm", params, x)
        _check_divides(groups, x.shape, 1)
        pixels = channels_last(wide(x))
        n, *space, channels = pixels.shape
        grouped = pixels.reshape(n, *space, groups, channels // groups)
        within = (*range(1, 1 + len(space)), pixels.ndim)
        deviations, variance = _moments(grouped, within)
        ones = (1,) * len(space)
        each = jnp.broadcast_to(variance, (n, *ones, groups, channels // groups))
        deviations = deviations.reshape(pixels.shape)
        variance = each.reshape(n, *ones, channels)
        return normalize("GroupNorm", params, x, deviations, variance, epsilon)

    return Layer(init, apply, "group_norm")


@_meant
def LayerNorm(
    *, epsilon: float = 1e-5, scale: bool = True, shift: bool = True
) -> Layer:
    """Normalise each pixel over its channels.

    The formula is that of `GroupNorm`, with mean and variance over axis 1 of `x` only,
    as in ConvNeXt, and in Flax and Keras on channels-last images. A vector of features
    is normalised as a whole. To normalise over pixels as well, as
    `torch.nn.LayerNorm((channels, height, width))` does, take `GroupNorm(1)`, which
    scales by channel where PyTorch scales each number.

    Returns:
      A layer for (channels, *space), or (features,), with params `scale` and `shift`,
      a number for each channel.

    Raises:
      ValueError: `epsilon` is not above 0; from `apply`: the channels are not those of
        `params`.

    Source: J. Ba et al. (2016), arXiv:1607.06450, equation 3.
    """
    check_epsilon("LayerNorm", epsilon)

    def init(key, input_shape):
        shape = check_observation("LayerNorm", input_shape)
        return shape, init_affine(shape[0], scale, shift)

    def apply(params, x, *, key=None):
        check_input("LayerNorm", params, x)
        deviations, variance = _moments(channels_last(wide(x)), (-1,))
        return normalize("LayerNorm", params, x, deviations, variance, epsilon)

    return Layer(init, apply, "layer_norm")


def _moments(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the deviations from the mean and the biased variance; axes are kept."""
    deviations = x - jnp.mean(x, axes, keepdims=True)
    return deviations, jnp.mean(deviations * deviations, axes, keepdims=True)


def _check_divides(groups: int, shape: tuple[int, ...], axis: int) -> None:
    if shape[axis] % groups:
        raise ValueError(
            f"GroupNorm: groups must divide the channels, got {groups} groups and "
            f"{shape[axis]} channels (axis {axis} of {shape})."
        )
