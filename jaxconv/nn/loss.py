"""The loss of the chapter's classifier."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import Bool, Float, Integer

_NAME = "softmax_cross_entropy"


def softmax_cross_entropy(
    logits: Float[Array, "n classes"],
    labels: Integer[Array, " n"],
    *,
    label_smoothing: float = 0.0,
    mask: Bool[Array, " n"] | None = None,
) -> Float[Array, ""]:
    """Average `-log softmax(logits)[label]` over the batch, by optax.

    With `label_smoothing`, that share of the label is spread evenly over all classes.
    With `mask`, the average is over the rows where it is true; 0 if there are none.

    Labels must lie in `0 .. classes - 1`. Under `jit` their values are not known; the
    loss is then NaN if one does not.

    Raises:
      TypeError: logits are not floats, or labels not whole numbers.
      ValueError: the shapes are not (n, classes) and (n,), n and classes at least 1, or
        a label is out of range, or `label_smoothing` is not in [0, 1).

    Source: C. Szegedy et al. (2016), arXiv:1512.00567, section 7.
    """
    if not 0 <= label_smoothing < 1:
        raise ValueError(
            f"{_NAME}: label_smoothing must be at least 0 and below 1, got "
            f"{label_smoothing}."
        )
    labels = labels if isinstance(labels, jax.Array) else np.asarray(labels)
    logits = jnp.asarray(logits)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not logits.size:
        raise ValueError(
            f"{_NAME}: logits must be (n, classes) and labels (n,), neither of them "
            f"empty, got {logits.shape} and {labels.shape}. Labels are class numbers, "
            "not one-hot rows."
        )
    for name, array, kind in (
        ("logits", logits, jnp.floating),
        ("labels", labels, jnp.integer),
    ):
        if not jnp.issubdtype(array.dtype, kind):
            right = "float32" if kind is jnp.floating else "int32"
            raise TypeError(
                f"{_NAME}: {name} must be of a type such as {right}, got "
                f"{array.dtype}. Write {name}.astype('{right}')."
            )
    _check_range(labels, logits.shape)
    labels = jnp.asarray(labels).astype(jnp.int32)
    # optax counts negative labels from the end, and gives NaN for those too large.
    labels = jnp.where(labels < 0, logits.shape[1], labels)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    if label_smoothing:
        evenly = -jax.nn.log_softmax(logits).mean(1)
        losses = (1 - label_smoothing) * losses + label_smoothing * evenly
    if mask is None:
        return losses.mean()
    count = jnp.maximum(jnp.sum(mask), 1).astype(losses.dtype)
    return jnp.sum(jnp.where(mask, losses, 0)) / count


def _check_range(labels: Array | np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise ValueError for a label that is not a class, where the values are known."""
    if isinstance(labels, jax.core.Tracer):
        return
    if isinstance(labels, jax.Array) and not labels.is_fully_addressable:
        return
    values, classes = np.asarray(labels), shape[1]
    wrong = (values < 0) | (values >= classes)
    if not wrong.any():
        return
    at = int(np.argmax(wrong))
    hint = "Give the last layer as many neurons as there are classes."
    if values.min() >= 1 and values.max() == classes:
        hint = "They seem to begin at 1: subtract 1."
    raise ValueError(
        f"{_NAME}: labels must lie in 0 .. {classes - 1}, as logits have {classes} "
        f"classes (axis 1 of {shape}), got {values[at]} at index {at}. {hint}"
    )
