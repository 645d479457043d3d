"""What `method="auto"` chooses for a convolution, and what that costs."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxconv._table import aligned, html_lines, html_table
from jaxconv.conv import primitives
from jaxconv.conv.api import Padding, Sizes, prepared, settings_of
from jaxconv.conv.arguments.arrays import as_struct
from jaxconv.conv.arguments.dtypes import PrecisionLike, common_dtype
from jaxconv.conv.arguments.keywords import names_arguments
from jaxconv.conv.auto.plan import Plan, plan_for
from jaxconv.conv.auto.target import Target, target_of
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import ALGORITHMS, Method
from jaxconv.conv.methods.rounding import Rounding
from jaxconv.conv.operands import OPERANDS, shape_of

_HEADER = ("map", "method", "MFLOP", "MiB", "temporary MiB", "error bound")


@dataclasses.dataclass(frozen=True)
class MapPlan:
    """How one map is computed, and what that costs."""

    plan: Plan
    bytes: int  # of both operands and the result
    temporary_bytes: int  # beside them, at the most at any one time
    relative_error: float | None  # at the most; None: exact
    relative_to: str = "sum"  # see `Rounding`

    @property
    def map(self) -> str:
        """Which map."""
        return self.plan.map

    @property
    def method(self) -> str:
        """The method that computes it, or most of it."""
        return self.plan.method

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return self.plan.flops


@dataclasses.dataclass(frozen=True, repr=False)
class Explanation:
    """How the three maps are computed; `print`, a prompt and a notebook show it."""

    geometry: Geometry
    dtype: str
    platform: str
    plans: tuple[MapPlan, ...]
    without: str = ""  # why oneDNN does not compute here; empty if it may

    def __str__(self) -> str:
        """Return a table, and the reasons."""
        table = aligned([_HEADER, *map(_cells, self.plans)], left=2)
        return "\n".join([self._title, *table, *self._reasons])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the table for a notebook, and the reasons."""
        table = html_table(_HEADER, map(_cells, self.plans), 2, self._title)
        return table + html_lines(self._reasons)

    @property
    def _title(self) -> str:
        g = self.geometry
        shapes = f"x {list(g.x_shape)}, w {list(g.w_shape)}, output {list(g.out_shape)}"
        return f"{shapes}, {self.dtype}, {self.platform}"

    @property
    def _reasons(self) -> list[str]:
        lines = [f"{one.map}: {'; '.join(one.plan.reasons)}" for one in self.plans]
        return [*lines, *([f"without oneDNN: {self.without}"] if self.without else [])]


@names_arguments
def explain(
    x: Any,
    w: Any,
    *,
    strides: Sizes = 1,
    padding: Padding = "SAME",
    padding_mode: str | Sequence[str] = "zeros",
    input_dilation: Sizes = 1,
    kernel_dilation: Sizes = 1,
    groups: int = 1,
    method: Method = "auto",
    memory_limit: int | None = None,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Explanation:
    """Say what computes `conv(x, w, ...)` and its two gradients here, and why.

    Nothing is run; the temporary memory is what the compiler says that it plans. `x`
    and `w` are arrays, or a `jax.ShapeDtypeStruct` or the bare shape of one, for
    float32; the other arguments are those of `conv`.

    Returns:
      What `print` shows as a table: for each map the method, millions of operations (of
      transforms, those of direct sums), MiB of operands and result, and of temporary
      memory, and a bound of the rounding error, relative to the sum of the products'
      absolute values, or for transforms to the product of the operands' norms.

    Raises:
      ValueError: the arguments do not fit each other.

    >>> found = explain((8, 16, 9, 9), (16, 4, 3, 3), method="portable")
    >>> [(plan.map, plan.method) for plan in found.plans]
    [('output', 'xla'), ('input_grad', 'xla'), ('param_grad', 'xla')]
    """
    caller, settings = "explain", settings_of(locals())
    x, w = as_struct(caller, "x", x), as_struct(caller, "w", w)
    dtype = common_dtype(caller, preferred_element_type, x=x, w=w)
    geometry, _, facts = prepared(caller, x.shape, w.shape, **settings)
    target = target_of()
    plans = tuple(_plan(name, facts, dtype, target) for name in OPERANDS)
    without = target.why_not(str(dtype)) if target.platform == "cpu" else None
    return Explanation(geometry, str(dtype), target.platform, plans, without or "")


def _plan(name: str, facts: dict[str, Any], dtype: Any, target: Target) -> MapPlan:
    geometry = facts["geometry"]
    plan = plan_for(name, geometry, dtype, facts["method"], target)
    operands = [
        jax.ShapeDtypeStruct(shape_of(operand, geometry), dtype)
        for operand in OPERANDS[name]
    ]
    run = jax.jit(functools.partial(getattr(primitives, name), **facts))
    memory: Any = run.lower(*operands[:2]).compile().memory_analysis()
    rounding = Rounding(0.0, "sum")
    exact = not jnp.issubdtype(dtype, jnp.inexact)
    if not exact:
        rounding = ALGORITHMS[plan.method]._rounding(name, geometry, dtype)
    return MapPlan(
        plan,
        bytes=sum(math.prod(a.shape) * a.dtype.itemsize for a in operands),
        temporary_bytes=memory.temp_size_in_bytes,
        relative_error=None if exact else rounding.relative,
        relative_to=rounding.to,
    )


def _cells(found: MapPlan) -> tuple[str, ...]:
    bound = "exact" if found.relative_error is None else f"{found.relative_error:.1e}"
    bound += " of the norms" if found.relative_to == "norms" else ""
    sizes = (f"{n / 2**20:,.1f}" for n in (found.bytes, found.temporary_bytes))
    flops = f"{found.flops / 1e6:,.1f}"
    return found.map, str(found.plan), flops, *sizes, bound
