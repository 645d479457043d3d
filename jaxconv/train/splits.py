"""The images to train on and those to validate on."""

from jaxconv._words import counted
from jaxconv.data import DatasetError
from jaxconv.data.dataset import Dataset, held_out
from jaxconv.train.config import Config
from jaxconv.train.step import order_of

_HELD_OUT_SEED = 0  # the same images whatever the run's seed


def splits_of(data: Dataset, config: Config) -> Dataset:
    """Return the data set that `config` trains and validates on.

    Raises:
      DatasetError: there are fewer training images than a batch has.
    """
    if config.held_out:
        data = held_out(data, config.held_out, _HELD_OUT_SEED)
    images, labels = data.train
    if len(images) < config.batch_size:
        raise DatasetError(
            f"{data.name}: holds {counted(len(images), 'training image')}, fewer than "
            f"the batch_size of {config.batch_size:,}. Make batch_size {len(images)} "
            "or less."
        )
    if config.overfit_batches:
        order = order_of(len(images), config.seed, 0)
        few = order[: config.overfit_batches * config.batch_size]
        data = data._replace(train=(images[few], labels[few]))
        data = data._replace(test=data.train)
    return data


def steps_of(data: Dataset, config: Config) -> int:
    """Return the number of steps of a run.

    Overfitting takes as many steps as training on all images would.
    """
    images = len(data.train[0]) - config.held_out
    total = config.epochs * -(-images // config.batch_size)
    return min(total, config.max_batches or total)
