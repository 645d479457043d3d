"""The norm of each example's filter gradient, without keeping the gradients.

For one example, with P the patches of its padded input (K = ci times taps rows, one
column for each output position) and G its output gradient (co rows), the gradient is
`P @ G.T`, and its squared norm

    sum((P @ G.T)**2) = sum((P.T @ P) * (G.T @ G))

The left side holds K * co numbers, the right side two for each pair of positions. The
side that holds fewer is computed, one example at a time. Where the terms on the right
cancel, as for nearly constant images and output gradients that sum to zero, their sum
is mostly rounding error: then that example's gradient is computed instead.
Source: Goodfellow, arXiv:1510.01799; for convolutions Rochette et al.,
arXiv:1912.06015; for the choice between both sides Bu et al., arXiv:2205.10683.
"""

import dataclasses
import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Num

from jaxconv.conv import primitives
from jaxconv.conv.api import check_output_grad, prepared, settings_of
from jaxconv.conv.arguments.dtypes import PrecisionLike, common_type
from jaxconv.conv.arguments.keywords import names_arguments
from jaxconv.conv.arguments.settings import Padding, Sizes
from jaxconv.conv.methods.patches import cut_patches
from jaxconv.conv.methods.registry import Method
from jaxconv.conv.operands import accumulator, split_groups
from jaxconv.conv.padding import extend, pad_input
from jaxconv.conv.primitives.meshes import placed, placed_by_compiler

_LEAST_LEFT = 2.0**-6  # of the sum of absolute values: at most six bits are lost
_CALLER = "per_example_grad_norms"


@names_arguments
def per_example_grad_norms(
    x: Num[Array, "n c_in *space"],
    g: Num[Array, "n c_out *out"],
    *,
    kernel_shape: Sequence[int],
    strides: Sizes = 1,
    padding: Padding = "SAME",
    padding_mode: str | Sequence[str] = "zeros",
    input_dilation: Sizes = 1,
    kernel_dilation: Sizes = 1,
    groups: int = 1,
    method: Method = "auto",
    precision: PrecisionLike = None,
) -> Num[Array, " n"]:
    """Compute the Euclidean norm of the filters' gradient for each example of a batch.

    The norms of the gradients that `vmap` of `conv_param_grad` returns, in the memory
    of one example: for gradient clipping (differential privacy), importance sampling
    and the gradient noise scale. Arguments and errors are those of `conv_param_grad`,
    without `memory_limit` and `preferred_element_type`; `method` serves the examples
    whose gradient itself is computed. For whole numbers and floats shorter than float32
    the norms are float32. Where a norm is 0, its derivative is taken to be 0.

    >>> x, g = jnp.ones((2, 1, 5)), jnp.ones((2, 1, 3))
    >>> per_example_grad_norms(x, g, kernel_shape=(1, 1, 3), padding="VALID").tolist()
    [5.196152210235596, 5.196152210235596]
    """
    settings = settings_of(locals())
    x, g = common_type(_CALLER, None, x=x, g=g)
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        x, g = x.astype(jnp.float32), g.astype(jnp.float32)
    geometry, modes, facts = prepared(_CALLER, x.shape, kernel_shape, **settings)
    check_output_grad(g, geometry, _CALLER)
    x, geometry = extend(x, geometry, modes), facts["geometry"]
    one = dataclasses.replace(geometry, n=1)
    wide = accumulator(x.dtype)
    if geometry.is_empty:
        return jnp.zeros(geometry.n, jnp.finfo(wide).dtype)

    def by_gradient(example):
        x, g = (array[None].astype(wide) for array in example)
        grad = primitives.param_grad(x, g, **facts | {"geometry": one})
        return jnp.sum(jnp.abs(grad) ** 2)

    def by_positions(example):
        x, g = (array[None].astype(wide) for array in example)
        patches = cut_patches(split_groups(pad_input(x, one), "x", one), one)
        grads = split_groups(g, "g", one).reshape(1, one.groups, one.co, -1)
        pairs = [
            jnp.einsum("ngkp,ngkq->gpq", a.conj(), a, precision=facts["precision"])
            for a in (patches, grads)
        ]
        products = (pairs[0] * pairs[1]).real
        total, size = jnp.sum(products), jnp.sum(jnp.abs(products))
        cancels = total < _LEAST_LEFT * size
        return lax.cond(cancels, by_gradient, lambda _: total, example)

    positions = math.prod(one.out)
    fewer = 2 * positions**2 < one.ci * one.taps * one.co
    run = by_positions if fewer else by_gradient
    squares = placed_by_compiler(
        lambda x, g: lax.map(run, (x, g)), x, g, spec=placed(x)[:1]
    )
    positive = squares > 0  # the root has no derivative at 0: take 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1)), 0)
