"""The model that the page shows: the chapter's, trained once or taken from a run."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxconv import nn
from jaxconv.data import Dataset, DatasetError, load
from jaxconv.explore.arguments import SIDE, as_image, check_place
from jaxconv.explore.trained import trained
from jaxconv.train.runs import RunError, open_run
from jaxconv.train.scaling import Scaling

NAME = "chapter5"  # of `jaxconv.nn.models`


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """The chapter's model, ready to look into.

    Attributes:
      params: of `jaxconv.nn.models.chapter5`: `conv1` and `dense1`.
      scaling: of bytes to what the model takes.
      classes: the names of the logits.
      digits: images of bytes (n, 1, 28, 28) to choose from, and their labels.
    """

    params: nn.Params
    scaling: Scaling
    classes: tuple[str, ...]
    digits: tuple[np.ndarray, np.ndarray]

    def with_params(self, params: nn.Params) -> "Model":
        """Return the same model with other params."""
        return dataclasses.replace(self, params=params)

    @property
    def filters(self) -> int:
        """How many filters the convolution has."""
        return self.params["conv1"]["filters"].shape[1]

    @property
    def kernel(self) -> tuple[int, int]:
        """The filters' height and width."""
        return self.params["conv1"]["filters"].shape[2:]

    def scaled(self, caller: str, pixels: Any) -> Array:
        """Return what the model takes, (1, 1, 28, 28), of rows of grey levels."""
        return jnp.asarray(self.scaling(as_image(caller, pixels)))

    def label(self, caller: str, label: int) -> Array:
        """Return a label as the loss takes it."""
        return jnp.int32(check_place(caller, "label", label, len(self.classes)))


def open_model(
    run: Path | None = None, say: Callable[[str], None] = lambda line: None
) -> Model:
    """Return the model of a run, or the one trained on the embedded MNIST.

    That one is trained on the first use, which takes some seconds, and kept in the
    user's cache; `say` is told so.

    Raises:
      RunError: there is no such run, or its model is not the chapter's.
      WeightsError: the run's file of parameters is damaged.
    """
    if run is not None:
        return _of_run(Path(run).expanduser())
    params, scaling = trained(say)
    data = load()
    return Model(params, scaling, data.classes, data.test)


def _of_run(folder: Path) -> Model:
    run = open_run(folder)
    name = run.settings["settings"]["model"]
    if name != NAME or run.input_shape != (1, SIDE, SIDE):
        raise RunError(
            f"{folder}: holds {name} for images of {run.input_shape}; the page shows "
            f"{NAME} for (1, {SIDE}, {SIDE}). Train with --model {NAME}."
        )
    digits = _data_of(run.settings).test
    return Model(run.params, run.scaling, run.classes, digits)


def _data_of(described: dict[str, Any]) -> Dataset:
    """Return a run's own data set, or MNIST where it is not there any more."""
    settings = described["settings"]
    try:
        return load(
            settings["data_dir"],
            num_classes=settings["num_classes"],
            transpose=settings["transpose_images"],
        )
    except (DatasetError, OSError):
        return load()
