"""How weights are drawn: what `weight_init` may be."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn.initializers import Initializer

from jaxconv.nn._checks import described

WeightInit = Literal["standard", "glorot"] | Initializer


def initializer_of(
    caller: str, weight_init: WeightInit
) -> Callable[[Array, tuple[int, ...]], Array]:
    """Return the function of a key and a shape that draws the weights."""
    if isinstance(weight_init, str) and weight_init == "glorot":
        draw: Any = jax.nn.initializers.glorot_normal(in_axis=0, out_axis=1)
    elif isinstance(weight_init, str) and weight_init == "standard":
        draw = jax.nn.initializers.normal(1.0)
    elif callable(weight_init):
        draw = weight_init
    else:
        raise ValueError(
            f'{caller}: weight_init must be "standard", "glorot" or an initializer of '
            f"jax.nn.initializers, got {described(weight_init)}."
        )

    def drawn(key: Array, shape: tuple[int, ...]) -> Array:
        weights = draw(key, shape, jnp.float32)
        if getattr(weights, "shape", None) != shape:
            raise ValueError(
                f"{caller}: weight_init must return an array of shape {shape}, got "
                f"{described(weights)}. Are its own parentheses missing, as in "
                "jax.nn.initializers.glorot_normal()?"
            )
        return weights

    return drawn
