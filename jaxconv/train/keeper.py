"""What is kept of a run: nothing, or a folder from which it can be resumed."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import Array

from jaxconv._words import counted
from jaxconv.data.dataset import Dataset
from jaxconv.nn import Layer, Params
from jaxconv.train import runs
from jaxconv.train.agreement import raised_in_all
from jaxconv.train.config import Config
from jaxconv.train.devices import Devices
from jaxconv.train.measured import DivergedError
from jaxconv.train.observers import Observer, Observers
from jaxconv.train.result import Result
from jaxconv.train.scaling import Scaling
from jaxconv.train.step import TrainState


@dataclasses.dataclass
class Notes:
    """What a resumed run needs beside the state; each checkpoint has it."""

    seconds: float = 0.0
    best_accuracy: float = -1.0
    best_step: int = 0
    waited: int = 0  # validations since the best one

    def is_better(self, accuracy: float, done: int) -> bool:
        """Record a validation; return whether it is better than all before."""
        if accuracy <= self.best_accuracy:
            self.waited += 1
            return False
        self.best_accuracy, self.best_step, self.waited = accuracy, done, 0
        return True


class Keeper:
    """Keeps nothing."""

    def __init__(self) -> None:
        """Begin with no validations."""
        self.notes = Notes()

    def recording(self, observer: Observer) -> Observer:
        """Return an observer that also writes metrics to files, if any are kept."""
        return observer

    def restored(self, state: TrainState, observer: Observer) -> TrainState:
        """Return the state of the checkpoint to resume from, or the one given."""
        return state

    def save(self, state: TrainState, done: int, accuracy: float | None) -> None:
        """Keep a state."""

    def last_good(self) -> str:
        """Say where the last checkpoint is."""
        return ""

    def ended(self, result: Result) -> None:
        """Keep what the run has reached."""

    def close(self) -> None:
        """Wait until everything is written."""


class RunKeeper(Keeper):
    """Keeps a run in its folder; of several processes, the first one does."""

    def __init__(
        self,
        model: Layer,
        data: Dataset,
        scaling: Scaling,
        config: Config,
        devices: Devices,
        own: bool,
    ) -> None:
        """Make the folder, or find in it the run to resume.

        Raises:
          CheckpointError: the folder cannot be written.
          RunError: it holds a run that is not to be resumed, or another process trains
            there.
        """
        from jaxconv.train.checkpoints import Checkpoints

        super().__init__()
        assert config.run is not None  # as make_keeper has seen
        self._folder = Path(config.run).expanduser()
        self._model, self._data, self._config = model, data, config
        self._described = runs.description(
            config, data, scaling, model if own else None
        )
        self._writes = devices.first
        self._saved = -1
        with raised_in_all():
            if self._writes:
                runs.check(self._folder, resume=config.resume)
            self._checkpoints = Checkpoints(
                self._folder / runs.CHECKPOINTS,
                keep=config.keep,
                identity=runs.identity(config, self._described),
            )
            self._lock = runs.hold(self._folder) if self._writes else None

    def restored(self, state: TrainState, observer: Observer) -> TrainState:
        """Resume from the newest intact checkpoint, if the run is to be resumed."""
        if self._config.resume:
            found = self._checkpoints.restore(state, observer.note)
            if found is None:
                observer.note(
                    f"{self._folder}: no checkpoint there yet; starting anew."
                )
            else:
                state, notes = found
                self.notes = Notes(**notes)
                self._saved = done = int(state.step)
                observer.note(f"Going on after {counted(done, 'batch', 'batches')}.")
        return state

    def recording(self, observer: Observer) -> Observer:
        """Write the settings; return an observer that also writes metrics to files."""
        from jaxconv.train.metrics_file import MetricsFile
        from jaxconv.train.tensorboard import TensorBoard

        if not self._writes:
            return observer
        runs.write_settings(self._folder, self._described)
        done = max(self._saved, 0)
        also: list[Observer] = [MetricsFile(self._folder / runs.METRICS, done)]
        if self._config.tensorboard:
            also.append(TensorBoard(self._folder))
        return Observers(observer, *also)

    def save(self, state: TrainState, done: int, accuracy: float | None) -> None:
        """Write a checkpoint, unless there is one of this state."""
        if done == self._saved:
            return
        if not _are_finite(state.params):
            raise DivergedError.of("a parameter", done, self.last_good())
        notes = dataclasses.asdict(self.notes)
        self._checkpoints.save(state, notes, accuracy=accuracy)
        self._saved = done

    def last_good(self) -> str:
        """Say where the last checkpoint is."""
        if self._saved < 0:
            return ""
        after = counted(self._saved, "batch", "batches")
        return (
            f"The last checkpoint is that after {after}: give resume to go on from it."
        )

    def ended(self, result: Result) -> None:
        """Write the trained parameters and the page."""
        self._checkpoints.close()
        if not self._writes:
            return
        from jaxconv.train.page import write_page

        params = jax.device_get(result.params)
        runs.save_model(self._folder, params, self._described)
        write_page(self._folder, self._model, params, self._data, result.scaling)

    def close(self) -> None:
        """Wait until everything is written, and release the folder."""
        try:
            self._checkpoints.close()
        finally:
            if self._lock is not None:
                self._lock.close()


@jax.jit
def _are_finite(params: Params) -> Array:
    """Return whether all parameters are finite."""
    found = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(params)]
    return jnp.all(jnp.array(found))


def make_keeper(
    model: Layer,
    data: Dataset,
    scaling: Scaling,
    config: Config,
    devices: Devices,
    own: bool,
) -> Keeper:
    """Return what keeps the run; `own` is whether `config` does not name the model."""
    if config.run is None:
        return Keeper()
    return RunKeeper(model, data, scaling, config, devices, own)
