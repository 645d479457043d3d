"""The chapter's model, trained once on the embedded MNIST and kept in a cache."""

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp

from jaxconv import nn
from jaxconv.nn import WeightsError, models
from jaxconv.train.config import Config
from jaxconv.train.experiment import train
from jaxconv.train.observers import Observers
from jaxconv.train.scaling import Scaling

CONFIG = Config(validate_every=0, max_test_images=50)  # the chapter's experiment
FILE = "explore-chapter5.safetensors"
_NOTE = "explore"  # in the file's metadata


def trained(
    say: Callable[[str], None], config: Config = CONFIG
) -> tuple[nn.Params, Scaling]:
    """Return params and scaling: those kept in the cache, or trained anew.

    What is kept is taken only if it is whole, and of the same settings. Where nothing
    can be written, the model is trained each time.
    """
    folder = cache_folder()
    kept = None if folder is None else _kept(folder / FILE, config)
    if kept is not None:
        return kept
    say("Training the chapter's model on MNIST, once: some seconds.")
    result = train(config, Observers())
    if result.interrupted:
        raise KeyboardInterrupt
    params = jax.device_get(result.params)
    note = json.dumps({"settings": _settings(config), "scaling": result.scaling})
    try:
        if folder is None:
            raise OSError("the user has no home")
        folder.mkdir(parents=True, exist_ok=True)
        nn.save(folder / FILE, params, {_NOTE: note})
    except OSError as error:
        say(f"The model is not kept, and will be trained each time: {error}")
    return jax.tree.map(jnp.asarray, params), result.scaling


def cache_folder() -> Path | None:
    """Return the folder of the user's cache for this project; it may not exist.

    None: the user has no home.

    Source: the XDG base directory specification: a relative path is ignored.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        return Path(given) / "jaxconv"
    try:
        return Path.home() / ".cache" / "jaxconv"
    except RuntimeError:
        return None


def _kept(file: Path, config: Config) -> tuple[nn.Params, Scaling] | None:
    """Return what an earlier training has kept, None if it cannot be used."""
    try:
        note = json.loads(nn.load_metadata(file).get(_NOTE, "null"))
        if not isinstance(note, dict) or note.get("settings") != _settings(config):
            return None
        _, shapes = nn.eval_shape(models.chapter5(), (1, 28, 28))
        return nn.load(file, shapes), Scaling(*note["scaling"])
    except (OSError, WeightsError, ValueError, TypeError, KeyError):
        return None


def _settings(config: Config) -> str:
    """Return all settings as one string."""
    return json.dumps(dataclasses.asdict(config), sort_keys=True, default=str)
