"""The loss of the chapter's classifier."""

import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Float, Integer


def softmax_cross_entropy(
    logits: Float[Array, "n classes"], labels: Integer[Array, " n"]
) -> Float[Array, ""]:
    """Average `-log softmax(logits)[label]` over the batch, by optax.

    Labels must lie in `0 .. classes - 1`; `jaxconv.data` checks that when it loads.

    Raises:
      ValueError: the shapes are not (n, classes) and (n,).
    """
    if jnp.ndim(logits) != 2 or jnp.shape(labels) != jnp.shape(logits)[:1]:
        raise ValueError(
            "softmax_cross_entropy: logits must be (n, classes) and labels (n,), got "
            f"{jnp.shape(logits)} and {jnp.shape(labels)}. Labels are class numbers, "
            "not one-hot rows."
        )
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
