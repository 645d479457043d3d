"""A run from settings alone: the data, the model and the loop that they name."""

from jaxconv.data import Dataset, load
from jaxconv.train._checks import check_run
from jaxconv.train.config import Config
from jaxconv.train.distributed import start, watched
from jaxconv.train.loop import run_fit
from jaxconv.train.models import make_model
from jaxconv.train.observers import Observer
from jaxconv.train.result import Result


def train(config: Config, observer: Observer | None = None) -> Result:
    """Train as `config` says, calling `observer` on the way; Ctrl-C ends it early.

    Raises:
      LostError: another process of the run has ended.
      DatasetError: the data cannot be used.
      TypeError: `config` is not a `Config`, or `observer` not an observer.
      Exception: what `fit` raises.
    """
    check_run("train", config, observer)
    with watched():
        start(config)
        data = load_data(config)
        model = make_model(config, len(data.classes))
        return run_fit(model, data, config, observer, own=False)


def load_data(config: Config) -> Dataset:
    """Load the data set that `config` names.

    Raises:
      DatasetError: it cannot be used.
    """
    return load(
        config.data_dir,
        num_classes=config.num_classes,
        transpose=config.transpose_images,
    )
