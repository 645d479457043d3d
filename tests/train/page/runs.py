"""Folders of small runs, as training leaves them, without training."""

import json

import jax
import numpy as np

from jaxconv import nn
from jaxconv.data.dataset import Dataset
from jaxconv.train.scaling import Scaling

SCALING = Scaling(128.0, 64.0)
VERSIONS = {"jaxconv": "0.1.0", "jax": "0.10.2", "python": "3.11.7"}
NAMES = ("ant", "<b>bee</b>", 'c"&at')


def conv_model(classes=3):
    return nn.serial(
        nn.Conv2D(4, 3), nn.BatchNorm(), nn.ReLU(), nn.Flatten(), nn.Dense(classes)
    )


def dense_model(classes=3):
    return nn.serial(nn.Flatten(), nn.Dense(classes))


def dataset(classes=NAMES, channels=1, size=8, train=20, test=24):
    draw = np.random.default_rng(0)

    def part(count):
        images = draw.integers(0, 256, (count, channels, size, size)).astype(np.uint8)
        return images, draw.integers(0, len(classes), count).astype(np.int32)

    return Dataset(part(train), part(test), tuple(classes), "the <small> set")


def progress(step, loss=0.5, speed=1000.0):
    return {
        "step": step,
        "epoch": 0,
        "loss": loss,
        "accuracy": 0.5,
        "learning_rate": 0.01,
        "images_per_second": speed,
        "seconds": 2.0 + step / 100,
    }


def validation(step, accuracy=0.75):
    seconds = 2.5 + step / 100
    return {"step": step, "validation_accuracy": accuracy, "seconds": seconds}


LINES = (
    {"step": 1, "compilation_seconds": 2.0, "seconds": 2.0},
    progress(10, 2.0),
    progress(20, 0.2),
    validation(20),
    {**progress(30, 0.1), "seconds": 2.8},
)


def folder_of(path, lines=LINES, **settings):
    """Write the two files of a run into a folder, and return it."""
    path.mkdir(exist_ok=True)
    settings = {"model": "chapter5", "epochs": 1, "batch_size": 60, **settings}
    said = {"settings": settings, "data": {}, "versions": VERSIONS}
    (path / "settings.json").write_text(json.dumps(said))
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (path / "metrics.jsonl").write_text(text)
    return path


def params_of(model, data):
    return model.init(jax.random.key(0), data.train[0].shape[1:])[1]
