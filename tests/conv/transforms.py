"""A convolution, the same by lax, and what JAX can make of either.

lax is the oracle under the same transformation, on whole numbers, so that the two must
agree bit for bit.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

import jaxconv

FACTS = {"strides": (2, 1), "padding": ((1, 2), (0, 3)), "groups": 2}
X, W = (2, 4, 7, 6), (2, 6, 3, 2)


def ours(method):
    return functools.partial(jaxconv.conv, **FACTS, method=method)


def lax_conv(x, w):
    return lax.conv_general_dilated(
        x,
        w,
        FACTS["strides"],
        FACTS["padding"],
        dimension_numbers=("NCHW", "IOHW", "NCHW"),
        feature_group_count=FACTS["groups"],
    )


def cube_sum(conv):
    """A loss with derivatives of every order up to the third; sums stay exact."""
    return lambda x, w: jnp.sum(conv(x, w) ** 3) / 2**6


def square_sum(conv):
    return lambda x, w: jnp.sum(conv(x, w) ** 2)


def third_order(conv, x, w):
    def second(x, w):
        hvp = jax.jvp(lambda w: jax.grad(cube_sum(conv), 1)(x, w), (w,), (w,))[1]
        return jnp.vdot(hvp, hvp) / 2**12

    return jax.grad(second, (0, 1))(x, w)


def hvp_reverse_over_reverse(f, x, w):
    def along(w):
        return jnp.vdot(jax.grad(square_sum(f), 1)(x, w), w + 1) / 2**6

    return jax.grad(along)(w)


def grad_in_a_loop(f, x, w):
    """Three steps of gradient descent, each halving what is small enough to halve."""

    def step(_, w):
        dw = jax.grad(square_sum(f), 1)(x, w)
        return jnp.sign(dw) + w

    return lax.fori_loop(0, 3, step, w)


TRANSFORMS = {
    "forward": lambda f, x, w: f(x, w),
    "jit": lambda f, x, w: jax.jit(f)(x, w),
    "grad": lambda f, x, w: jax.grad(square_sum(f), (0, 1))(x, w),
    "value_and_grad": lambda f, x, w: jax.value_and_grad(square_sum(f), (0, 1))(x, w),
    "vjp": lambda f, x, w: jax.vjp(f, x, w)[1](f(x, w) + 1),
    "jvp": lambda f, x, w: jax.jvp(f, (x, w), (x + 1, w - 1)),
    "linearize": lambda f, x, w: jax.linearize(f, x, w)[1](x + 1, w - 1),
    "linear_transpose": lambda f, x, w: jax.linear_transpose(lambda x: f(x, w), x)(
        f(x, w)
    ),
    "jacfwd": lambda f, x, w: jax.jacfwd(f, 1)(x, w),
    "jacrev": lambda f, x, w: jax.jacrev(f, 1)(x, w),
    "grad of grad": lambda f, x, w: jax.grad(
        lambda x: jnp.sum(jax.grad(square_sum(f), 1)(x, w) ** 2) / 2**8
    )(x),
    "forward over reverse": lambda f, x, w: jax.jvp(
        lambda w: jax.grad(square_sum(f), (0, 1))(x, w), (w,), (w + 1,)
    ),
    "reverse over reverse": hvp_reverse_over_reverse,
    "vmap of grad": lambda f, x, w: jax.vmap(
        lambda x: jax.grad(square_sum(f), (0, 1))(x[None], w)
    )(x),
    "grad of vmap": lambda f, x, w: jax.grad(
        lambda x, w: jnp.sum(jax.vmap(lambda x: f(x[None], w))(x) ** 2), (0, 1)
    )(x, w),
    "vmap over neither": lambda f, x, w: jax.vmap(lambda s: s * f(x, w))(
        jnp.arange(3.0)
    ),
    "checkpoint": lambda f, x, w: jax.grad(square_sum(jax.checkpoint(f)), (0, 1))(x, w),
    "scan": lambda f, x, w: jax.grad(
        lambda w: jnp.sum(lax.scan(lambda c, x: (c, f(x[None], w)), 0, x)[1] ** 2)
    )(w),
    "map": lambda f, x, w: jax.grad(
        lambda w: jnp.sum(lax.map(lambda x: f(x[None], w), x) ** 2)
    )(w),
    "loop": grad_in_a_loop,
    "cond": lambda f, x, w: jax.grad(
        lambda w: (
            jnp.sum(lax.cond(x[0, 0, 0, 0] > 9, jnp.zeros_like, lambda w: w, w))
            + square_sum(f)(x, w)
        )
    )(w),
}
