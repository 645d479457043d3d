"""A trial of other people's kernels: whatever a map does, the others are checked.

Each map is called with the arrays that it takes, JAX's or NumPy's, and must give the
same result again. What a kernel adds or scales on purpose is taken out; so is rounding,
where a kernel does not add up products one by one.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxconv.check.calling import EXCHANGED, GRADIENTS, Caller, Map, MapError, called
from jaxconv.check.causes import CONSTANT, ROUNDING, SCALE, SHAPE, TYPE
from jaxconv.check.layout import Layout
from jaxconv.check.offset import distance, is_decided, is_of_few, shown_range, tolerated, whole
from jaxconv.check.options import long_type_error
from jaxconv.check.patterns.shapes import recognise_shape
from jaxconv.check.repetition import check_state
from jaxconv.check.report import Row
from jaxconv.check.trial import Trial, dot, largest, number, widen
from jaxconv.conv.methods.rounding import Rounding, unit_roundoff
from jaxconv.conv.operands import OPERANDS

_ROUNDINGS = 256.0  # of the largest sum of products: what a transform may be off by
_MANY = 0.1  # part of a map's results that is not whole: no sum of products
_SMALL = 3  # operands, where results are rounded
_SAFE = 4.0  # factor between an amplification that was seen and the one proposed
_LEAST = 8  # amplification that is proposed


class ForeignTrial(Trial):
    """A trial that records what goes wrong with a map, and goes on without it."""

    others = True

    def __init__(
        self,
        maps: dict[str, Map | None],
        x_shape: Sequence[int],
        w_shape: Sequence[int],
        dtype: DTypeLike | None,
        seed: int,
        *,
        amplification: float | int | None = None,
        layout: Layout | None = None,
        scale: str | None = None,
        timeout: float | int | None = None,
        jax_has_it: bool = True,
    ) -> None:
        """Meet the maps, and draw the operands.

        A map may be None. `dtype` None is float32, or float64 where all maps are
        NumPy's and one returns that. `jax_has_it` is whether JAX has the type.
        """
        self.layout, self.scale, self.timeout = layout, scale, timeout
        self.asked, self.jax_has_it = dtype, jax_has_it
        self.amplification = amplification
        self.missing = [name for name, function in maps.items() if function is None]
        self.offset: np.ndarray | float = 0.0
        self.factor = 1.0
        self.rounded: set[str] = set()  # maps whose results are rounded
        self.transforms: set[str] = set()  # those of them that add up no products
        there = {name: f for name, f in maps.items() if f is not None}
        stated = None if amplification is None else self._stated
        super().__init__(there, x_shape, w_shape, dtype or "float32", seed, stated)

    def begin(self) -> None:
        """Meet each map, check that it repeats itself, and take what it returns."""
        self.callers = {
            name: Caller(self.maps, name, self.timeout) for name in self.maps
        }
        self.lost |= dict.fromkeys(self.missing, "it is not given")
        self.kinds: dict[str, Any] = {}  # types of results
        for name in OPERANDS:
            with self.guarded():
                self._meet(name)
        if "g" not in self.operands:
            why = "the shape of g is not known, since output fails"
            self.lost |= {name: why for name in GRADIENTS if self.usable(name)}
            return
        self._choose_arrays()
        self.draw_operands()
        check_state(self)
        with self.guarded():
            self._find_offset()
        self._take_results()
        self._settle()

    def lose(self, error: MapError) -> None:
        """Record the failure of a map; of a wrong shape, the mistake it looks like."""
        failure, batch = error.failure, self.count_batch()
        exchanged = failure.problem.endswith(EXCHANGED)
        if exchanged and any(f.problem.endswith(EXCHANGED) for f in self.failures):
            self.lost[failure.map] = f"{failure.map} failed before"  # the same fault
            return
        expected = self.shape_of(failure.map)
        if error.found is not None and expected is not None:
            pattern = recognise_shape(error.found, expected, batch)
            error.failure = dataclasses.replace(failure, pattern=pattern)
        super().lose(error)

    def count_batch(self) -> int | None:
        """Return the number of examples; None for a single one without an axis."""
        axis = self.axes("x").batch
        return None if axis is None else self.operands["x"].shape[axis]

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

    def _stated(self, name: str) -> Rounding:
        """Return the bound that the caller states, for any map."""
        assert self.amplification is not None
        return Rounding(self.amplification * unit_roundoff(self.dtype), "largest")

    def _meet(self, name: str) -> None:
        """Call a map for the first time, with ones."""
        a, b, result = OPERANDS[name]
        if not self.usable(name) or b not in self.operands or a not in self.operands:
            return
        caller, ones = self.callers[name], (self.operands[a], self.operands[b])
        with np.errstate(all="ignore"):
            shape = self.shape_of(name)
            found = caller.meet(*ones, self.dtype, shape, self.jax_has_it)
        if not self.jax_has_it and isinstance(found, jax.Array):
            raise long_type_error("check_bilinear", self.dtype)
        self.kinds[name] = found.dtype
        terms = largest(widen(found))
        self.terms[name] = terms if np.isfinite(terms) else 1.0
        if name == "output":
            if found.size == 0:
                called_as = called(name, *ones)
                what = f"returned an array without elements, of shape {found.shape}"
                raise MapError(name, f"{what}, {called_as}")
            self.operands[result] = np.ones(found.shape)

    def _choose_arrays(self) -> None:
        """Hand NumPy's arrays to all maps that take them, if one takes no others.

        Without a type asked for, they are float64 where a result is.
        """
        callers = [self.callers[name] for name in self.kinds]
        if not any(caller.numpy for caller in callers):
            return
        for name, caller in self.callers.items():
            if caller.dtype_by_numpy is not None:
                caller.numpy = True
                self.kinds[name] = caller.dtype_by_numpy
        wide = np.dtype("float64") in self.kinds.values()
        if self.asked is None and wide and all(caller.numpy for caller in callers):
            self.set_dtype("float64")

    def _find_offset(self) -> None:
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
        if of_few:
            at = tuple(map(int, np.argwhere((once != 0) | (once != other))[0]))
            problem = f"element {at} is {number(once[at])}, expected 0; {end}"
            self.rows.append(Row(CONSTANT, "output", once.size, np.inf))
            self.fail(CONSTANT, "output", problem, None, at, once[at], 0.0)
            return
        self.offset = once
        self.rows.append(Row(CONSTANT, "output", once.size, 0.0))
        self.notes.append(
            f"output adds a constant, as a bias: output(0, w) is {shown_range(once)}. "
            "It was subtracted"
        )
        if np.any(distance(once)) or largest(once) * 8 > 2.0**self.digits:
            self.rounded.add("output")

    def _take_results(self) -> None:
        """Keep what each map returns for the operands, if it is finite."""
        for name, (a, b, _) in OPERANDS.items():
            if not self.usable(name):
                continue
            with self.guarded():
                given = self.operands[a], self.operands[b]
                found = self.call(name, *given)
                self.kinds[name] = found.dtype
                wide = widen(found)
                wrong = np.argwhere(~np.isfinite(wide))
                if len(wrong):
                    at = tuple(map(int, wrong[0]))
                    shown = called(name, *(np.asarray(a, self.dtype) for a in given))
                    raise MapError(
                        name,
                        f"returned {number(wide[at])} at element {at} of {wide.shape} "
                        f"for finite arguments, {shown}; {len(wrong):,} of "
                        f"{wide.size:,} are not finite",
                    )
                self.results[name] = self.read(name, found)

    def _settle(self) -> None:
        """Take rounding and the scale out of the results."""
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
                self._take_results()
                self._find_rounding(exact)
        if scaled and self.usable("param_grad"):
            self._find_factor()

    def _find_rounding(self, exact: Sequence[str]) -> None:
        """Find maps whose results are whole numbers but for rounding: transforms."""
        seen = {}
        for name in filter(self.usable, exact):
            off, size = distance(self.results[name]), self._size(name)
            decided = is_decided(_ROUNDINGS, self._unit(name), size)
            most = _part_rounded(self.results[name]) > _MANY
            if decided and most and off.max() <= self._error(name):
                seen[name] = off.max() / (self._unit(name) * size)
        if not seen:
            return
        worst = max(seen.values())
        proposed = max(_LEAST, 2 ** int(np.ceil(np.log2(_SAFE * worst))))
        self.rounded |= set(exact)  # where other operands show it
        self.transforms |= set(seen)
        self._take_results()
        for name in seen:
            self.rows.append(Row(ROUNDING, name, self.results[name].size, np.inf))
            self.fail(
                ROUNDING,
                name,
                "its errors are of rounding's size, and otherwise its results were "
                "checked. If it computes by a transform (FFT, Winograd), pass "
                f"amplification={proposed}",
            )

    def _find_factor(self) -> None:
        """Find whether the filter gradient is divided or multiplied by the batch."""
        n = self.count_batch() or 1
        total = dot(self.results["param_grad"], self.operands["w"])
        sums = [
            dot(self.results[name], self.operands[OPERANDS[name][2]])
            for name in ("output", "input_grad")
            if self.usable(name)
        ]
        right = sums[0] if sums else total * n
        errors = {f: float(abs(total * f - right)) for f in (float(n), 1 / n, 1.0)}
        if errors[1.0] == 0 and right != 0:
            self.rows.append(Row(SCALE, "param_grad", 1, np.inf))
            problem = (
                f'scale="batch" says that it is divided by the batch of {n}, but it is '
                "not. Leave scale out"
            )
            self.fail(SCALE, "param_grad", problem)
            return
        self.factor = float(n) if errors[float(n)] <= errors[1 / n] else 1 / n
        if self.amplification is None:
            self.rounded.add("param_grad")
        verb = "divided" if self.factor > 1 else "multiplied"
        self.notes.append(f"param_grad is {verb} by {n}, the batch, as scale says")
        self._take_results()

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
