"""The training loop: batches in a seeded order, validations, a clean stop."""

import contextlib
import dataclasses
import itertools
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jax import Array

from jaxconv.data import load_mnist, standardize
from jaxconv.data.mnist import Split
from jaxconv.nn import Params, models
from jaxconv.train.config import Config
from jaxconv.train.report import Report
from jaxconv.train.step import (
    TrainState,
    init_state,
    make_count_correct,
    make_optimizer,
    make_step,
)

_REPORT_EVERY = 10  # batches; fetching the loss waits for the step to end
_TEST_BATCH = 1000  # images validated at once


class DivergedError(RuntimeError):
    """The loss is not a finite number any more."""


@dataclasses.dataclass(frozen=True)
class Result:
    """What a run reached: the last state, its accuracy on the test set, the time."""

    state: TrainState
    accuracy: float  # 0 to 1
    batches: int
    seconds: float  # of training and validation, compilation included
    interrupted: bool


def train(config: Config, report: Report) -> Result:
    """Train as `config` says, telling `report` how it goes; Ctrl-C ends it early.

    Raises:
      DatasetError: the data cannot be used.
      DivergedError: the loss became infinite or NaN.
    """
    (images, labels), test = _load(config)
    model = getattr(models, config.model)(config.num_classes, method=config.method)
    optimizer = make_optimizer(config)
    state = init_state(model, optimizer, images.shape[1:], config.seed)
    step, count_correct = make_step(model, optimizer), make_count_correct(model)

    total = config.epochs * math.ceil(len(images) / config.batch_size)
    total = min(total, config.max_batches or total)
    done, accuracy = 0, None
    watch = _Stopwatch()
    with report.running(total), _interrupts() as interrupted:
        for index in itertools.islice(_batches(len(images), config), total):
            if interrupted():
                break
            state, loss = step(state, images[index], labels[index])
            done, accuracy = done + 1, None
            watch.images += len(index)
            if done % _REPORT_EVERY == 0 or done == total:
                report.progress(done, _finite(float(loss), done), watch.rate())
            if done % config.validate_every == 0:
                accuracy = _accuracy(count_correct, state.params, *test)
                report.validation(done, accuracy)
                watch.restart()
        if accuracy is None:
            accuracy = _accuracy(count_correct, state.params, *test)
        return Result(state, accuracy, done, watch.total(), interrupted())


def _load(config: Config) -> tuple[Split, Split]:
    """Return the training and the test set, scaled, labels as int32."""
    (images, labels), (test_images, test_labels) = load_mnist(
        config.data_dir, num_classes=config.num_classes
    )
    kept = slice(config.max_test_images)
    images, test_images = standardize(images, test_images[kept])
    test_labels = test_labels[kept].astype(np.int32)
    return (images, labels.astype(np.int32)), (test_images, test_labels)


def _batches(count: int, config: Config) -> Iterator[np.ndarray]:
    """Yield the indices of each batch, every epoch in an order of its own."""
    for epoch in range(config.epochs):
        order = np.random.default_rng([config.seed, epoch]).permutation(count)
        for start in range(0, count, config.batch_size):
            yield order[start : start + config.batch_size]


def _accuracy(
    count_correct: Callable[..., Array], params: Params, images: Any, labels: Any
) -> float:
    """Return the share of images that are classified rightly."""
    parts = [slice(at, at + _TEST_BATCH) for at in range(0, len(images), _TEST_BATCH)]
    right = sum(
        int(count_correct(params, images[part], labels[part])) for part in parts
    )
    return right / len(images)


def _finite(loss: float, done: int) -> float:
    if not math.isfinite(loss):
        raise DivergedError(
            f"the loss is {loss} after {done:,} batches: training diverged. Try a "
            "lower learning_rate."
        )
    return loss


class _Stopwatch:
    """The images a second since the last look, and the seconds since the start."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.restart()

    def restart(self) -> None:
        self.images, self.since = 0, time.perf_counter()

    def rate(self) -> float:
        images, since = self.images, self.since
        self.restart()
        return images / (self.since - since)

    def total(self) -> float:
        return time.perf_counter() - self.started


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a note to stop; the second one is not caught.

    A step must not be cut in half: the buffers it was given are gone, and the new ones
    are not there yet.
    """
    seen = False
    before = signal.getsignal(signal.SIGINT)

    def note(signum, frame):
        nonlocal seen
        seen = True
        signal.signal(signal.SIGINT, before)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: seen
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)
