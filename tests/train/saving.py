"""Small states, saved and restored, for tests of checkpoints."""

import os

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.train import TrainState
from jaxconv.train.checkpoints import Checkpoints

IDENTITY = {"model": "chapter5", "shape": (1, 28, 28), "rate": 0.1}


def state_of(step, count=40):
    """A small state, another one after each step."""
    weights = np.random.default_rng(step).normal(size=count).astype(np.float32)
    params = {"weights": jnp.asarray(weights)}
    return TrainState(params, (), jax.random.key(0), jnp.int32(step))


def checkpoints(folder, keep=3, **identity):
    return Checkpoints(folder, keep=keep, identity={**IDENTITY, **identity})


def saved(folder, *steps, keep=3, count=40, accuracies=()):
    """Save a state after each of some steps."""
    here = checkpoints(folder, keep)
    for number, step in enumerate(steps):
        accuracy = accuracies[number] if accuracies else None
        here.save(state_of(step, count), {"of": step}, accuracy=accuracy)
    here.close()
    return here


def restored(folder, like=None, **identity):
    """Return the step restored, and what was said."""
    lines = []
    found = checkpoints(folder, **identity).restore(like or state_of(0), lines.append)
    if found is None:
        return None, lines
    state, notes = found
    step = int(state.step)
    assert notes == {"of": step}
    assert bits(state) == bits(state_of(step))
    return step, lines


def bits(tree):
    """Return the structure, kinds and bytes of a pytree."""
    leaves, structure = jax.tree.flatten(tree)
    found = []
    for leaf in leaves:
        key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        data = np.asarray(jax.random.key_data(leaf) if key else leaf)
        found.append((type(leaf), leaf.dtype, leaf.shape, data.tobytes()))
    return structure, found


def names(folder):
    return sorted(os.listdir(folder))
