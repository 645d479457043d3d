"""Checks of the settings; the errors say what to write instead."""

import dataclasses
import math
import numbers
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

if TYPE_CHECKING:
    from jaxconv.train.config import Config

_LEAST = {
    "epochs": 1,
    "batch_size": 1,
    "microbatches": 1,
    "accumulate": 1,
    "warm_up": 0,
    "num_classes": 1,
    "held_out": 0,
    "patience": 0,
    "validate_every": 0,
    "overfit_batches": 0,
    "max_batches": 0,
    "max_test_images": 0,
    "checkpoint_every": 1,
    "keep": 1,
    "devices": 0,
    "seed": 0,
}
_FRACTIONS = ("momentum", "label_smoothing", "ema")
_AT_LEAST_0 = ("weight_decay", "clip_norm", "max_shift", "max_rotation")


def check_config(config: "Config") -> None:
    """Raise ValueError for a setting that is out of range, or needs another one."""
    _check_choices(config)
    for name, least in _LEAST.items():
        if (value := getattr(config, name)) is not None or name != "num_classes":
            _check_whole(name, value, least)
    if config.seed >= 2**32:
        raise ValueError(f"seed must be below 2**32, got {config.seed}.")
    if not 0 < _number(config.learning_rate) < math.inf:
        raise ValueError(
            f"learning_rate must be a number above 0, got {config.learning_rate!r}."
        )
    for name in _FRACTIONS:
        if not 0 <= _number(value := getattr(config, name)) < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, got {value!r}.")
    for name in _AT_LEAST_0:
        if not 0 <= _number(value := getattr(config, name)) < math.inf:
            raise ValueError(f"{name} must be a number of at least 0, got {value!r}.")
    for name, what in (("data_dir", "a folder or a file"), ("run", "a folder")):
        if not isinstance(value := getattr(config, name), str | Path | None):
            raise ValueError(f"{name} must be the path of {what}, got {value!r}.")
    _check_together(config)


def _check_choices(config: "Config") -> None:
    """Raise ValueError for a value that is not among a setting's choices."""
    hints = get_type_hints(type(config))
    for field in dataclasses.fields(config):
        choices = get_args(hints[field.name])
        if not choices or not all(isinstance(choice, str) for choice in choices):
            continue
        if (value := getattr(config, field.name)) not in choices:
            raise ValueError(
                f"{field.name} must be one of {', '.join(choices)}, got {value!r}."
            )


def _check_together(config: "Config") -> None:
    """Raise ValueError for settings that do not go together."""
    if config.method != "auto" and config.model != "chapter5":
        raise ValueError(
            f"method {config.method} is for the model chapter5; {config.model} takes "
            "auto."
        )
    if config.microbatches > max(config.batch_size, 2):  # two are the default
        raise ValueError(
            f"microbatches must be at most batch_size, which is {config.batch_size}, "
            f"got {config.microbatches}. Two suit most processors."
        )
    if config.warm_up and config.schedule == "one-cycle":
        raise ValueError(
            "warm_up is for the schedules constant and cosine: one-cycle has its own. "
            "Leave it out."
        )
    if config.patience and not (config.held_out and config.validate_every):
        raise ValueError(
            "patience counts validations on held-out images. Set held_out, to 5000 for "
            "instance, and validate_every."
        )
    if config.overfit_batches and config.held_out:
        raise ValueError(
            "overfit_batches validates on the batches it trains on, and held_out on "
            "others. Leave one of them out."
        )
    for name in ("resume", "tensorboard"):
        if getattr(config, name) and config.run is None:
            raise ValueError(f"{name} needs the folder of a run. Set run to one.")


def _check_whole(name: str, value: Any, least: int) -> None:
    """Raise ValueError unless `value` is a whole number of at least `least`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or int(value) < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}, got {value!r}."
        )


def _number(value: Any) -> float:
    """Return a setting as a float, NaN if it is not a number."""
    if isinstance(value, str | bytes | bool):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
