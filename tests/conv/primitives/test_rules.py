"""Differentiating and batching `conv`: under every transformation it is lax's.

Which maps run is in `test_what_runs.py`.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv
from tests.conv.transforms import (
    FACTS,
    TRANSFORMS,
    W,
    X,
    lax_conv,
    ours,
    square_sum,
    third_order,
)
from tests.reference import arrays, assert_same_bits
from tests.tiers import methods


@methods()
@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
def test_transform_agrees_with_lax(method, transform):
    x, w = arrays(X, W)
    assert_same_bits(transform(ours(method), x, w), transform(lax_conv, x, w))


def test_third_order_agrees_with_lax():
    # Sums of sixth powers need float64 to stay exact.
    with jax.enable_x64(True):
        x, w = (array.astype("float64") for array in arrays(X, W))
        mine = third_order(ours("im2col"), x, w)
        assert_same_bits(mine, third_order(lax_conv, x, w))


@methods()
@pytest.mark.parametrize(
    "axes", [(0, None), (None, 0), (0, 0), (1, 3)], ids=["x", "w", "both", "inner axes"]
)
def test_vmap_agrees_with_lax(method, axes):
    x, w = arrays(X, W)
    if axes[0] is not None:
        x = jnp.stack([x, x + 1, -x], axis=axes[0])
    if axes[1] is not None:
        w = jnp.stack([w, 1 - w, w], axis=axes[1])

    def everything(conv):
        """The outputs, and both gradients through vmap and under it."""
        mapped = jax.vmap(conv, axes)
        inside = jax.vmap(jax.grad(square_sum(conv), (0, 1)), axes)
        return mapped(x, w), inside(x, w), jax.grad(square_sum(mapped), (0, 1))(x, w)

    assert_same_bits(everything(ours(method)), everything(lax_conv))


@methods()
def test_nested_vmap_agrees_with_lax(method):
    x, w = arrays((2, *X), (3, *W))

    def nested(conv):
        each_x = jax.vmap(jax.grad(square_sum(conv), (0, 1)), (0, None))
        return jax.vmap(each_x, (None, 0))(x, w)

    assert_same_bits(nested(ours(method)), nested(lax_conv))


@methods()
@pytest.mark.parametrize("mapped", ["first", "second", "both"])
@pytest.mark.parametrize("which", ["input_grad", "param_grad"])
def test_vmap_of_a_gradient_map_agrees_with_a_python_loop(method, which, mapped):
    x, w, g = arrays(X, W, (2, 6, 4, 8))
    if which == "input_grad":
        a, b = g, w
        call = functools.partial(jaxconv.conv_input_grad, input_shape=X)
    else:
        a, b = x, g
        call = functools.partial(jaxconv.conv_param_grad, kernel_shape=W)
    call = functools.partial(call, **FACTS, method=method)
    many_a = jnp.stack([a, 2 - a, 3 * a]) if mapped != "second" else a
    many_b = jnp.stack([b, b + 1, -b]) if mapped != "first" else b
    axes = (None if mapped == "second" else 0, None if mapped == "first" else 0)
    expected = [
        call(
            many_a if mapped == "second" else many_a[i],
            many_b if mapped == "first" else many_b[i],
        )
        for i in range(3)
    ]
    assert_same_bits(jax.vmap(call, axes)(many_a, many_b), jnp.stack(expected))


@methods()
def test_donated_arguments_give_the_same(method):
    x, w = arrays((2, 4, 7, 8), W)
    facts = {"padding": "SAME", "groups": 2, "method": method}
    step = jax.jit(
        lambda x, w: jaxconv.conv_input_grad(
            jaxconv.conv(x, w, **facts), w, input_shape=x.shape, **facts
        ),
        donate_argnums=0,
    )
    expected = step.__wrapped__(x, w)
    given = jnp.array(x)  # x itself is needed no more, but `expected` was from it
    np.testing.assert_array_equal(step(given, w), expected)
    assert given.is_deleted()


@methods()
def test_an_exported_function_and_its_gradient_give_the_same(method):
    x, w = arrays(X, W)
    loss = square_sum(ours(method))
    exported = jax.export.export(jax.jit(loss))(x, w)
    restored = jax.export.deserialize(exported.serialize(vjp_order=1))
    assert_same_bits(restored.call(x, w), loss(x, w))
    theirs = jax.grad(loss, (0, 1))(x, w)
    assert_same_bits(jax.grad(restored.call, (0, 1))(x, w), theirs)


@methods()
def test_without_jit_it_gives_the_same(method):
    x, w = arrays(X, W)
    with jax.disable_jit():
        mine = jax.grad(square_sum(ours(method)), (0, 1))(x, w)
    assert_same_bits(mine, jax.grad(square_sum(lax_conv), (0, 1))(x, w))


# The public gradient calls


@methods()
def test_public_gradients_are_those_of_grad(method):
    x, w, g = arrays(X, W, (2, 6, 4, 8))
    dx, dw = jax.vjp(lax_conv, x, w)[1](g)
    facts = FACTS | {"method": method}
    input_grad = jaxconv.conv_input_grad(g, w, input_shape=X, **facts)
    param_grad = jaxconv.conv_param_grad(x, g, kernel_shape=W, **facts)
    assert_same_bits((input_grad, param_grad), (dx, dw))


@methods()
def test_public_gradients_are_differentiable(method):
    """Each is linear in both its arguments: its derivatives are the other maps."""
    x, w, g = arrays(X, W, (2, 6, 4, 8))
    facts = FACTS | {"method": method}
    y, dx = lax_conv(x, w), jax.vjp(lax_conv, x, w)[1](g)[0]
    to_x, to_w = jax.vjp(
        lambda g, w: jaxconv.conv_input_grad(g, w, input_shape=X, **facts), g, w
    )[1](x)
    assert_same_bits(to_x, y)
    assert_same_bits(to_w, jax.vjp(lax_conv, x, w)[1](g)[1])
    to_x, to_g = jax.vjp(
        lambda x, g: jaxconv.conv_param_grad(x, g, kernel_shape=W, **facts), x, g
    )[1](w)
    assert_same_bits((to_x, to_g), (dx, y))
