"""Drawing weights: what `weight_init` may be.

The fans of filters are counted as PyTorch and Flax count them: each output is computed
from `fan in` = (in // groups) * taps numbers, and `fan out` = out * taps, whatever
groups and strides are.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn.initializers import Initializer

from jaxconv.nn._checks import described

WeightInit = Literal["glorot", "he", "lecun", "standard"] | Initializer
Draw = Callable[[Array, tuple[int, ...]], Array]

_FANS = {"in_axis": 0, "out_axis": 1}
_NAMED = {
    "glorot": jax.nn.initializers.glorot_normal(**_FANS),
    "he": jax.nn.initializers.he_normal(**_FANS),
    "lecun": jax.nn.initializers.lecun_normal(**_FANS),
    "standard": jax.nn.initializers.normal(1.0),
}


def initializer_of(caller: str, weight_init: WeightInit) -> Draw:
    """Return the function of a key and a shape (in, out, *kernel) that draws weights.

    An initializer, as of `jax.nn.initializers`, is called with the shape (*kernel, in,
    out), for which JAX's count the fans, and its result is transposed.

    Raises:
      ValueError: `weight_init` is not a name or an initializer; from the returned
        function: it draws another shape.
    """
    if isinstance(weight_init, str) and weight_init in _NAMED:
        named = _NAMED[weight_init]
        return lambda key, shape: named(key, shape, jnp.float32)
    if isinstance(weight_init, str) or not callable(weight_init):
        names = ", ".join(f'"{name}"' for name in sorted(_NAMED))
        raise ValueError(
            f"{caller}: weight_init must be one of {names}, or an initializer of "
            f"jax.nn.initializers, got {described(weight_init)}."
        )

    def draw(key: Array, shape: tuple[int, ...]) -> Array:
        channels_last = (*shape[2:], *shape[:2])
        weights = weight_init(key, channels_last, jnp.float32)
        if getattr(weights, "shape", None) != channels_last:
            raise ValueError(
                f"{caller}: weight_init must return an array of shape {channels_last}, "
                f"got {described(weights)}. Are its own parentheses missing, as in "
                "jax.nn.initializers.glorot_normal()?"
            )
        return jnp.moveaxis(jnp.asarray(weights, jnp.float32), (-2, -1), (0, 1))

    return draw
