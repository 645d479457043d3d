"""How far rounding can take a map from the exact sums: each method states its bound.

With u the unit roundoff, a sum of n products differs from the exact one by no more than
about `n * u` times the sum of the products' absolute values, in whatever order they are
added up.
Source: Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, section
3.1.
"""

import math
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxconv.conv.geometry import Geometry
from jaxconv.conv.operands import accumulator


class Rounding(NamedTuple):
    """A bound of a map's error: `relative` times the quantity that `to` names.

    "sum": for each element the sum of its products' absolute values; sums of small
    integers are then exact. "largest": the largest of these sums. "norms": the product
    of both operands' Euclidean norms, which is no smaller.
    """

    relative: float
    to: Literal["sum", "largest", "norms"]


def unit_roundoff(dtype: DTypeLike) -> float:
    """Return half the distance from 1 to the next larger number.

    >>> unit_roundoff("float32") == 2**-24
    True
    """
    return float(jnp.finfo(dtype).eps) / 2


def additions(map_name: str, geometry: Geometry) -> int:
    """Return how many products are added up for one element, padding among them."""
    return {
        "output": geometry.ci * geometry.taps,
        "input_grad": geometry.co * geometry.taps,
        "param_grad": geometry.n * math.prod(geometry.out),
    }[map_name]


def of_sum(map_name: str, geometry: Geometry, dtype: DTypeLike) -> Rounding:
    """Bound a map that adds up its products."""
    return of_products(additions(map_name, geometry), dtype)


def of_products(n: int, dtype: DTypeLike) -> Rounding:
    """Bound sums of n products, in any order, that are rounded once more at the end."""
    return Rounding(_of_roundings(n + 1, dtype), "sum")


def of_norms(roundings: int | float, dtype: DTypeLike) -> Rounding:
    """Bound sums of transforms: so many roundings, in units of the norms' product."""
    return Rounding(_of_roundings(roundings, dtype), "norms")


def _of_roundings(n: int | float, dtype: DTypeLike) -> float:
    """Return the error of n roundings, one after the other, and a last one.

    Short floats are added up in float32. A complex product is two sums of two.
    """
    once = unit_roundoff(accumulator(dtype))
    real = 1 if not jnp.issubdtype(dtype, jnp.complexfloating) else 2 * math.sqrt(2)
    return real * n * once + unit_roundoff(dtype)
