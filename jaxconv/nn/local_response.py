"""Local response normalisation: neighbouring channels inhibit each other."""

import jax
import jax.numpy as jnp

from jaxconv.nn._checks import check_count, says_what_is_meant
from jaxconv.nn._memory import channels_first, channels_last
from jaxconv.nn._normalize import check_input, check_observation, check_positive, wide
from jaxconv.nn.layer import Layer


@says_what_is_meant(
    n="size", depth_radius="size=2 * depth_radius + 1", bias="k", eps="k"
)
def LocalResponseNorm(
    size: int = 5, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0
) -> Layer:
    """Divide by `(k + alpha / size * sum of squares) ** beta`.

    The sum is over `size` neighbouring channels of the same pixel, from `size // 2`
    before to `(size - 1) // 2` after; channels that do not exist count as zero. `alpha`
    is divided by `size`, as in PyTorch and Caffe; in the paper and in TensorFlow it is
    not: their 1e-4 is `alpha=5e-4` here, for `size=5`.

    Raises:
      ValueError: a setting is out of range, or the input has no channels.

    Source: A. Krizhevsky et al. (2012), section 3.3.
    """
    caller = "LocalResponseNorm"
    check_count(caller, "size", size)
    for name, value in (("alpha", alpha), ("beta", beta), ("k", k)):
        check_positive(caller, name, value)

    def init(key, input_shape):
        return check_observation(caller, input_shape), {}

    def apply(params, x, *, key=None):
        check_input(caller, params, x)
        wide_x = channels_last(wide(x))
        beyond = [(0, 0)] * (x.ndim - 1) + [(size // 2, (size - 1) // 2)]
        squares = jnp.pad(wide_x * wide_x, beyond)
        total = sum(
            jax.lax.slice_in_dim(squares, start, start + x.shape[1], axis=-1)
            for start in range(size)
        )
        y = wide_x * (k + alpha / size * total) ** -beta
        return channels_first(y.astype(x.dtype))

    return Layer(init, apply, "local_response_norm")
