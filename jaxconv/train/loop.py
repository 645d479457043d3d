"""The training loop: batches in a seeded order, validations, a clean stop."""

import contextlib
import dataclasses
import functools
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
from jax import Array

from jaxconv._words import counted
from jaxconv.data import DatasetError, load_mnist, standardize
from jaxconv.data.mnist import Split
from jaxconv.train.augment import Augment, turn_and_shift
from jaxconv.train.config import Config
from jaxconv.train.models import make_model
from jaxconv.train.optimizer import make_optimizer
from jaxconv.train.report import Report
from jaxconv.train.step import (
    TrainState,
    init_state,
    make_count_correct,
    make_step,
    order_of,
)

_REPORT_EVERY = 10  # batches; fetching the loss waits for the step to end
_HELD_OUT_SEED = 0
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
      DatasetError: the data cannot be used, or there are fewer images than a batch has.
      DivergedError: the loss became infinite or NaN.
      TypeError: `config` is not a `Config`, or `report` not a report.
    """
    _check_arguments(config, report)
    (images, labels), test = _load(config)
    total = config.epochs * math.ceil(len(images) / config.batch_size)
    total = min(total, config.max_batches or total)
    model, optimizer = make_model(config), make_optimizer(config, total)
    state = init_state(model, optimizer, images.shape[1:], config.seed)
    step = make_step(
        model,
        optimizer,
        config.microbatches,
        label_smoothing=config.label_smoothing,
        augment=_augment(config),
    )
    count_correct = make_count_correct(model)

    done, accuracy, stopped = 0, None, False
    watch = _Stopwatch()
    with report.running(total), contextlib.ExitStack() as later:
        stop = _Stop(report)

        def validate() -> float:
            count = functools.partial(count_correct, state.params)
            return _validate(count, test, lambda: stop(done), done)

        for index, _ in zip(_batches(len(images), config), range(total), strict=False):
            if stopped := stop(done):
                break
            state, loss = step(state, images[index], labels[index])
            done, accuracy = done + 1, None
            watch.images += len(index)
            if done % _REPORT_EVERY == 0 or done == total:
                if not math.isfinite(loss):
                    raise _diverged("the loss", done)
                report.progress(done, float(loss), watch.rate())
            if done == 1:
                loss.block_until_ready()
                report.started()
                stop.interrupted = later.enter_context(_interrupts())
                watch.restart()
            if config.validate_every and done % config.validate_every == 0:
                accuracy = validate()
                report.validation(done, accuracy)
                watch.restart()
        if accuracy is None:
            accuracy = validate()
        return Result(state, accuracy, done, watch.total(), stopped)


def _augment(config: Config) -> Augment | None:
    """Return what changes the training images at random; None for nothing."""
    if not config.max_rotation and not config.max_shift:
        return None
    return functools.partial(
        turn_and_shift, degrees=config.max_rotation, pixels=config.max_shift
    )


def _validate(
    count_correct: Callable[..., tuple[Array, Array]],
    test: Split,
    between: Callable[[], object],
    done: int,
) -> float:
    """Return the share of test images that are classified rightly.

    `between` is called between the parts of the test set.
    """
    images, labels = test
    right = 0
    for at in range(0, len(images), _TEST_BATCH):
        between()
        part = slice(at, at + _TEST_BATCH)
        count, finite = count_correct(images[part], labels[part])
        if not finite:
            raise _diverged("an output of the model", done)
        right += int(count)
    return right / len(images)


def _check_arguments(config: object, report: object) -> None:
    if not isinstance(config, Config):
        raise TypeError(
            f"train: config must be a Config, got {config!r}. Write Config(epochs=1)."
        )
    if isinstance(report, type) or not isinstance(report, Report):
        raise TypeError(
            f"train: report must have the methods of Report, got {report!r}. Write "
            "PlainReport()."
        )


def _load(config: Config) -> tuple[Split, Split]:
    """Return the training set and the one to validate on, scaled, labels as int32.

    Images are held out before the training set's mean and deviation are taken; which
    ones, does not depend on the seed.
    """
    train_set, test_set = load_mnist(config.data_dir, num_classes=config.num_classes)
    name = config.data_dir or "the embedded MNIST"
    if config.held_out:
        train_set, test_set = _hold_out(train_set, config.held_out, name)
    (images, labels), (test_images, test_labels) = train_set, test_set
    kept = slice(config.max_test_images or None)
    try:
        images, test_images = standardize(images, test_images[kept])
    except ValueError as error:
        raise DatasetError(f"{name}: {error}") from error
    if len(images) < config.batch_size:
        raise DatasetError(
            f"{name}: holds {counted(len(images), 'training image')}, fewer than the "
            f"batch_size of {config.batch_size:,}. Make batch_size {len(images)} or "
            "less."
        )
    test_labels = test_labels[kept].astype(np.int32)
    return (images, labels.astype(np.int32)), (test_images, test_labels)


def _hold_out(
    train_set: Split, count: int, name: str | os.PathLike[str]
) -> tuple[Split, Split]:
    """Cut a training set in two, at random; the second part has `count` images."""
    images, labels = train_set
    if count >= len(images):
        raise DatasetError(
            f"{name}: holds {counted(len(images), 'training image')}, of which "
            f"held_out takes {count:,}: none is left to train on."
        )
    order = order_of(len(images), _HELD_OUT_SEED, 0)
    kept, taken = order[count:], order[:count]
    return (images[kept], labels[kept]), (images[taken], labels[taken])


def _batches(count: int, config: Config) -> Iterator[np.ndarray]:
    """Yield the indices of each batch, every epoch in an order of its own."""
    for epoch in range(config.epochs):
        order = order_of(count, config.seed, epoch)
        for start in range(0, count, config.batch_size):
            yield order[start : start + config.batch_size]


def _diverged(what: str, done: int) -> DivergedError:
    return DivergedError(
        f"{what} is not a finite number after {counted(done, 'batch', 'batches')}: "
        "training diverged. Try a lower learning_rate."
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


class _Stop:
    """Whether to stop; the first time that it is so, the report is told.

    Until the first step is done, there is nothing to keep: Ctrl-C does then what it did
    before. A signal's handler must not print, so the report is told from the loop.
    """

    def __init__(self, report: Report) -> None:
        self.interrupted: Callable[[], bool] = lambda: False
        self._report, self._told = report, False

    def __call__(self, done: int) -> bool:
        if self.interrupted() and not self._told:
            self._told = True
            self._report.stopping(done)
        return self._told


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
