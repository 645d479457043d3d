"""Training: the configuration, the jitted step, the loop and its observers."""

from jaxconv.train.checkpoints import CheckpointError
from jaxconv.train.config import Config
from jaxconv.train.distributed import LostError
from jaxconv.train.experiment import train
from jaxconv.train.loop import fit
from jaxconv.train.measured import DivergedError
from jaxconv.train.observers import Observer, PlainLines, Progress, make_display
from jaxconv.train.optimizer import make_optimizer
from jaxconv.train.rate_finder import FoundRates, find_learning_rate
from jaxconv.train.result import Result
from jaxconv.train.runs import Run, RunError, open_run
from jaxconv.train.scaling import Scaling
from jaxconv.train.step import Metrics, TrainState, init_state, make_step

__all__ = [
    "CheckpointError",
    "Config",
    "DivergedError",
    "FoundRates",
    "LostError",
    "Metrics",
    "Observer",
    "PlainLines",
    "Progress",
    "Result",
    "Run",
    "RunError",
    "Scaling",
    "TrainState",
    "find_learning_rate",
    "fit",
    "init_state",
    "make_display",
    "make_optimizer",
    "make_step",
    "open_run",
    "train",
]
