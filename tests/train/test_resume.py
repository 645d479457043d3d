"""A run that was stopped and resumed ends with the bits of one that was not."""

import dataclasses
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.train import Config, PlainLines, fit
from tests.train.stripes import stripes

DATA = stripes(47, 9, height=6, width=7)
NORMALISED = nn.serial(
    nn.Conv2D(4, 3, activation=nn.ReLU()),
    nn.BatchNorm(),
    nn.Flatten(),
    nn.Dropout(0.7),
    nn.Dense(3),
)
DENSE = nn.serial(nn.Flatten(), nn.Dropout(0.7), nn.Dense(3))
BASE = Config(
    batch_size=5,
    learning_rate=0.05,
    microbatches=1,
    validate_every=7,
    epochs=3,
    checkpoint_every=4,
)
MOVED = {"max_shift": 1.0, "max_rotation": 5.0}
CASES = {
    "sgd": (DENSE, {}),
    "momentum": (NORMALISED, MOVED),
    "average": (
        NORMALISED,
        {"ema": 0.99, "schedule": "cosine", "weight_decay": 1e-3, "clip_norm": 1.0},
    ),
    "accumulated": (DENSE, {"accumulate": 3, "warm_up": 3, "schedule": "cosine"}),
    "best": (NORMALISED, {"held_out": 9, "patience": 9, "ema": 0.9}),
}


class Interrupting(PlainLines):
    """Presses Ctrl-C once so many batches are done, or a few more."""

    def __init__(self, say, at):
        super().__init__(say)
        self._at = at

    def progress(self, progress):
        super().progress(progress)
        if progress.done >= self._at:
            self._at = 10**9
            os.kill(os.getpid(), signal.SIGINT)


def bits(tree):
    """Return the kinds and bytes of a pytree; a weak type would be another program."""

    def of(leaf):
        key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        data = np.asarray(jax.random.key_data(leaf) if key else leaf)
        return str(leaf.aval), data.tobytes()

    return jax.tree.map(of, tree)


# The fast tier has a case in test_runs.py; test_kill.py stops a run of adam.
@pytest.mark.exhaustive
@pytest.mark.parametrize("case", CASES)
def test_a_resumed_run_ends_with_the_same_bits(case, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxconv.train.page.write_page", lambda *_: None)
    model, settings = CASES[case]
    config = dataclasses.replace(BASE, **settings)
    kept = dataclasses.replace(config, run=tmp_path / "run", resume=True)
    lines = []
    with jax.numpy_dtype_promotion("standard"):  # optax's schedules mix their types
        expected = fit(model, DATA, config, PlainLines(lambda line: None))
        for at in (10, 20):
            stopped = fit(model, DATA, kept, Interrupting(lines.append, at))
            assert stopped.interrupted
            assert f"Stopping after {stopped.batches} batches" in " ".join(lines)
        found = fit(model, DATA, kept, PlainLines(lines.append))
    assert f"Going on after {stopped.batches} batches." in lines
    assert bits((found.state, found.params)) == bits((expected.state, expected.params))
    assert found.accuracy == expected.accuracy
    assert found.batches == expected.batches
