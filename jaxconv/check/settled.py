"""A trial whose results are settled: what a kernel means to do is taken out of them.

A constant that the output adds is subtracted, a filter gradient that is divided by the
batch is multiplied again, and rounding is taken out where a kernel does not add up
products one by one: right results of whole numbers are whole.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxconv.check.causes import CONSTANT, ROUNDING, SCALE
from jaxconv.check.offset import (
    distance,
    is_decided,
    is_of_few,
    shown_range,
    tolerated,
    whole,
)
from jaxconv.check.report import Row
from jaxconv.check.trial import Trial, dot, largest, number, widen
from jaxconv.conv.methods.rounding import unit_roundoff
from jaxconv.conv.operands import OPERANDS

_ROUNDINGS = 256.0  # of the largest sum of products: what a transform may be off by
_MANY = 0.1  # part of a map's results that is not whole: no sum of products
_DRAWS = 4  # of filters, where a sum of products may be 0 by chance
_SMALL = 3  # operands, where results are rounded
_SAFE = 4.0  # factor between an amplification that was seen and the one proposed
_LEAST = 8  # amplification that is proposed


class SettledTrial(Trial):
    """A trial that takes constants, a scale and rounding out of results."""

    scale: str | None = None
    amplification: float | int | None = None  # that the caller states

    def forget(self) -> None:
        """Take nothing out, and note no type of a result."""
        self.offset: np.ndarray | float = 0.0
        self.factor = 1.0
        self.rounded: set[str] = set()  # maps whose results are rounded
        self.transforms: set[str] = set()  # those of them that add up no products
        self.kinds: dict[str, Any] = {}  # types of results

    def read(self, name: str, result: Any) -> np.ndarray:
        """Return a result without what is added, scaled and rounded."""
        value = widen(result)
        with np.errstate(all="ignore"):
            if name == "output":
                value = value - self.offset
            if name == "param_grad" and self.factor != 1:
                value = value * self.factor
        return whole(value, self._error(name)) if name in self.rounded else value

    def snapped(self, name: str, value: np.ndarray) -> np.ndarray:
        """Return what JAX derived from the output without rounding."""
        if "output" in self.rounded or name in self.rounded:
            return whole(value, self._error(name))
        return value

    def bound(self, name: str, larger: int = 1, **changed: np.ndarray) -> Any:
        """Return the bound on a map's rounding error, that of a constant included."""
        bound = super().bound(name, larger, **changed)
        if name == "output" and self.amplification is not None:
            bound = bound + 4 * self._unit(name) * np.abs(self.offset)
        return bound

    @property
    def adds_up(self) -> bool:
        """Whether all maps add up products and nothing else."""
        return not self.transforms and super().adds_up

    def count_batch(self) -> int | None:
        """Return the number of examples; None for a single one without an axis."""
        axis = self.axes("x").batch
        return None if axis is None else self.operands["x"].shape[axis]

    def find_offset(self) -> None:
        """Find the constant that the output adds: a bias."""
        if not self.usable("output"):
            return
        x, w = np.zeros(self.operands["x"].shape), self.operands["w"]
        once, other = (widen(self.call("output", x, k * w)) for k in (1, -2))
        if not np.isfinite(once).all() or not (once.any() or other.any()):
            return
        if np.array_equal(once, other):
            of_few = is_of_few(once)
            end = f"{np.count_nonzero(once):,} of {once.size:,} elements are not 0"
        else:
            of_few, end = True, "it depends on w. Is something other than zeros padded?"
        self.rows.append(Row(CONSTANT, "output", once.size, np.inf if of_few else 0.0))
        if of_few:
            at = tuple(map(int, np.argwhere((once != 0) | (once != other))[0]))
            problem = f"element {at} is {number(once[at])}, expected 0; {end}"
            self.fail(CONSTANT, "output", problem, None, at, once[at], 0.0)
            return
        self.offset = once
        self.notes.append(
            f"output adds a constant, as a bias: output(0, w) is {shown_range(once)}. "
            "It was subtracted"
        )
        if np.any(distance(once)) or largest(once) * 8 > 2.0**self.digits:
            self.rounded.add("output")

    def settle(self) -> None:
        """Find a scale, and results that are rounded, and take both out."""
        scaled = self.scale is not None and self.count_batch() not in (None, 1)
        if self.amplification is not None:
            self.rounded = set()
        else:
            exact = [name for name in OPERANDS if self.usable(name)]
            exact = [name for name in exact if name not in self.rounded]
            if scaled and "param_grad" in exact:
                exact.remove("param_grad")
            parts = [_part_rounded(self.results[name]) for name in exact]
            if scaled or self.rounded or max(parts, default=0.0) > _MANY:
                self.draw_operands(_SMALL)
                self.take_results()
                self._find_rounding([name for name in exact if self.usable(name)])
        if scaled and self.usable("param_grad"):
            self._find_factor()

    def take_results(self) -> None:
        """Keep what each map returns for the operands."""
        for name in OPERANDS:
            with self.guarded():
                if self.usable(name):
                    self.results[name] = self.run(name)

    def _find_rounding(self, exact: Sequence[str]) -> None:
        """Find maps whose results are whole numbers but for rounding: transforms."""
        seen = {}
        for name in exact:
            off, size = distance(self.results[name]), self._size(name)
            decided = is_decided(_ROUNDINGS, self._unit(name), size)
            many = _part_rounded(self.results[name]) > _MANY
            if decided and many and off.max() <= self._error(name):
                seen[name] = float(off.max()) / (self._unit(name) * size)
        if not seen:
            return
        proposed = 2 ** int(np.ceil(np.log2(_SAFE * max(seen.values()))))
        self.rounded |= set(exact)  # where other operands show it
        self.transforms |= set(seen)
        self.take_results()
        for name in seen:
            self.rows.append(Row(ROUNDING, name, self.results[name].size, np.inf))
            self.fail(
                ROUNDING,
                name,
                "errors of rounding's size, which no sum of products has; apart from "
                "them it was checked. If it computes by a transform (FFT, Winograd), "
                f"pass amplification={max(_LEAST, proposed)}",
            )

    def _find_factor(self) -> None:
        """Find whether the filter gradient is divided or multiplied by the batch."""
        n, values = self.count_batch() or 1, self.results["param_grad"]
        self.factor = self._factor_by_sums(values, n) or self._factor_by_size(values, n)
        if self.factor == 1:
            self.rows.append(Row(SCALE, "param_grad", values.size, np.inf))
            problem = (
                f'scale="batch" says that it is divided by the batch of {n}, but it is '
                "not. Leave scale out"
            )
            self.fail(SCALE, "param_grad", problem)
            return
        if self.amplification is None:
            self.rounded.add("param_grad")
        verb = "divided" if self.factor > 1 else "multiplied"
        self.notes.append(f"param_grad is {verb} by {n}, the batch, as scale says")
        self.take_results()

    def _factor_by_sums(self, values: np.ndarray, n: int) -> float | None:
        """Return what takes the scale out, by the adjoint identity; None if unknown.

        Few numbers may be whole by chance though they are divided.
        """
        if not values.any():  # either: it is right or wrong, however it is scaled
            return float(n)
        for name in ("output", "input_grad"):
            with self.guarded():
                factor = self._factor_beside(name, values, n)
                if factor is not None:
                    return factor
        return None

    def _factor_beside(self, name: str, values: np.ndarray, n: int) -> float | None:
        """Return what takes the scale out beside another map; None if unknown."""
        if not self.usable(name):
            return None
        for _ in range(_DRAWS):
            w = self.draw(values.shape)
            right = dot(self.run(name, w=w), self.operands[OPERANDS[name][2]])
            ratio = dot(values, w) / right if right != 0 else 0.0
            for factor in (1.0, float(n), 1 / n):
                if abs(ratio * factor - 1) < 1e-3:
                    return factor
        return None

    def _factor_by_size(self, values: np.ndarray, n: int) -> float:
        """Return what takes the scale out, by which results are whole numbers."""
        if np.any(distance(values) > self._error("param_grad")):
            return float(n)
        return 1 / n if values.any() and not np.any(distance(values / n)) else 1.0

    def _unit(self, name: str) -> float:
        """Return the unit roundoff of a map: of the shorter of operands and result."""
        kinds = [k for k in (self.dtype, self.kinds.get(name)) if k is not None]
        return max(unit_roundoff(k) for k in kinds if jnp.issubdtype(k, jnp.inexact))

    def _size(self, name: str) -> float:
        """Return the largest sum of absolute products."""
        size = self.terms[name] * self.largest**2
        return size + (largest(np.asarray(self.offset)) if name == "output" else 0)

    def _error(self, name: str) -> float:
        """Return how far rounding may take a result from a whole number."""
        return tolerated(_ROUNDINGS, self._unit(name), 4 * self._size(name))


def _part_rounded(values: np.ndarray) -> float:
    """Return which part of the numbers but 0 is not whole; a single one is none."""
    off = distance(values[values != 0]) > 0
    return float(np.mean(off)) if np.count_nonzero(off) > 1 else 0.0
