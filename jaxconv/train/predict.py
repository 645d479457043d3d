"""Classify pictures by a trained model: the program `predict`."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from jaxconv._command_line import fail, parse
from jaxconv.data import DatasetError
from jaxconv.nn import WeightsError
from jaxconv.train import pictures
from jaxconv.train.classifier import classifier
from jaxconv.train.pictures import Fit, Invert, Picture, PictureError
from jaxconv.train.runs import Run, RunError, open_run

_AT_ONCE = 64  # pictures


@dataclasses.dataclass(frozen=True)
class Predict:
    """Classify pictures by the trained model of a run.

    It prints a line for each picture: the most probable classes, and how the picture
    was prepared. The exit code is 0, or 1 if some pictures could not be read, or 2 if
    none could.

    Raises:
      ValueError: there are no pictures, or a number is out of range.
    """

    run: Annotated[Path, tyro.conf.arg(metavar="RUN")]
    """The folder of a run, made by training with --run."""

    images: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="IMAGE...")]
    """Pictures (PNG, JPEG, GIF, BMP, WebP, TIFF) of any size, and folders of them. They
    become grey for a model of grey images; what is transparent becomes white."""

    top: int = 3
    """How many classes to name."""

    json: bool = False
    """A JSON object on each line instead, with the probabilities of all classes."""

    invert: Invert = "auto"
    """Whether to exchange dark and light. auto: if the border of the picture is light
    and the training images have a black background (their mean is below 85), or the
    reverse; colours and photographs are left as they are."""

    fit: Fit = "auto"
    """digit: cut the ink out of the background, fit it into 20 x 20 pixels, make fine
    lines bolder, and centre it by its mass, as MNIST was made. plain: resize the whole
    picture. auto: digit for 28 x 28 images of strokes on black, whose mean is below
    51."""

    def __post_init__(self) -> None:
        """Check the settings."""
        if not self.images:
            raise ValueError("IMAGE is missing: name a picture, or a folder of them.")
        if self.top < 1:
            raise ValueError(
                f"top must be a whole number of at least 1, got {self.top}."
            )


def predict(run: Run, taken: Iterable[Picture]) -> Iterator[tuple[Picture, np.ndarray]]:
    """Yield each picture with the probabilities of the run's classes."""
    probabilities = jax.jit(classifier(run))
    batch: list[Picture] = []
    for picture in taken:
        batch.append(picture)
        if len(batch) == _AT_ONCE:
            yield from _predicted(probabilities, batch)
            batch = []
    if batch:
        yield from _predicted(probabilities, batch)


def _predicted(
    probabilities: Callable[..., Any], batch: list[Picture]
) -> Iterator[tuple[Picture, np.ndarray]]:
    """Predict a batch, padded to a power of two so that few sizes are compiled."""
    images = np.stack([picture.image for picture in batch])
    full = 1 << (len(batch) - 1).bit_length()
    images = np.resize(images, (full, *images.shape[1:]))
    yield from zip(batch, np.asarray(probabilities(images)), strict=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict as the arguments say, and return the exit code."""
    asked = parse(Predict, arguments)
    try:
        run = open_run(asked.run)
        how = pictures.preparation(
            run.input_shape, run.scaling.mean, asked.invert, asked.fit
        )
        files = list(pictures.files_of(asked.images))
    except (RunError, WeightsError, PictureError, OSError) as error:
        return fail(str(error), 2)
    bad = 0

    def good() -> Iterator[Picture]:
        nonlocal bad
        for file in files:
            try:
                yield pictures.read(file, how)
            except (DatasetError, PictureError) as error:
                bad += 1
                fail(str(error), 1)
                if asked.json:
                    print(json.dumps({"file": str(file), "error": str(error)}))

    for picture, probabilities in predict(run, good()):
        if not np.isfinite(probabilities).all():
            return fail(f"{asked.run}: the model gives no finite numbers.", 1)
        print(_line(picture, probabilities, run.classes, asked), flush=True)
    return 0 if not bad else 1 if bad < len(files) else 2


def _line(
    picture: Picture,
    probabilities: np.ndarray,
    classes: tuple[str, ...],
    asked: Predict,
) -> str:
    """Return what is printed of one picture."""
    order = np.argsort(-probabilities, kind="stable")
    if asked.json:
        facts = {
            "file": str(picture.file),
            "class": classes[order[0]],
            "probability": float(probabilities[order[0]]),
            "prepared": picture.prepared,
            "probabilities": dict(zip(classes, map(float, probabilities), strict=True)),
        }
        return json.dumps(facts)
    best = ", ".join(
        f"{classes[at]} ({probabilities[at]:.2%})" for at in order[: asked.top]
    )
    return f"{picture.file}: {best}  [{picture.prepared}]"


if __name__ == "__main__":
    from jaxconv._program import run as _run

    sys.argv[0] = "python -m jaxconv.train.predict"
    _run(main, "train")
