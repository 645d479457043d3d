"""The training loop: from a model, data and settings to trained parameters.

A run's numbers depend only on its settings and its data: a step is a pure function of
the state and a batch, and a batch is one of the seed and the step's number. So a run
that is stopped and resumed from a checkpoint ends with the same bits.
"""

import contextlib
import functools
import sys
import time

import jax
import jax.numpy as jnp

from jaxconv.data import DatasetError
from jaxconv.data.dataset import Dataset, fingerprint
from jaxconv.nn import Layer, Params
from jaxconv.train._checks import check_fit
from jaxconv.train.agreement import check_same
from jaxconv.train.augment import Augment, turn_and_shift
from jaxconv.train.batches import Batches
from jaxconv.train.config import Config
from jaxconv.train.devices import Devices
from jaxconv.train.distributed import watched
from jaxconv.train.interrupts import Stop, interrupts
from jaxconv.train.keeper import make_keeper
from jaxconv.train.measured import DivergedError, Measured
from jaxconv.train.observers import Observer, Observers, Progress, make_display
from jaxconv.train.optimizer import make_optimizer, rate_after
from jaxconv.train.result import Result
from jaxconv.train.runs import RunError
from jaxconv.train.scaling import Scaling, scaling_of
from jaxconv.train.splits import splits_of, steps_of
from jaxconv.train.step import TrainState, init_state, make_count_correct, make_step

_REPORT_EVERY = 10  # batches
_UNFETCHED = 2  # steps whose metrics are left on the device: they may not be done yet
_TEST_BATCH = 50  # images validated at once: more would allocate memory each time


def fit(
    model: Layer, data: Dataset, config: Config, observer: Observer | None = None
) -> Result:
    """Train a model as `config` says, calling `observer` on the way.

    The model and the images are those given; what `config` says of them is ignored.
    Ctrl-C ends the run early, with what it has reached so far.

    Raises:
      CheckpointError: there is none to resume from, or it is of another run.
      DatasetError: there are fewer images than a batch has, or nothing to learn.
      DivergedError: the loss became infinite or NaN.
      LostError: another process of the run has ended.
      RunError: the folder of the run holds one already, or none to resume.
      TypeError: an argument has the wrong type.
      ValueError: the model does not take the images, or there are too few devices.
    """
    return run_fit(model, data, config, observer, own=True)


def run_fit(
    model: Layer, data: Dataset, config: Config, observer: Observer | None, *, own: bool
) -> Result:
    """Do what `fit` does; `own` is whether `config` does not name the model."""
    check_fit(model, data, config, observer)
    observer = observer or make_display(sys.stdout is not None and sys.stdout.isatty())
    with watched():
        if jax.process_count() > 1:
            check_same({"the images": fingerprint(data)})
        return _Fit(model, data, config, observer, own).run()


class _Fit:
    """A run in progress: its state, and what is kept of it."""

    def __init__(
        self,
        model: Layer,
        data: Dataset,
        config: Config,
        observer: Observer,
        own: bool,
    ) -> None:
        self.config, self.devices = config, Devices(config.devices)
        observer = observer if self.devices.first else Observers()
        self.total, data = steps_of(data, config), splits_of(data, config)
        for line in (*data.notes, *_remarks(config, self.total)):
            observer.note(line)
        self.scaling = _scaling(data)
        batches = functools.partial(Batches, scaling=self.scaling, devices=self.devices)
        self.batches = batches(data.train, batch_size=config.batch_size)
        images, labels = (part[: config.max_test_images or None] for part in data.test)
        size = min(_TEST_BATCH, len(images))
        self.test = batches((images, labels), batch_size=size)
        self.model, self.optimizer = model, make_optimizer(config, self.total)
        self.rate = rate_after(config, self.total)
        self.keeper = make_keeper(model, data, self.scaling, config, self.devices, own)
        try:
            self.state = self._first_state(observer)
            self.observer = self.keeper.recording(observer)
        except BaseException:
            self.keeper.close()
            raise
        self.stop = Stop(self.observer)
        self.measured = Measured()
        self.accuracy: float | None = None

    def _first_state(self, observer: Observer) -> TrainState:
        """Return the first state, or that of the checkpoint to resume from."""
        state = init_state(
            self.model,
            self.optimizer,
            self.batches.shape,
            self.config.seed,
            average=bool(self.config.ema),
        )
        if self.config.held_out:
            state = state._replace(best=_copy(state.params))
        state = self.keeper.restored(state, observer)
        if (done := int(state.step)) > self.total:
            raise RunError(
                f"{self.config.run}: the run has done {done:,} batches, more than the "
                f"{self.total:,} of these settings. Give as many epochs as before, or "
                "more, and no max_batches."
            )
        return self.devices.replicate(state)

    def run(self) -> Result:
        """Train to the end, or until something stops it."""
        config, sharding = self.config, self.devices.whole
        step = make_step(
            self.model,
            self.optimizer,
            config.microbatches if self.devices.count == 1 else 1,
            label_smoothing=config.label_smoothing,
            augment=_augment(config),
            ema=config.ema,
            sharding=sharding,
        )
        self.count_correct = make_count_correct(self.model, sharding)
        started = time.perf_counter() - self.keeper.notes.seconds
        first = int(self.state.step)
        done, stopped = first, False
        with contextlib.ExitStack() as later:
            later.enter_context(contextlib.closing(self.keeper))
            later.enter_context(self.observer.running(self.total, first))
            while done < self.total and not self._is_enough(done):
                if stopped := self.stop.together(done):
                    break
                batch = self.batches.at(done, config.seed)
                self.state, metrics = step(self.state, *batch[:3])
                done, self.accuracy = done + 1, None
                self.measured.add(done, metrics, batch.size)
                if done == first + 1:
                    metrics.loss.block_until_ready()
                    self.observer.started()
                    self.stop.interrupted = later.enter_context(interrupts())
                    self.measured.restart()
                self.keeper.notes.seconds = time.perf_counter() - started
                self._after(done)
            self._end(done, stopped)
            result = self._result(done, time.perf_counter() - started, stopped)
            self.keeper.ended(result)
            return result

    def _end(self, done: int, stopped: bool) -> None:
        """Validate and save, unless that has just been done.

        A validation that was not due is not recorded in the checkpoint: a resumed run
        does without it, like one that was never stopped.
        """
        if stopped:  # the process may be killed before the validation ends
            self._save(done)
        accuracy = self.accuracy
        if accuracy is None:
            accuracy = self._share_right(done)
        self._save(done)
        if self.accuracy is None:
            self._judge(accuracy, done)

    def _is_enough(self, done: int) -> bool:
        """Return whether the run is to stop early; the first time, say so."""
        patience, waited = self.config.patience, self.keeper.notes.waited
        if not patience or waited < patience:
            return False
        self.observer.note(
            f"Stopping early after {done:,} batches: no validation was better than "
            f"that after {self.keeper.notes.best_step:,}."
        )
        return True

    def _after(self, done: int) -> None:
        """Do what is due after `done` batches: report, validate, save."""
        config, ends = self.config, done == self.total
        validates = bool(config.validate_every) and done % config.validate_every == 0
        if done % _REPORT_EVERY == 0 or ends:
            self._tell(done, 0 if ends else _UNFETCHED)
        if validates:
            self._judge(self._share_right(done), done)
            self.measured.restart()
        if done % config.checkpoint_every == 0 and not ends:
            self._save(done)

    def _tell(self, done: int, unfetched: int) -> None:
        """Report the last steps' metrics, all but the newest ones."""
        means = self.measured.take(unfetched, self.keeper.last_good())
        if means is None:
            return
        loss, accuracy, speed = means
        rate = self.rate((done - 1) // self.config.accumulate)
        epoch = (done - 1) // self.batches.per_epoch
        self.observer.progress(Progress(done, epoch, loss, accuracy, rate, speed))

    def _share_right(self, done: int) -> float:
        """Return the share of the validation images that is classified correctly."""
        params = _used(self.state)
        right = 0
        for batch in self.test.in_order():
            self.stop(done)  # wait for each: several at once would allocate memory
            count, finite = self.count_correct(params, *batch[:3])
            if not finite:
                what = "an output of the model"
                raise DivergedError.of(what, done, self.keeper.last_good())
            right += int(count)
        return right / len(self.test)

    def _judge(self, accuracy: float, done: int) -> None:
        """Record a validation, and keep the best params."""
        self.accuracy = accuracy
        self.observer.validation(done, accuracy)
        if self.config.held_out and self.keeper.notes.is_better(accuracy, done):
            self.state = self.state._replace(best=_copy(_used(self.state)))

    def _save(self, done: int) -> None:
        """Save the state, after checking that its loss is finite."""
        self.measured.check(self.keeper.last_good())
        self.keeper.save(self.state, done, self.accuracy)

    def _result(self, done: int, seconds: float, stopped: bool) -> Result:
        accuracy, params = self.accuracy, _used(self.state)
        assert accuracy is not None  # validated just before
        if self.state.best is not None:
            accuracy, params = self.keeper.notes.best_accuracy, self.state.best
        return Result(
            self.state, params, accuracy, done, seconds, stopped, self.scaling
        )


def _used(state: TrainState) -> Params:
    """Return the params to use: the average, if there is one."""
    return state.params if state.average is None else state.average


def _copy(params: Params) -> Params:
    return jax.tree.map(jnp.copy, params)


def _remarks(config: Config, steps: int) -> list[str]:
    """Return remarks on settings that are odd, but not errors."""
    updates = -(-steps // config.accumulate)
    if config.warm_up < updates:
        return []
    return [
        f"The learning rate rises over {config.warm_up:,} updates (warm_up), and the "
        f"run has {updates:,}: it does not reach {config.learning_rate:g}."
    ]


def _augment(config: Config) -> Augment | None:
    """Return what changes the training images at random; None for nothing."""
    if config.overfit_batches or not (config.max_rotation or config.max_shift):
        return None
    return functools.partial(
        turn_and_shift, degrees=config.max_rotation, pixels=config.max_shift
    )


def _scaling(data: Dataset) -> Scaling:
    try:
        return scaling_of(data.train[0])
    except ValueError as error:
        raise DatasetError(f"{data.name}: {error}") from error
