"""The devices that share a batch: each computes the gradient of its rows.

JAX sums the gradients over the devices, as the arrays say how they lie: parameters
whole on each, batches cut along their rows (`jax.sharding`).
"""

from typing import Any

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxconv._words import counted


class Devices:
    """A line of devices, those of all processes; `count` of them."""

    def __init__(self, count: int = 1) -> None:
        """Take the first `count` local devices; 0: all.

        Raises:
          ValueError: there are not so many.
        """
        local = jax.local_devices()
        if count > len(local):
            raise ValueError(
                f"devices must be at most {len(local)}, as JAX sees "
                f"{counted(len(local), 'device')} here, got {count}. 0 takes all."
            )
        self.count = count or len(local)
        mesh = Mesh(np.array(local[: self.count]), ("data",))
        self.whole = NamedSharding(mesh, PartitionSpec())
        self._rows = NamedSharding(mesh, PartitionSpec("data"))

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return jax.process_index() == 0

    def padded(self, rows: int) -> int:
        """Return the least number of rows, from `rows` on, that all share evenly."""
        return -(-rows // self.count) * self.count

    def replicate(self, tree: Any) -> Any:
        """Place a pytree whole on each device."""
        return jax.device_put(tree, self.whole)

    def own(self, rows: np.ndarray) -> np.ndarray:
        """Return which of a batch's rows this process reads."""
        return rows

    def share(self, array: np.ndarray) -> Array:
        """Place a batch of which this process has its `own` rows."""
        return jax.device_put(array, self._rows)
