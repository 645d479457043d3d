"""Every setting of a training run, with its default: the chapter's experiment."""

import dataclasses
import math
import numbers
from pathlib import Path
from typing import Literal, get_args

from jaxconv.conv.methods import Method

Model = Literal[
    "chapter5",
    "lenet5",
    "vgg_small",
    "alexnet_small",
    "resnet8",
    "resnet20",
    "densenet22",
    "octave_resnet20",
]
Optimizer = Literal["sgd", "adam"]
Schedule = Literal["constant", "cosine", "one-cycle"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "model": get_args(Model),
    "method": get_args(Method),
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
}
_LEAST = {
    "epochs": 1,
    "batch_size": 1,
    "microbatches": 1,
    "num_classes": 1,
    "held_out": 0,
    "validate_every": 0,
    "max_batches": 0,
    "max_test_images": 0,
    "seed": 0,
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Train a model on MNIST; without arguments, the chapter's experiment.

    --preset NAME takes other defaults, those of `jaxconv.train.presets`. On Linux,
    memory is asked for in huge pages, which is faster; --no-huge-pages leaves that.

    Raises:
      ValueError: a number is out of range.
    """

    model: Model = "chapter5"
    """The model, of `jaxconv.nn.models`: chapter5 is one convolution (32 filters of
    5x5, tanh) and one dense layer; lenet5 has rectifiers, max pooling and batch
    normalisation; a number at the end is the depth."""

    method: Method = "auto"
    """The convolution's algorithm; chapter5 alone takes another one than auto."""

    epochs: int = 1
    """Passes over the training set."""

    batch_size: int = 60
    """Images in each step."""

    microbatches: int = 2
    """Parts of a batch whose gradients are computed in parallel and averaged, unless
    the model normalises over the batch."""

    optimizer: Optimizer = "sgd"
    """The optimiser, from optax; sgd has momentum."""

    learning_rate: float = 0.01
    """The optimiser's step size."""

    momentum: float = 0.9
    """How much of the last step sgd keeps, at least 0 and below 1. adam has none."""

    schedule: Schedule = "constant"
    """How the learning rate changes: not; down to 0 like a cosine; or up over the first
    30 percent of the steps, then down."""

    weight_decay: float = 0.0
    """How much of the weights each step takes away, times the learning rate."""

    label_smoothing: float = 0.0
    """The share of each label that is spread over all classes."""

    max_shift: float = 0.0
    """Training images are shifted by up to so many pixels, another way each time."""

    max_rotation: float = 0.0
    """Training images are turned by up to so many degrees, another way each time."""

    seed: int = 20190402
    """Fixes the initial weights, the order of the images and the dropout."""

    data_dir: Path | None = None
    """A folder with the four IDX files of MNIST, Fashion-MNIST, KMNIST or EMNIST,
    gzipped or not, under MNIST's names. None: the embedded MNIST."""

    num_classes: int = 10
    """Classes of the data set; labels lie below this number."""

    held_out: int = 0
    """Take so many images out of the training set and validate on them, not on the test
    set: for choosing settings."""

    validate_every: int = 100
    """Batches between two validations on the test set. 0: one, at the end."""

    max_batches: int = 0
    """Stop after this many batches: a quick run. 0: all of them."""

    max_test_images: int = 0
    """Validate on the first so many test images: a quick run. 0: all of them."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} must be one of {', '.join(choices)}, got "
                    f"{getattr(self, name)!r}."
                )
        for name, least in _LEAST.items():
            _check_whole(name, getattr(self, name), least)
        if self.num_classes > 256:
            raise ValueError(
                f"num_classes must be at most 256, as labels are bytes, got "
                f"{self.num_classes}."
            )
        if not 0 < _number(self.learning_rate) < math.inf:
            raise ValueError(
                f"learning_rate must be a number above 0, got {self.learning_rate!r}."
            )
        if not 0 <= _number(self.momentum) < 1:
            raise ValueError(
                f"momentum must be at least 0 and below 1, got {self.momentum!r}."
            )
        for name in ("weight_decay", "max_shift", "max_rotation"):
            if not 0 <= _number(getattr(self, name)) < math.inf:
                raise ValueError(
                    f"{name} must be a number of at least 0, got "
                    f"{getattr(self, name)!r}."
                )
        if not 0 <= _number(self.label_smoothing) < 1:
            raise ValueError(
                "label_smoothing must be at least 0 and below 1, got "
                f"{self.label_smoothing!r}."
            )
        if self.method != "auto" and self.model != "chapter5":
            raise ValueError(
                f"method {self.method} is for the model chapter5; {self.model} takes "
                "auto."
            )
        if self.seed >= 2**32:
            raise ValueError(f"seed must be below 2**32, got {self.seed}.")
        if not isinstance(self.data_dir, str | Path | None):
            raise ValueError(
                f"data_dir must be the path of a folder, got {self.data_dir!r}."
            )


def _check_whole(name: str, value: object, least: int) -> None:
    """Raise ValueError unless `value` is a whole number of at least `least`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or int(value) < least:  # type: ignore[call-overload]
        raise ValueError(
            f"{name} must be a whole number of at least {least}, got {value!r}."
        )


def _number(value: object) -> float:
    """Return a setting as a float, NaN for what is no number."""
    if isinstance(value, str | bytes | bool):
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan
