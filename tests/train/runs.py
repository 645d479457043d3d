"""Folders of runs for tests of what comes after training."""

from pathlib import Path

import jax
import numpy as np

from jaxconv import nn
from jaxconv.data import Dataset
from jaxconv.train import Config, Scaling, runs
from jaxconv.train.config import Model
from jaxconv.train.models import make_model


def make_run(folder: Path, model: Model = "chapter5", scale: float = 1.0) -> Path:
    """Make the folder of a run that has ended, with random parameters."""
    config, random = Config(model=model), np.random.default_rng(0)

    def drawn(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        draw = random.normal(0, 0.1, leaf.shape)
        draw = draw if leaf.ndim > 1 else 1 + draw  # variances are above 0
        return np.asarray(scale * draw, leaf.dtype)

    params = jax.tree.map(drawn, nn.eval_shape(make_model(config), (1, 28, 28))[1])
    nine = np.zeros((9, 1, 28, 28), np.uint8), np.arange(9, dtype=np.int32)
    data = Dataset(nine, nine, tuple("0123456789"), "nine images")
    described = runs.description(config, data, Scaling(33.3, 78.6))
    folder.mkdir(parents=True, exist_ok=True)
    runs.write_settings(folder, described)
    runs.save_model(folder, params, described)
    return folder
