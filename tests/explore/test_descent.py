import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.explore.descent import descend
from jaxconv.explore.images import forward
from jaxconv.explore.sessions import Sessions
from tests.explore.small import LABEL, PIXELS, close, loss_and_grads, model, scaled

RATE = 1e-4


def by_jax_grad(steps):
    """Return the losses and the filters of plain descent by jax.grad."""
    params = model().params
    zeros = {"sums": (1, 32, 28, 28), "maps": (1, 32, 28, 28), "logits": (1, 10)}
    fixed = {name: jnp.zeros(shape, jnp.float32) for name, shape in zeros.items()}
    fixed["x"] = jnp.asarray(scaled())[None, None]
    moved = {"filters": params["conv1"]["filters"], **params["dense1"]}
    moved = {name: np.asarray(array) for name, array in moved.items()}
    losses = []
    for _ in range(steps + 1):
        (loss, _), grads = loss_and_grads({**fixed, **moved})
        losses.append(float(loss))
        filters = moved["filters"]
        moved = {
            k: v - np.float32(RATE) * np.asarray(grads[k]) for k, v in moved.items()
        }
    return losses, filters[0]


def test_steps_are_those_by_jax_grad_and_the_session_keeps_them():
    sessions = Sessions(model())
    first = descend(sessions, "page-one", PIXELS, LABEL, 1, RATE)
    more = descend(sessions, "page-one", PIXELS, LABEL, 2, RATE)
    losses, filters = by_jax_grad(3)
    close(first["losses"], losses[:2])
    close(more["losses"], losses[1:])
    close(more["filters"], filters)
    assert losses[3] < losses[0]
    seen = forward(sessions.model("page-one"), PIXELS)
    assert {name: more[name] for name in seen} == seen
    close(-np.log(seen["probabilities"][LABEL]), losses[3])


def test_descent_changes_no_other_session():
    sessions = Sessions(model())
    before = forward(sessions.model(), PIXELS)
    descend(sessions, "page-one", PIXELS, LABEL, 1, RATE)
    for other in None, "page-two":
        assert forward(sessions.model(other), PIXELS) == before
    sessions.reset("page-one")
    assert forward(sessions.model("page-one"), PIXELS) == before


def test_what_is_not_finite_is_not_kept():
    sessions = Sessions(model())
    with pytest.raises(ValueError, match=r"not finite after 2 steps with rate 1e\+38"):
        descend(sessions, "page-one", PIXELS, LABEL, 2, 1e38)
    assert len(sessions) == 0


@pytest.mark.parametrize(
    ("steps", "rate", "said"),
    [
        (0, RATE, "descend: steps must be from 1 to 100, got 0"),
        (101, RATE, "descend: steps must be from 1 to 100, got 101"),
        (1, float("nan"), "descend: rate must be finite, got nan"),
    ],
)
def test_steps_and_rate_are_bounded(steps, rate, said):
    with pytest.raises(ValueError, match=said):
        descend(Sessions(model()), "page-one", PIXELS, LABEL, steps, rate)
