"""A trial of other people's kernels: whatever a map does, the others are checked.

Each map is called with the arrays that it takes, JAX's or NumPy's, and must give the
same result again.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np
from jax.typing import DTypeLike

from jaxconv.check.calling import EXCHANGED, GRADIENTS, Caller, Map, MapError, called
from jaxconv.check.layout import Layout
from jaxconv.check.options import long_type_error
from jaxconv.check.patterns.shapes import recognise_shape
from jaxconv.check.repetition import check_state
from jaxconv.check.settled import SettledTrial
from jaxconv.check.trial import Trial, largest, number, widen
from jaxconv.conv.methods.rounding import Rounding, unit_roundoff
from jaxconv.conv.operands import OPERANDS


class ForeignTrial(SettledTrial):
    """A trial that records what goes wrong with a map, and goes on without it."""

    others = True

    def __init__(
        self,
        maps: Mapping[str, Map | None],
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
        self.again: Callable[[], Trial] = functools.partial(
            ForeignTrial, maps, x_shape, w_shape, dtype, seed, layout=layout,
            scale=scale, timeout=timeout, jax_has_it=jax_has_it,
        )  # fmt: skip
        there = {name: f for name, f in maps.items() if f is not None}
        stated = None if amplification is None else self._stated
        super().__init__(there, x_shape, w_shape, dtype or "float32", seed, stated)

    def begin(self) -> None:
        """Meet each map, check that it repeats itself, and take what it returns."""
        self.forget()
        self.callers = {
            name: Caller(self.maps, name, self.timeout) for name in self.maps
        }
        self.lost |= dict.fromkeys(self.missing, "it is not given")
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
            self.find_offset()
        for name in OPERANDS:
            with self.guarded():
                self._check_finite(name)
        self.take_results()
        self.settle()

    def exactly(self) -> Trial | None:
        """Return a trial that takes out rounding, where this one only bounds it."""
        return None if self.amplification is None else self.again()

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

    def _stated(self, name: str) -> Rounding:
        """Return the bound that the caller states, for any map."""
        assert self.amplification is not None
        return Rounding(self.amplification * unit_roundoff(self.dtype), "largest")

    def _meet(self, name: str) -> None:
        """Call a map for the first time, with ones."""
        a, b, result = OPERANDS[name]
        if not self.usable(name) or not {a, b} <= self.operands.keys():
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
                what = f"returned an array without elements, of shape {found.shape}"
                raise MapError(name, f"{what}, {called(name, *ones)}")
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

    def _check_finite(self, name: str) -> None:
        """Raise if a map's result is not finite; note its type."""
        if not self.usable(name):
            return
        given = [self.operands[key] for key in OPERANDS[name][:2]]
        found = self.call(name, *given)
        self.kinds[name] = found.dtype
        wide = widen(found)
        wrong = np.argwhere(~np.isfinite(wide))
        if len(wrong):
            at = tuple(map(int, wrong[0]))
            shown = called(name, *(np.asarray(array, self.dtype) for array in given))
            raise MapError(
                name,
                f"returned {number(wide[at])} at element {at} of {wide.shape} for "
                f"finite arguments, {shown}; {len(wrong):,} of {wide.size:,} are not "
                "finite",
            )
