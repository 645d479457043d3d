"""The models that a training run can name: those for images of 28 x 28 pixels."""

import functools
from collections.abc import Callable

import jax

from jaxconv.nn import Layer, models
from jaxconv.train.config import Config, Model

_MODELS: dict[Model, Callable[..., Layer]] = {
    "lenet5": functools.partial(
        models.lenet5, activation=jax.nn.relu, pooling="max", batch_norm=True
    ),
    "vgg_small": models.vgg_small,
    "alexnet_small": models.alexnet_small,
    "resnet8": functools.partial(models.resnet, 8),
    "resnet20": functools.partial(models.resnet, 20),
    "densenet22": functools.partial(models.densenet, 22),
    "octave_resnet20": functools.partial(models.octave_resnet, 20),
}


def make_model(config: Config, classes: int = 10) -> Layer:
    """Return the model that `config` names, for a number of classes."""
    if config.model == "chapter5":
        return models.chapter5(classes, method=config.method)
    return _MODELS[config.model](num_classes=classes)
