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
from jaxconv.conv.api import Padding, Sizes, prepared
from jaxconv.conv.arguments.arrays import as_struct
from jaxconv.conv.arguments.dtypes import PrecisionLike, common_dtype
from jaxconv.conv.arguments.keywords import names_arguments
from jaxconv.conv.auto.phases import blocks
from jaxconv.conv.auto.rules import Choice, choose
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import ALGORITHMS, Method
from jaxconv.conv.methods.rounding import Rounding
from jaxconv.conv.operands import OPERANDS, shape_of

_HEADER = ("map", "method", "MFLOP", "MB", "temporary MB", "error bound")
_BY = {
    "abreast": "images abreast",
    "float32": "in float32",
    "even": "with a channel of zeros",
    "groups": "by groups",
    "parts": "by parts of the batch",
    "phases": "by phases",
    "planes": "by planes",
}


@dataclasses.dataclass(frozen=True)
class MapPlan:
    """How one map is computed."""

    map: str
    choice: Choice
    flops: int  # multiplications and additions
    bytes: int  # of both operands and the result
    temporary_bytes: int  # beside them, at the most at any one time
    relative_error: float | None  # at the most; None: exact
    relative_to: str = "sum"  # see `Rounding`


@dataclasses.dataclass(frozen=True, repr=False)
class Explanation:
    """How the three maps are computed; `print`, a prompt and a notebook show it."""

    geometry: Geometry
    dtype: str
    platform: str
    plans: tuple[MapPlan, ...]

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
        return [f"{plan.map}: {plan.choice.reason}" for plan in self.plans]


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

    Nothing is run; the temporary memory is what the compiler says that it plans.

    Args:
      x: the input, or a `jax.ShapeDtypeStruct` of it, or its bare shape, for float32.
      w: the filters, likewise.
      strides: like the other arguments, as in `conv`.
      padding: see `conv`.
      padding_mode: see `conv`.
      input_dilation: see `conv`.
      kernel_dilation: see `conv`.
      groups: see `conv`.
      method: see `conv`.
      memory_limit: see `conv`.
      precision: see `conv`.
      preferred_element_type: see `conv`.

    Returns:
      What `print` shows as a table: for each map the method, millions of floating-point
      operations done plainly, megabytes of operands and result, of temporary memory,
      and the largest possible rounding error, relative to the sum of the products'
      sizes, or for transforms to the product of the operands' Euclidean norms.

    Raises:
      ValueError: the arguments do not fit each other.

    >>> found = explain((8, 16, 9, 9), (16, 4, 3, 3))
    >>> [(plan.map, plan.choice.method) for plan in found.plans]
    [('output', 'xla'), ('input_grad', 'xla'), ('param_grad', 'xla')]
    """
    caller = "explain"
    x, w = as_struct(caller, "x", x), as_struct(caller, "w", w)
    dtype = common_dtype(caller, preferred_element_type, x=x, w=w)
    geometry, _, facts = prepared(
        caller,
        x.shape,
        w.shape,
        strides=strides,
        padding=padding,
        input_dilation=input_dilation,
        kernel_dilation=kernel_dilation,
        groups=groups,
        padding_mode=padding_mode,
        method=method,
        memory_limit=memory_limit,
        precision=precision,
    )
    platform = jax.default_backend()
    plans = tuple(_plan(name, facts, dtype, platform) for name in OPERANDS)
    return Explanation(geometry, str(dtype), platform, plans)


def _plan(name: str, facts: dict[str, Any], dtype: Any, platform: str) -> MapPlan:
    geometry = facts["geometry"]
    choice = choose(facts["method"], name, geometry, dtype, platform)
    operands = [
        jax.ShapeDtypeStruct(shape_of(operand, geometry), dtype)
        for operand in OPERANDS[name]
    ]
    run = jax.jit(functools.partial(getattr(primitives, name), **facts))
    memory: Any = run.lower(*operands[:2]).compile().memory_analysis()
    rounding = Rounding(0.0, "sum")
    exact = not jnp.issubdtype(dtype, jnp.inexact)
    if not exact:
        rounding = ALGORITHMS[choice.method]._rounding(name, geometry, dtype)
    return MapPlan(
        map=name,
        choice=choice,
        flops=_flops(name, geometry, choice),
        bytes=sum(math.prod(a.shape) * a.dtype.itemsize for a in operands),
        temporary_bytes=memory.temp_size_in_bytes,
        relative_error=None if exact else rounding.relative,
        relative_to=rounding.to,
    )


def _flops(name: str, geometry: Geometry, choice: Choice) -> int:
    if choice.by[:1] != ("phases",):
        return geometry.flops
    made = geometry.of_input_grad if name == "input_grad" else geometry
    return sum(block.geometry.flops for block in blocks(made))


def _cells(plan: MapPlan) -> tuple[str, ...]:
    method = ", ".join([plan.choice.method, *map(_BY.__getitem__, plan.choice.by)])
    bound = "exact" if plan.relative_error is None else f"{plan.relative_error:.1e}"
    bound += " of the norms" if plan.relative_to == "norms" else ""
    sizes = (f"{n / 2**20:,.1f}" for n in (plan.bytes, plan.temporary_bytes))
    return plan.map, method, f"{plan.flops / 1e6:,.1f}", *sizes, bound
