"""The folder of a run: its settings, its results, and what resumes it.

settings.json      settings, data and versions
metrics.jsonl      losses and accuracies, a line each
checkpoints/       what `resume` starts from
model.safetensors  the trained parameters, with settings.json in their metadata
report.html        all of it to look at
"""

import dataclasses
import hashlib
import json
import numbers
import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import IO, Any, NamedTuple

import jax
import numpy as np

from jaxconv import nn
from jaxconv._words import listed
from jaxconv.data.dataset import Dataset
from jaxconv.train.config import Config
from jaxconv.train.models import make_model
from jaxconv.train.scaling import Scaling

SETTINGS, METRICS, CHECKPOINTS = "settings.json", "metrics.jsonl", "checkpoints"
MODEL, LOCK = "model.safetensors", ".lock"
_OWN = {SETTINGS, METRICS, CHECKPOINTS, MODEL, "learning_rates.png"}

# Settings that a run may change when it is resumed; all others decide its numbers.
_FREE = (
    "data_dir",  # the images themselves are compared
    "run",
    "resume",
    "checkpoint_every",
    "keep",
    "tensorboard",
    "devices",
    "coordinator",
    "num_processes",
    "process_id",
    "max_test_images",
    "max_batches",
    "find_learning_rate",
)
_KEEPING_BEST = ("validate_every", "patience")
_LENGTH = ("epochs", "max_batches")


class RunError(ValueError):
    """A folder holds no trained model, or another run than is asked for."""


class Run(NamedTuple):
    """A trained model, ready to use."""

    model: nn.Layer
    params: nn.Params
    settings: dict[str, Any]
    classes: tuple[str, ...]
    input_shape: tuple[int, ...]
    scaling: Scaling


def description(
    config: Config, data: Dataset, scaling: Scaling, own: nn.Layer | None = None
) -> dict[str, Any]:
    """Return what `settings.json` says of a run.

    `own` is the model, if it is not the one that `config` names.
    """
    from jaxconv.data.dataset import fingerprint

    images, _ = data.train
    return {
        "settings": {
            field.name: _plain(getattr(config, field.name))
            for field in dataclasses.fields(config)
        },
        "data": {
            "name": data.name,
            "classes": list(data.classes),
            "input_shape": list(images.shape[1:]),
            "mean": scaling.mean,
            "deviation": scaling.deviation,
            "train_images": len(images),
            "test_images": len(data.test[0]),
            "fingerprint": fingerprint(data),
        },
        "own_model": None if own is None else program(own, images.shape[1:]),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("jax", "jaxlib", "optax")},
            "jaxconv": metadata.version("jaxconv"),
            "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        },
    }


def program(model: nn.Layer, input_shape: tuple[int, ...]) -> str:
    """Return a digest of what a model computes, which does not depend on its params."""
    _, params = nn.eval_shape(model, input_shape)
    images = jax.ShapeDtypeStruct((1, *input_shape), np.float32)
    text = str(jax.make_jaxpr(model.apply)(params, images))
    text = re.sub(r" at 0x[0-9a-f]+", "", text)  # of functions, in this process
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(value: Any) -> Any:
    """Return a setting as it is in JSON."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return float(value) if real else value


def identity(config: Config, described: dict[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint and the run that resumes it must have in common."""
    free = set(_FREE)
    if not config.held_out:
        free |= set(_KEEPING_BEST)
    if config.schedule == "constant" and config.accumulate == 1:
        free |= set(_LENGTH)
    else:
        free -= set(_LENGTH)
    own = described["own_model"]
    free |= {"model", "method"} if own else set()
    kept = {k: v for k, v in described["settings"].items() if k not in free}
    kept |= {"the model's program": own} if own else {}
    images = {k: v for k, v in described["data"].items() if k != "name"}
    return {**kept, **{f"data: {name}": value for name, value in images.items()}}


def check(folder: Path, *, resume: bool) -> None:
    """Raise RunError unless a run may be kept in the folder.

    It must not exist, be empty, or hold only the run to resume.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: is a file. Name a folder for the run.")
    there = set(os.listdir(folder)) if folder.exists() else set()
    if there and SETTINGS not in there and (foreign := sorted(there - _OWN)):
        seen = [name for name in foreign if not name.startswith(".")]
        if seen:
            raise RunError(
                f"{folder}: holds other files: {listed(seen, 3)}. Name a new folder "
                "for the run."
            )
    if there & {SETTINGS, CHECKPOINTS} and not resume:
        raise RunError(
            f"{folder}: holds a run already. Give resume to go on with it, or name "
            "another folder."
        )


def hold(folder: Path) -> IO[str] | None:
    """Make the folder, and lock it against other processes until the file is closed.

    Where the system or the disk has no locks, it is not locked.

    Raises:
      RunError: another process trains there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        return None
    file = (folder / LOCK).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise RunError(
            f"{folder}: another process trains there. Wait for its end, or name "
            "another folder."
        ) from None
    except OSError:  # a file system without locks
        file.close()
        return None
    return file


def write_settings(folder: Path, described: dict[str, Any]) -> None:
    """Write the `settings.json` of a run, whole or not at all."""
    temporary = folder / f".{SETTINGS}.tmp"
    temporary.write_text(json.dumps(described, indent=1) + "\n")
    temporary.replace(folder / SETTINGS)


def save_model(folder: Path, params: nn.Params, described: dict[str, Any]) -> None:
    """Write the trained parameters, and what is needed to use them."""
    nn.save(folder / MODEL, params, {"run": json.dumps(described)})


def open_run(folder: str | Path, model: nn.Layer | None = None) -> Run:
    """Return the trained model of a run.

    `model` is the layer that was given to `fit`, for a run of `fit`.

    Raises:
      RunError: the folder is not there, or holds no run, or one that has not ended, or
        one of another model.
      WeightsError: the file of the parameters is damaged, or of another model.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder. Name the folder of a run.")
    if not (folder / MODEL).is_file():
        if (folder / SETTINGS).is_file():
            raise RunError(
                f"{folder}: the run has not ended, so there is no {MODEL} yet. Go on "
                f"with it: train with --run {folder} --resume."
            )
        raise RunError(
            f"{folder}: is not the folder of a run: there is no {MODEL}. Train with "
            "--run FOLDER."
        )
    described = json.loads(nn.load_metadata(folder / MODEL).get("run", "null"))
    if described is None:
        raise RunError(
            f"{folder / MODEL}: holds parameters, but not the settings of a run. Name "
            "the folder that a training run has written."
        )
    data = described["data"]
    classes, shape = tuple(data["classes"]), tuple(data["input_shape"])
    own = described.get("own_model")
    if model is None and own:
        raise RunError(
            f"{folder}: was trained by fit with a model of its own. Give the model: "
            "open_run(folder, model)."
        )
    if model is None:
        settings = {name: described["settings"][name] for name in ("model", "method")}
        model = make_model(Config(**settings), len(classes))
    if own and program(model, shape) != own:
        raise RunError(
            f"{folder}: was trained with another model than the one given, or with "
            "other versions of JAX and jaxconv. Give that model."
        )
    params = nn.load(folder / MODEL, nn.eval_shape(model, shape)[1])
    scaling = Scaling(data["mean"], data["deviation"])
    return Run(model, params, described, classes, shape, scaling)
