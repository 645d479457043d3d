"""Which images a step takes: a function of only the seed and the step's number."""

import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jax import Array

from jaxconv.data.mnist import Split
from jaxconv.train.devices import Devices
from jaxconv.train.scaling import Scaling
from jaxconv.train.step import order_of

_SCALED_AT_ONCE = 2**26  # pixels, of which floats take 256 MB: more are scaled by batch


class Batch(NamedTuple):
    """Scaled images, labels, and which rows count; None: all."""

    images: Array | np.ndarray
    labels: Array | np.ndarray
    mask: Array | np.ndarray | None
    size: int


class Batches:
    """The batches of a set of images, for some devices.

    A batch that does not divide evenly among the devices, and a smaller last batch of
    an epoch, are padded with rows of zeros that do not count: all batches have one
    shape and share one compiled program.
    """

    def __init__(
        self, split: Split, scaling: Scaling, batch_size: int, devices: Devices
    ) -> None:
        """Take images of bytes and their labels."""
        self._images, self._labels = split
        self._labels = self._labels.astype(np.int32, copy=False)
        self._scaled = self._images.size <= _SCALED_AT_ONCE
        if self._scaled:
            self._images = scaling(self._images)
        self._scaling, self._devices = scaling, devices
        self._size = batch_size
        self._rows = devices.padded(batch_size)
        self._is_masked = bool(self._rows - batch_size or len(self) % batch_size)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return an image's shape, (channels, height, width)."""
        return self._images.shape[1:]

    @property
    def per_epoch(self) -> int:
        """Return the number of batches in a pass over all images."""
        return math.ceil(len(self) / self._size)

    def at(self, step: int, seed: int) -> Batch:
        """Return the batch of a step; each epoch has its own order."""
        epoch, number = divmod(step, self.per_epoch)
        return self._batch(_order(len(self), seed, epoch)[self._slice(number)])

    def in_order(self) -> Iterator[Batch]:
        """Yield all images, in the order in which they are held."""
        order = np.arange(len(self))
        for number in range(self.per_epoch):
            part = self._slice(number)
            if not self._scaled or self._is_masked or self._devices.count > 1:
                yield self._batch(order[part])
            else:  # views, without a copy
                images, labels = self._images[part], self._labels[part]
                yield Batch(images, labels, None, len(images))

    def _slice(self, number: int) -> slice:
        return slice(number * self._size, (number + 1) * self._size)

    def _batch(self, rows: np.ndarray) -> Batch:
        """Gather and scale the rows that this process reads, and place them."""
        count, mask = len(rows), None
        if self._is_masked:
            padding = self._rows - count
            mask = self._devices.share(self._devices.own(np.arange(self._rows) < count))
            rows = np.concatenate([rows, np.full(padding, -1)])
        own = self._devices.own(rows)
        images, labels = self._images[own], self._labels[own]
        if not self._scaled:
            images = self._scaling(images)
        if mask is not None:
            images[own < 0] = 0
            labels[own < 0] = 0
        share = self._devices.share
        return Batch(share(images), share(labels), mask, count)


@functools.lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return order_of(count, seed, epoch)
