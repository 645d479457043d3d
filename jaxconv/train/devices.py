"""The devices that share a batch: each computes the gradient of its rows.

The arrays' shardings make JAX sum the gradients over the devices: parameters are
replicated on each, batches are split along their rows. Of several processes, each reads
the rows of its own devices.
"""

from typing import Any

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxconv._words import counted


class Devices:
    """A one-dimensional mesh of `count` devices, those of all processes."""

    def __init__(self, count: int = 1) -> None:
        """Take the first `count` local devices; 0, or several processes: all.

        Raises:
          ValueError: there are fewer, or several processes are to leave some out.
        """
        local = jax.local_devices()
        if count > len(local):
            more = ""
            if local[0].platform == "cpu":
                more = f" JAX_NUM_CPU_DEVICES={count} makes that many of one processor."
            raise ValueError(
                f"devices must be at most {len(local)}, as JAX sees "
                f"{counted(len(local), 'device')} here, got {count}. 0 takes all.{more}"
            )
        chosen = local[: count or len(local)]
        if jax.process_count() > 1:
            if count > 1 and count != len(local):
                raise ValueError(
                    f"devices must be 0 with several processes, as all "
                    f"{counted(len(local), 'device')} of each take part, got {count}."
                )
            # The devices of a process stand side by side, and so do its rows.
            chosen = sorted(jax.devices(), key=lambda one: (one.process_index, one.id))
        self.count = len(chosen)
        mesh = Mesh(np.array(chosen), ("data",))
        self._rows = NamedSharding(mesh, PartitionSpec("data"))
        self.whole: NamedSharding | None = NamedSharding(mesh, PartitionSpec())
        if self.count == 1:  # nothing is to be placed: a call of the step is faster
            self.whole = None
        mine = [one.process_index == jax.process_index() for one in chosen]
        self._first, self._mine = mine.index(True), sum(mine)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return jax.process_index() == 0

    def padded(self, rows: int) -> int:
        """Return the least number of rows, at least `rows`, that all share evenly."""
        return -(-rows // self.count) * self.count

    def replicate(self, tree: Any) -> Any:
        """Replicate a pytree, the same in all processes, on each device."""
        if self.whole is None:
            return tree
        if jax.process_count() == 1:
            return jax.device_put(tree, self.whole)
        return jax.tree.map(self._replicated, tree)

    def own(self, rows: np.ndarray) -> np.ndarray:
        """Return which of a batch's rows this process reads."""
        each = len(rows) // self.count
        return rows[self._first * each : (self._first + self._mine) * each]

    def share(self, array: np.ndarray) -> Array | np.ndarray:
        """Split a batch over the devices; this process has its `own` rows."""
        return array if self.whole is None else self._placed(array, self._rows)

    def _replicated(self, leaf: Any) -> Array:
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            data = self._replicated(jax.random.key_data(leaf))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
        assert self.whole is not None  # there are several devices
        return self._placed(np.asarray(leaf), self.whole)

    def _placed(self, array: np.ndarray, sharding: NamedSharding) -> Array:
        if jax.process_count() == 1:
            return jax.device_put(array, sharding)
        return jax.make_array_from_process_local_data(sharding, array)
