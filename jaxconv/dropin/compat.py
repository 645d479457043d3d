"""lax's convolutions, argument for argument, computed by jaxconv.

Flax's layers take such a function as `conv_general_dilated=`; `jaxconv.patch` puts them
under every caller. Each call is first checked by lax's own rules: they decide what
arguments mean, and which calls raise what.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.lax import DotAlgorithm, DotAlgorithmPreset
from jax.typing import DTypeLike

from jaxconv.dropin import redirect
from jaxconv.dropin.calls import Translation, convolved, facts_of, translated

DimensionNumbers = tuple[str, str, str] | lax.ConvDimensionNumbers | None
Pairs = str | Sequence[tuple[int, int]]


def conv_general_dilated(
    lhs: Array,
    rhs: Array,
    window_strides: Sequence[int],
    padding: Pairs,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: DimensionNumbers = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: DTypeLike | None = None,
    out_sharding: Any = None,
) -> Array:
    """Convolve as `jax.lax.conv_general_dilated` does, by hand-written maps.

    The arguments and their meaning are lax's. Integers wrap as they do there; floats
    shorter than float32 are accumulated in float32. Calls with a symbolic shape, with
    `out_sharding`, or with a dot algorithm as `precision` are passed on to lax.

    Raises:
      TypeError: the types of number do not go together, as in lax.
      ValueError: the shapes or settings do not, as in lax, with the axes named.

    >>> x, w = jnp.ones((1, 5, 5, 2)), jnp.ones((3, 3, 2, 4))
    >>> layout = ("NHWC", "HWIO", "NHWC")
    >>> conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=layout).shape
    (1, 5, 5, 4)
    """
    return _serve_or_pass_on(
        "conv_general_dilated",
        lhs,
        rhs,
        {
            "window_strides": window_strides,
            "padding": padding,
            "lhs_dilation": lhs_dilation,
            "rhs_dilation": rhs_dilation,
            "dimension_numbers": dimension_numbers,
            "feature_group_count": feature_group_count,
            "batch_group_count": batch_group_count,
            "precision": precision,
            "preferred_element_type": preferred_element_type,
            "out_sharding": out_sharding,
        },
    )


def conv_transpose(
    lhs: Array,
    rhs: Array,
    strides: Sequence[int],
    padding: Pairs,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: DimensionNumbers = None,
    transpose_kernel: bool = False,
    precision: Any = None,
    preferred_element_type: DTypeLike | None = None,
    use_consistent_padding: bool = False,
) -> Array:
    """Convolve transposed as `jax.lax.conv_transpose` does, by hand-written maps.

    The arguments and their meaning are lax's; `jaxconv.conv_transpose` has plainer
    ones.

    Raises:
      TypeError: the types of number do not go together, as in lax.
      ValueError: the shapes or settings do not, as in lax, with the axes named.
    """
    given = {
        "strides": strides,
        "padding": padding,
        "rhs_dilation": rhs_dilation,
        "dimension_numbers": dimension_numbers,
        "transpose_kernel": transpose_kernel,
        "precision": precision,
        "preferred_element_type": preferred_element_type,
        "use_consistent_padding": use_consistent_padding,
    }
    return _serve_or_pass_on("conv_transpose", lhs, rhs, given)


def why_not(lhs: Any, rhs: Any, given: dict[str, Any]) -> str | None:
    """Return why a call is passed on to lax; None if jaxconv serves it."""
    sizes = (*np.shape(lhs), *np.shape(rhs))
    if not all(isinstance(size, int | np.integer) for size in sizes):
        return "a symbolic shape"
    if given.get("out_sharding") is not None:
        return "out_sharding places the result"
    if _is_dot_algorithm(given.get("precision")):
        return "precision names an algorithm for products of matrices"
    return None


def serve(
    name: str, lhs: Any, rhs: Any, given: dict[str, Any], method: str = "auto"
) -> tuple[Array, Translation]:
    """Run a call of the lax function `name`, its further arguments in `given`.

    Where `method` does not serve it, "auto" does.

    Returns:
      The result, and what the call amounts to in the engine.
    """
    lhs, rhs = (
        array if isinstance(array, Array) else jnp.asarray(array)
        for array in (lhs, rhs)
    )
    call = translated(name, (facts_of(lhs), facts_of(rhs)), given, method)
    return convolved(lhs, rhs, call=call), call


def _serve_or_pass_on(name: str, lhs: Any, rhs: Any, given: dict[str, Any]) -> Array:
    if why_not(lhs, rhs, given):
        return redirect.call_lax(name, lhs, rhs, **given)
    return serve(name, lhs, rhs, given)[0]


def _is_dot_algorithm(precision: Any) -> bool:
    named = isinstance(precision, str) and precision in DotAlgorithmPreset.__members__
    return named or isinstance(precision, DotAlgorithm | DotAlgorithmPreset)
