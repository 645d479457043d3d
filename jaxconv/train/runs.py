"""The folder of a run: what it was made with, what it reached, and how to go on.

settings.json      settings, data and versions
metrics.jsonl      losses and accuracies, a line each
checkpoints/       what `resume` goes on from
model.safetensors  the trained parameters, with settings.json in their metadata
report.html        all of it to look at
"""

import dataclasses
import json
import numbers
import platform
from importlib import metadata
from pathlib import Path
from typing import IO, Any, NamedTuple

import jax

from jaxconv import nn
from jaxconv.data.dataset import Dataset
from jaxconv.train.config import Config
from jaxconv.train.models import make_model
from jaxconv.train.scaling import Scaling

SETTINGS, METRICS, CHECKPOINTS = "settings.json", "metrics.jsonl", "checkpoints"
MODEL, LOCK = "model.safetensors", ".lock"

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


def description(config: Config, data: Dataset, scaling: Scaling) -> dict[str, Any]:
    """Return what `settings.json` says of a run."""
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
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("jax", "jaxlib", "optax")},
            "jaxconv": metadata.version("jaxconv"),
            "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        },
    }


def _plain(value: Any) -> Any:
    """Return a setting as JSON has it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return float(value) if real else value


def identity(config: Config, described: dict[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint and the run that goes on from it must have in common."""
    free = set(_FREE)
    if not config.held_out:
        free |= set(_KEEPING_BEST)
    if config.schedule == "constant" and config.accumulate == 1:
        free |= set(_LENGTH)
    else:
        free -= set(_LENGTH)
    kept = {k: v for k, v in described["settings"].items() if k not in free}
    images = {k: v for k, v in described["data"].items() if k != "name"}
    return {**kept, **{f"data: {name}": value for name, value in images.items()}}


def check(folder: Path, *, resume: bool) -> None:
    """Raise RunError if the folder of a new run is a file, or holds a run already."""
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: is a file. Name a folder for the run.")
    held = [name for name in (SETTINGS, CHECKPOINTS) if (folder / name).exists()]
    if held and not resume:
        raise RunError(
            f"{folder}: holds a run already. Give resume to go on with it, or name "
            "another folder."
        )


def hold(folder: Path) -> IO[str] | None:
    """Make the folder, and keep other processes out until the file is closed.

    Where the system or the disk has no such locks, nobody is kept out.

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

    `model` is the layer that was given to `fit`, if it is none that `Config` names.

    Raises:
      RunError: the folder is not there, or holds no run, or one that has not ended.
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
    if model is None:
        paths = {"data_dir", "run"}  # which JSON holds as strings
        known = {field.name for field in dataclasses.fields(Config)} - paths
        settings = {k: v for k, v in described["settings"].items() if k in known}
        model = make_model(Config(**settings), len(classes))
    params = nn.load(folder / MODEL, nn.eval_shape(model, shape)[1])
    scaling = Scaling(data["mean"], data["deviation"])
    return Run(model, params, described, classes, shape, scaling)
