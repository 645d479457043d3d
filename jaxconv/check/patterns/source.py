"""Right results of a map, of operands changed at will, from another of the maps.

The map is linear in each operand, so it has one matrix for each pair: `jacobian` is how
the right result depends on the operand `free`, at no further call.
"""

from functools import cached_property
from typing import Any

import numpy as np

from jaxconv.check.trial import Trial, dot, impulse
from jaxconv.conv.operands import OPERANDS, Operand

_OPERANDS: tuple[Operand, ...] = ("x", "w", "g")
MOST_ROWS = 2048  # results computed one by one
_MOST_NUMBERS = 2**23  # of a Jacobian


class Source:
    """What `name` should return, from the output, or for that from a gradient."""

    def __init__(
        self, trial: Trial, name: str, right: np.ndarray | None = None
    ) -> None:
        """Take a right result that is known already."""
        self.trial, self.name = trial, name
        self.via = "input_grad" if name == "output" else "output"
        self.result = OPERANDS[name][2]  # the operand whose shape the result has
        self.free = OPERANDS[self.via][2]
        rest = set(_OPERANDS) - {self.result, self.free}
        (self.other,) = rest
        self.shape = trial.operands[self.result].shape
        if right is not None:
            self.__dict__["right"] = right

    @property
    def affordable(self) -> bool:
        """Whether the right result may be computed, element by element."""
        return int(np.prod(self.shape)) <= MOST_ROWS

    @property
    def has_jacobian(self) -> bool:
        """Whether the Jacobian is small enough to be kept."""
        numbers = int(np.prod(self.shape)) * self.trial.operands[self.free].size
        return self.affordable and numbers <= _MOST_NUMBERS

    @cached_property
    def jacobian(self) -> np.ndarray:
        """The result's derivative at `free`: its axes, then those of `free`."""
        return np.array([self._run(at) for at in np.ndindex(self.shape)]).reshape(
            *self.shape, *self.trial.operands[self.free].shape
        )

    @cached_property
    def right(self) -> np.ndarray:
        """The right result."""
        if self.has_jacobian:
            return self.of(self.trial.operands[self.free])
        each = [self.at(index) for index in np.ndindex(self.shape)]
        return np.array(each).reshape(self.shape)

    def of(self, free: np.ndarray) -> np.ndarray:
        """Return the right result for another value of `free`."""
        rows = int(np.prod(self.shape))
        return (self.jacobian.reshape(rows, -1) @ free.ravel()).reshape(self.shape)

    def at(self, index: tuple[int, ...], **changed: np.ndarray) -> Any:
        """Return one element of the right result."""
        return dot(self._free(changed), self._run(index, **changed))

    def explains(self, found: np.ndarray, **changed: np.ndarray) -> bool:
        """Return whether changed operands explain a result, every element of it.

        One call of a map tells for nearly all that do not.
        """
        value = self.trial.operands[self.result]
        probe = self.trial.run(self.via, **changed | {self.result: value})
        if dot(found, value) != dot(self._free(changed), probe):
            return False
        return all(found[at] == self.at(at, **changed) for at in np.ndindex(self.shape))

    def _free(self, changed: dict[str, np.ndarray]) -> np.ndarray:
        return changed.get(self.free, self.trial.operands[self.free])

    def _run(self, index: tuple[int, ...], **changed: np.ndarray) -> np.ndarray:
        changed = changed | {self.result: impulse(self.shape, index)}
        return self.trial.run(self.via, **changed)
