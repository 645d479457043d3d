"""The plan of a map: what computes it, in what parts, and why. It is made once and run.

`explain`, `patch`'s report, the checker and the benchmark read the same object that the
primitives execute.
"""

import dataclasses
import functools

import jax.numpy as jnp
from jax import Array
from jax.export import is_symbolic_dim
from jax.lax import Precision
from jax.typing import DTypeLike

from jaxconv.conv.auto import numbers
from jaxconv.conv.auto.arrangements import ARRANGEMENTS
from jaxconv.conv.auto.rules import OUTPUTS, PARAM_GRADS, Case
from jaxconv.conv.auto.target import Target
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import ALGORITHMS, MethodError
from jaxconv.conv.operands import OPERANDS, shape_of, turned


@dataclasses.dataclass(frozen=True)
class Plan:
    """How one map is computed: by a method, or by an arrangement of other maps."""

    map: str  # "output", "input_grad" or "param_grad"
    geometry: Geometry
    method: str  # with an arrangement, that of its part with the most operations
    reason: str
    arrangement: str | None = None
    parts: tuple["Plan", ...] = ()

    @property
    def largest(self) -> "Plan | None":
        """The part with the most operations; None without an arrangement."""
        return max(self.parts, key=lambda part: part.geometry.flops, default=None)

    @property
    def arrangements(self) -> tuple[str, ...]:
        """The names of the nested arrangements, along the largest parts."""
        if self.arrangement is None or self.largest is None:
            return ()
        return self.arrangement, *self.largest.arrangements

    @property
    def methods(self) -> frozenset[str]:
        """The methods of all parts."""
        if not self.parts:
            return frozenset({self.method})
        return frozenset().union(*(part.methods for part in self.parts))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, along the largest parts."""
        return self.reason, *(self.largest.reasons if self.largest else ())

    def __str__(self) -> str:
        """Return the methods, that of most operations first, and the arrangements."""
        return self._words

    @functools.cached_property
    def _words(self) -> str:
        methods = " and ".join([self.method, *sorted(self.methods - {self.method})])
        return ", ".join([methods, *(ARRANGEMENTS[a].words for a in self.arrangements)])

    @property
    def flops(self) -> int:
        """Multiplications and additions of the map as it is computed."""
        if self.arrangement is None:
            return self.geometry.flops
        made = self.geometry
        if self.map == "input_grad":
            made = made.of_input_grad
        times = ARRANGEMENTS[self.arrangement].count(made) // len(self.parts)
        return times * sum(part.flops for part in self.parts)


def plan_for(
    map_name: str,
    geometry: Geometry,
    dtype: DTypeLike,
    method: str,
    target: Target,
) -> Plan:
    """Return the plan of a map; "auto" and "portable" are looked up in the rules."""
    facts = map_name, geometry, jnp.dtype(dtype).name, method, target
    if is_symbolic_dim(geometry.n):  # which cannot always be compared
        return _planned.__wrapped__(*facts)
    return _planned(*facts)


@functools.lru_cache(4096)
def _planned(
    map_name: str, geometry: Geometry, dtype: str, method: str, target: Target
) -> Plan:
    if method == "onednn" and dtype not in target.onednn:
        raise MethodError(
            f'conv: method "onednn" does not run here: {target.why_not(dtype)}. Use '
            'method="auto".'
        )
    if method in ALGORITHMS:
        return Plan(map_name, geometry, method, "it was asked for")
    if geometry.is_empty:
        return Plan(map_name, geometry, "xla", "there is nothing to add up")
    if method == "portable" and target.platform == "cpu":
        target = target._replace(onednn=(), without='method is "portable"')
    case = Case(geometry, jnp.dtype(dtype), target, numbers.MOST_CONVOLUTIONS)
    return _by_rules(map_name, case)


def _by_rules(map_name: str, case: Case) -> Plan:
    whole, name = case.geometry, map_name
    if map_name == "input_grad":  # the output of another convolution
        case, name = case._replace(geometry=whole.of_input_grad), "output"
    rules = PARAM_GRADS if name == "param_grad" else OUTPUTS
    rule = next(rule for rule in rules if rule.applies(case))
    if rule.take in ALGORITHMS:
        return Plan(map_name, whole, rule.take, rule.because)
    arrangement = ARRANGEMENTS[rule.take]
    part = case._replace(
        dtype=jnp.dtype(arrangement.dtype or case.dtype),
        convolutions=case.convolutions // arrangement.count(case.geometry),
    )
    plans = tuple(
        _by_rules(name, part._replace(geometry=geometry))
        for geometry in arrangement.parts(case.geometry)
    )
    largest = max(plans, key=lambda plan: plan.geometry.flops)
    return Plan(map_name, whole, largest.method, rule.because, rule.take, plans)


def execute(plan: Plan, a: Array, b: Array, precision: Precision | None) -> Array:
    """Compute a map as planned; sums over nothing are 0."""
    geometry, name = plan.geometry, plan.map
    if geometry.is_empty:
        return jnp.zeros_like(a, shape=shape_of(OPERANDS[name][2], geometry))
    if plan.arrangement is None:
        run = getattr(ALGORITHMS[plan.method], f"_{name}")
        return run(a, b, geometry, precision)
    if name == "input_grad":
        b, geometry, name = turned(b, geometry), geometry.of_input_grad, "output"
    plans = {part.geometry: part for part in plan.parts}

    def run_part(a: Array, b: Array, part: Geometry) -> Array:
        return execute(plans[part], a, b, precision)

    return getattr(ARRANGEMENTS[plan.arrangement], name)(run_part, a, b, geometry)
