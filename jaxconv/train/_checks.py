"""Checks of what callers give to training; the errors say what to write instead."""

import numbers
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.data.dataset import Dataset
from jaxconv.nn._checks import as_called, described
from jaxconv.nn.layer import Layer, eval_shape
from jaxconv.nn.statistics import split_statistics
from jaxconv.train.config import Config
from jaxconv.train.observers import Observer


def check_model(caller: str, model: object) -> None:
    """Raise TypeError unless `model` is a layer."""
    if not isinstance(model, Layer):
        hint = f"Write {as_called(model) or 'serial(*layers)'}."
        raise TypeError(
            f"{caller}: model must be a Layer, got {described(model)}. {hint}"
        )


def check_optimizer(caller: str, optimizer: object) -> None:
    """Raise TypeError unless `optimizer` has optax's two functions."""
    if hasattr(optimizer, "init") and hasattr(optimizer, "update"):
        return
    name = optimizer if isinstance(optimizer, str) else "adam"
    raise TypeError(
        f"{caller}: optimizer must be one of optax, such as optax.{name}(1e-3), or "
        f"make_optimizer(config), got {described(optimizer)}."
    )


def check_seed(caller: str, seed: object) -> None:
    """Raise TypeError unless `seed` is a whole number, traced or not."""
    whole = isinstance(seed, numbers.Integral)
    if isinstance(seed, jax.Array):
        whole = jnp.issubdtype(seed.dtype, jnp.integer) and seed.ndim == 0
    if not whole:
        raise TypeError(
            f"{caller}: seed must be an int, not a key, got {described(seed)}."
        )


def check_batch(images: Any, labels: Any) -> None:
    """Raise ValueError unless there is a label for each image, and an image."""
    shapes = jnp.shape(images), jnp.shape(labels)
    if not shapes[0] or not shapes[0][0]:
        raise ValueError("make_step: a batch must hold at least one image.")
    if shapes[1] != shapes[0][:1]:
        raise ValueError(
            "make_step: labels must be one number for each image, of shape "
            f"({shapes[0][0]},), got {shapes[1]} for images {shapes[0]} (axis 0 is the "
            "batch). The order is step(state, images, labels)."
        )


def check_state(state: Any, optimizer: Any, ema: float) -> None:
    """Raise ValueError unless the state was made with this optimiser and average."""
    if bool(ema) is not (state.average is not None):
        raise ValueError(
            f"make_step: ema is {ema:g}, but the state has "
            f"{'no' if ema else 'an'} average. Write init_state(..., average="
            f"{bool(ema)})."
        )
    learned, _ = split_statistics(state.params)
    wanted: Any = jax.tree.structure(jax.eval_shape(optimizer.init, learned))
    if jax.tree.structure(state.opt_state) != wanted:
        raise ValueError(
            "make_step: the state was made with another optimizer. Give init_state and "
            "make_step the same one."
        )


def check_not_donated(state: Any) -> None:
    """Raise ValueError if an earlier step has taken the state's arrays."""
    for leaf in jax.tree.leaves(state):
        if isinstance(leaf, jax.core.Tracer) or not isinstance(leaf, jax.Array):
            continue
        if leaf.is_deleted():
            raise ValueError(
                "make_step: this state was given to a step before, which has taken its "
                "arrays. Go on with the state that the step returned: "
                "state, metrics = step(state, images, labels)."
            )


def check_fit(model: Any, data: Any, config: Any, observer: Any) -> None:
    """Raise unless the arguments of `fit` have the right types and fit each other."""
    check_model("fit", model)
    if not isinstance(data, Dataset):
        raise TypeError(
            f"fit: data must be a Dataset, got {described(data)}. Write "
            "jaxconv.data.load(folder), or Dataset(train, test, classes, name)."
        )
    check_run("fit", config, observer)
    for name in ("train", "test"):
        images, labels = getattr(data, name)
        _check_split(name, images, labels, len(data.classes))
    image, other = (split[0].shape[1:] for split in (data.train, data.test))
    if image != other:
        raise ValueError(
            f"fit: images to train on and to test on must be of one shape (channels, "
            f"height, width), got {image} and {other}."
        )
    shape, _ = eval_shape(model, image)
    if shape != (len(data.classes),):
        raise ValueError(
            f"fit: the model must have an output for each of the {len(data.classes)} "
            f"classes, got outputs of shape {shape}. Give its last layer "
            f"{len(data.classes)} neurons."
        )
    if min(image[1:]) <= config.max_shift:
        raise ValueError(
            f"fit: max_shift must be below the images' size, which is {image[1]} x "
            f"{image[2]}, got {config.max_shift:g}."
        )


def check_run(caller: str, config: Any, observer: Any) -> None:
    """Raise TypeError unless `config` is a `Config`, `observer` an observer or None."""
    if not isinstance(config, Config):
        raise TypeError(
            f"{caller}: config must be a Config, got {config!r}. Write "
            "Config(epochs=1)."
        )
    if observer is None:
        return
    if isinstance(observer, type) or not isinstance(observer, Observer):
        raise TypeError(
            f"{caller}: observer must have the methods of Observer, got {observer!r}. "
            "Write PlainLines()."
        )


def _check_split(name: str, images: Any, labels: Any, classes: int) -> None:
    """Raise ValueError unless images are bytes, with a class for each."""
    images, labels = np.asarray(images), np.asarray(labels)
    if images.dtype != np.uint8 or images.ndim != 4 or not images.size:
        raise ValueError(
            f"fit: data.{name} must begin with images of uint8 and shape (n, channels, "
            f"height, width), from 0 to 255, got {images.dtype} {images.shape}."
        )
    if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"fit: data.{name} must end with a whole number for each of its "
            f"{len(images):,} images, got {labels.dtype} {labels.shape}."
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"fit: labels of data.{name} must lie in 0 .. {classes - 1}, as there are "
            f"{classes} classes, got {labels.min()} to {labels.max()}."
        )
