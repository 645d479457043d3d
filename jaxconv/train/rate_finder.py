"""Which learning rate to take: the loss over rates that rise from step to step.

Source: L. N. Smith (2017), arXiv:1506.01186, section 3.3, with rates that grow by a
constant factor, and the loss averaged over steps.
"""

import dataclasses
import math
from pathlib import Path

import jax
import numpy as np
import optax

from jaxconv.data.dataset import Dataset
from jaxconv.nn import Layer
from jaxconv.train._checks import check_fit
from jaxconv.train.batches import Batches
from jaxconv.train.config import Config
from jaxconv.train.devices import Devices
from jaxconv.train.optimizer import make_optimizer
from jaxconv.train.scaling import scaling_of
from jaxconv.train.splits import splits_of
from jaxconv.train.step import init_state, make_step

_LOWEST, _HIGHEST = 1e-6, 10.0
_KEPT = 0.9  # of the average loss, at each step
_BLOWN_UP = 4.0  # times the least average loss: stop there
_LEAST_FALL = 0.01  # of the first loss: a smaller fall is not learning
_BEYOND = 10  # the suggestion is at most the rate of the least loss divided by this


@dataclasses.dataclass(frozen=True)
class FoundRates:
    """Rates that were tried, the average loss at each, and the one to take."""

    rates: np.ndarray
    losses: np.ndarray
    suggestion: float


def find_learning_rate(
    model: Layer, data: Dataset, config: Config, *, steps: int = 100
) -> FoundRates:
    """Train for some steps with rates from 1e-6 to 10, and find where the loss falls.

    The optimiser is that of `config`, with its clipping and decay. The suggestion is
    the rate at which the average loss falls most steeply, but at most a tenth of the
    rate at which it is least. For a schedule it is the peak.

    Raises:
      ValueError: the loss falls at no rate; or `steps` is below 20.
    """
    check_fit(model, data, config, None)
    if steps < 20:
        raise ValueError(f"find_learning_rate: steps must be at least 20, got {steps}.")
    factor = (_HIGHEST / _LOWEST) ** (1 / (steps - 1))
    schedule = optax.exponential_decay(_LOWEST, 1, factor)
    plain = dataclasses.replace(config, accumulate=1)
    optimizer = make_optimizer(plain, learning_rate=schedule)
    data = splits_of(data, config)
    scaling, devices = scaling_of(data.train[0]), Devices(1)
    batches = Batches(data.train, scaling, config.batch_size, devices)
    state = init_state(model, optimizer, batches.shape, config.seed)
    step = make_step(
        model, optimizer, config.microbatches, label_smoothing=config.label_smoothing
    )
    average, averages = 0.0, []
    for number in range(steps):
        batch = batches.at(number, config.seed)
        state, metrics = step(state, *batch[:3])
        average = _KEPT * average + (1 - _KEPT) * float(jax.device_get(metrics.loss))
        averages.append(average / (1 - _KEPT ** (number + 1)))
        if not averages[-1] < _BLOWN_UP * min(averages):
            break
    losses = np.array(averages)
    rates = _LOWEST * factor ** np.arange(len(losses))
    return FoundRates(rates, losses, _suggested(rates, losses))


def _suggested(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return the rate of the steepest descent before the least loss."""
    least = int(np.nanargmin(losses))
    falls = -np.gradient(losses)[: least + 1]
    if losses[0] - losses[least] < _LEAST_FALL * losses[0]:
        raise ValueError(
            "find_learning_rate: the loss falls at no rate from "
            f"{_LOWEST:g} to {_HIGHEST:g}. Is the model, or are the labels, right?"
        )
    steepest = rates[int(np.argmax(falls))]
    return _rounded(min(steepest, rates[least] / _BEYOND))


def _rounded(rate: float) -> float:
    """Return a rate to one digit: more would not be significant."""
    digit = 10.0 ** math.floor(math.log10(rate))
    return float(f"{round(rate / digit) * digit:.0e}")


def plot(found: FoundRates, path: Path) -> None:
    """Draw the loss over the rates into a PNG or SVG file.

    Raises:
      ModuleNotFoundError: matplotlib, of the extra `train`, is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.semilogx(found.rates, found.losses, color="#1f6f8b")
    axes.axvline(found.suggestion, color="#c8553d", linestyle="--")
    axes.annotate(
        f" {found.suggestion:g}",
        (found.suggestion, found.losses.max()),
        color="#c8553d",
        verticalalignment="top",
    )
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss, averaged over steps")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
