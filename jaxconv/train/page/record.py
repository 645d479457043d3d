"""What a run has recorded in its folder."""

import itertools
import json
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from jaxconv.train.metrics_file import read_metrics

Line = dict[str, Any]  # of metrics.jsonl


class Times(NamedTuple):
    """Where a run's seconds went."""

    compilation: float  # until the first step was done
    validation: float
    training: float
    batch: float | None  # the median step; None: too few were measured
    images_per_second: float | None  # the median


class Record(NamedTuple):
    """The settings, the data and the versions of a run, and its figures."""

    settings: dict[str, Any]
    data: dict[str, Any]
    versions: dict[str, Any]
    training: list[Line]
    validations: list[Line]
    times: Times
    own_model: bool  # whether the model is not the one that the settings name


def read_record(folder: Path) -> Record:
    """Read `settings.json` and `metrics.jsonl` of a run's folder.

    Raises:
      OSError: a file cannot be read.
    """
    said = json.loads((folder / "settings.json").read_text("utf-8"))
    lines = read_metrics(folder / "metrics.jsonl")
    return Record(
        said.get("settings", {}),
        said.get("data", {}),
        said.get("versions", {}),
        [line for line in lines if "loss" in line],
        _last_of_each([line for line in lines if "validation_accuracy" in line]),
        _times(lines),
        bool(said.get("own_model")),
    )


def _last_of_each(validations: list[Line]) -> list[Line]:
    """Keep only the last validation of a state: resuming a finished run repeats it."""
    return list({line["step"]: line for line in validations}.values())


def _times(lines: list[Line]) -> Times:
    """Compute where the seconds went.

    A validation took the time between its line and the line before, minus the time of
    the batches in between.
    """
    compilation = sum((line.get("compilation_seconds") or 0.0 for line in lines), 0.0)
    total = max((line["seconds"] for line in lines), default=0.0)
    training = [line for line in lines if "loss" in line]
    speeds = [line["images_per_second"] for line in training]
    known = [speed for speed in speeds if speed]
    batch = _median_batch(lines)
    validation = 0.0
    for before, line in itertools.pairwise(lines):
        if "validation_accuracy" in line:
            trained = (line["step"] - before["step"]) * (batch or 0.0)
            validation += max(line["seconds"] - before["seconds"] - trained, 0.0)
    return Times(
        compilation,
        validation,
        max(total - compilation - validation, 0.0),
        batch,
        statistics.median(known) if known else None,
    )


def _median_batch(lines: list[Line]) -> float | None:
    """Return the median seconds of a batch, of lines with nothing else in between."""
    each = [
        (line["seconds"] - before["seconds"]) / (line["step"] - before["step"])
        for before, line in itertools.pairwise(lines)
        if "loss" in line and "loss" in before and line["step"] > before["step"]
    ]
    return statistics.median(each) if each else None
