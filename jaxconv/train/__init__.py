"""Training: the configuration, the jitted step, the loop and its report."""

from jaxconv.train.config import Config
from jaxconv.train.loop import DivergedError, Result, train
from jaxconv.train.optimizer import make_optimizer
from jaxconv.train.report import PlainReport, Report, make_report
from jaxconv.train.step import TrainState, init_state, make_step

__all__ = [
    "Config",
    "DivergedError",
    "PlainReport",
    "Report",
    "Result",
    "TrainState",
    "init_state",
    "make_optimizer",
    "make_report",
    "make_step",
    "train",
]
