"""Gradient descent on one image: loss, filters and maps are seen to change."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv import nn
from jaxconv.explore.images import forward
from jaxconv.explore.model import Model
from jaxconv.explore.passes import run_backward
from jaxconv.explore.sessions import Sessions

MOST_STEPS = 100


def descend(
    sessions: Sessions, session: str, pixels: Any, label: int, steps: int, rate: float
) -> dict[str, Any]:
    """Take steps of gradient descent on one image's loss; the session keeps the params.

    Every param moves by minus `rate` times its gradient; no unit is dropped, and there
    is no momentum.

    Returns:
      `losses`, before each step and after the last, and what `forward` returns of the
      new params.

    Raises:
      ValueError: `pixels` are not an image, there is no such class, `steps` is not from
        1 to 100, or the params are not finite any more, which are not kept then.
    """
    if not 1 <= steps <= MOST_STEPS:
        raise ValueError(
            f"descend: steps must be from 1 to {MOST_STEPS}, got {steps}. Call again "
            "for more."
        )
    if not math.isfinite(rate):
        raise ValueError(f"descend: rate must be finite, got {rate}. Try 0.001.")

    def step(model: Model) -> tuple[nn.Params, dict[str, Any]]:
        x, y = model.scaled("descend", pixels), model.label("descend", label)
        params, losses = _descend(model.params, x, y, steps, np.float32(rate))
        losses = np.asarray(losses)[: steps + 1]
        answer = forward(model.with_params(params), pixels)
        if not np.isfinite([*losses, *answer["logits"]]).all():
            raise ValueError(
                f"descend: the loss is not finite after {steps} steps with rate "
                f"{rate:g}. Take a lower rate."
            )
        return params, {"losses": losses.tolist(), **answer}

    return sessions.change(session, step)


@jax.jit
def _descend(params, x, label, steps, rate):
    """Return the params after `steps`, and the losses, of which the first count."""

    def step(done, state):
        params, losses = state
        grads = run_backward(params, x, label)
        moved = jax.tree.map(lambda p, g: p - rate * g, params, grads.params)
        return moved, losses.at[done].set(grads.loss)

    losses = jnp.zeros(MOST_STEPS + 1, jnp.float32)
    params, losses = jax.lax.fori_loop(0, steps, step, (params, losses))
    return params, losses.at[steps].set(run_backward(params, x, label).loss)
