"""Count the multiply-adds of a program, without running it.

Convolutions and matrix products are counted, a multiplication with its addition as one
multiply-add. Element-wise operations are not, as in published figures.
"""

import math
from collections.abc import Iterator
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from jaxconv.conv.geometry import Geometry
from jaxconv.conv.primitives import PRIMITIVES


def count_multiply_adds(program: ClosedJaxpr | Jaxpr) -> int:
    """Return the number of multiply-adds of `jax.make_jaxpr(function)(*shapes)`.

    Products with padding count. A transposed convolution has one for each pixel of its
    input and each tap that the pixel meets. Of a `cond` the most expensive branch
    counts; the body of a `while_loop`, which may run any number of times, counts once.

    >>> import jax, jax.numpy as jnp
    >>> count_multiply_adds(jax.make_jaxpr(jnp.dot)(jnp.ones((2, 3)), jnp.ones((3, 4))))
    24
    """
    jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
    return sum(map(_of_equation, jaxpr.eqns))


def primitives(program: ClosedJaxpr | Jaxpr) -> set[str]:
    """Return the names of a program's primitives, also of those in calls and loops."""
    jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
    found = {equation.primitive.name for equation in jaxpr.eqns}
    inner = (one for equation in jaxpr.eqns for one in _programs(equation.params))
    return found.union(*map(primitives, inner))


def _of_equation(equation: JaxprEqn) -> int:
    if equation.primitive in PRIMITIVES.values():
        return _of_geometry(equation.params["geometry"])
    if equation.primitive.name == "conv_general_dilated":
        return _of_lax_convolution(equation)
    if equation.primitive.name == "dot_general":
        return _of_dot(equation)
    inner = [count_multiply_adds(program) for program in _programs(equation.params)]
    if equation.primitive.name == "cond":
        return max(inner, default=0)
    return sum(inner) * int(equation.params.get("length", 1) if inner else 1)


def _programs(params: dict[str, Any]) -> Iterator[ClosedJaxpr | Jaxpr]:
    """Yield the programs inside a call, a loop or a choice."""
    for value in params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            if isinstance(one, ClosedJaxpr | Jaxpr):
                yield one


def _of_geometry(facts: Geometry) -> int:
    pairs = facts.n * facts.groups * facts.ci * facts.co
    places = zip(
        facts.out, facts.space, facts.strides, facts.input_dilation, strict=True
    )
    return pairs * facts.taps * math.prod(_positions(*place) for place in places)


def _positions(out: int, size: int, stride: int, dilation: int) -> int:
    """Return how many times a tap is used along an axis.

    Zeros between the pixels of a dilated input do not count: each pixel meets the tap
    once, or with a stride one pixel in `stride` does.
    """
    return out if dilation == 1 else -(-size // stride)


def _of_lax_convolution(equation: JaxprEqn) -> int:
    numbers = equation.params["dimension_numbers"]
    x, w, y = map(_shape, (*equation.invars, *equation.outvars))
    places = zip(
        (y[axis] for axis in numbers.out_spec[2:]),
        (x[axis] for axis in numbers.lhs_spec[2:]),
        equation.params["window_strides"],
        equation.params["lhs_dilation"],
        strict=True,
    )
    pairs = y[numbers.out_spec[0]] * math.prod(w)
    return pairs * math.prod(_positions(*place) for place in places)


def _of_dot(equation: JaxprEqn) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    first, outputs = _shape(equation.invars[0]), _shape(equation.outvars[0])
    return math.prod(outputs) * math.prod(first[axis] for axis in contracted)


def _shape(operand: Any) -> tuple[int, ...]:
    return operand.aval.shape
