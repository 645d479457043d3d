"""The training loop: batches in a seeded order, validations, a clean stop."""

import contextlib
import dataclasses
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from jaxconv.data import DatasetError, load_mnist, standardize
from jaxconv.data.mnist import Split
from jaxconv.nn import models
from jaxconv.train.config import Config
from jaxconv.train.report import Report
from jaxconv.train.step import (
    TrainState,
    init_state,
    make_count_correct,
    make_optimizer,
    make_step,
    order_of,
)

_REPORT_EVERY = 10  # batches; fetching the loss waits for the step to end
_TEST_BATCH = 100  # images validated at once: more need memory anew each time


class DivergedError(RuntimeError):
    """The loss or an output of the model is not a finite number any more."""


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
    (images, labels), (test_images, test_labels) = _load(config)
    model = getattr(models, config.model)(config.num_classes, method=config.method)
    optimizer = make_optimizer(config)
    state = init_state(model, optimizer, images.shape[1:], config.seed)
    step = make_step(model, optimizer, config.microbatches)
    count_correct = make_count_correct(model)

    def validate(done: int) -> float:
        """Return the share of test images that are classified rightly."""
        right = 0
        for at in range(0, len(test_images), _TEST_BATCH):
            part = slice(at, at + _TEST_BATCH)
            count, finite = count_correct(
                state.params, test_images[part], test_labels[part]
            )
            if not finite:
                raise _diverged("an output of the model", done)
            right += int(count)
        return right / len(test_images)

    total = config.epochs * math.ceil(len(images) / config.batch_size)
    total = min(total, config.max_batches or total)
    done, accuracy, stopped = 0, None, False
    watch = _Stopwatch()
    with report.running(total), _interrupts() as interrupted:
        for index, _ in zip(_batches(len(images), config), range(total), strict=False):
            if stopped := interrupted():
                report.stopping(done)
                break
            state, loss = step(state, images[index], labels[index])
            done, accuracy = done + 1, None
            watch.images += len(index)
            if done % _REPORT_EVERY == 0 or done == total:
                if not math.isfinite(loss):
                    raise _diverged("the loss", done)
                report.progress(done, float(loss), watch.rate())
            if done % config.validate_every == 0:
                accuracy = validate(done)
                report.validation(done, accuracy)
                watch.restart()
        if accuracy is None:
            accuracy = validate(done)
        return Result(state, accuracy, done, watch.total(), stopped)


def _load(config: Config) -> tuple[Split, Split]:
    """Return the training and the test set, scaled, labels as int32."""
    (images, labels), (test_images, test_labels) = load_mnist(
        config.data_dir, num_classes=config.num_classes
    )
    kept = slice(config.max_test_images or None)
    try:
        images, test_images = standardize(images, test_images[kept])
    except ValueError as error:
        raise DatasetError(f"{config.data_dir}: {error}") from error
    test_labels = test_labels[kept].astype(np.int32)
    return (images, labels.astype(np.int32)), (test_images, test_labels)


def _batches(count: int, config: Config) -> Iterator[np.ndarray]:
    """Yield the indices of each batch, every epoch in an order of its own."""
    for epoch in range(config.epochs):
        order = order_of(count, config.seed, epoch)
        for start in range(0, count, config.batch_size):
            yield order[start : start + config.batch_size]


def _diverged(what: str, done: int) -> DivergedError:
    return DivergedError(
        f"{what} is not a finite number after {done:,} batches: training diverged. Try "
        "a lower learning_rate."
    )


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
    """Turn the first Ctrl-C into a note to stop; a second one does what it did before.

    A step must not be cut in half: the buffers it was given are gone, and the new ones
    are not there yet. Where Ctrl-C is ignored (`nohup`), it stays so.
    """
    seen = False
    before = signal.getsignal(signal.SIGINT)
    ours = (
        before is not signal.SIG_IGN
        and threading.current_thread() is threading.main_thread()
    )

    def note(signum, frame):
        nonlocal seen
        seen = True
        signal.signal(signal.SIGINT, before)

    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: seen
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)
