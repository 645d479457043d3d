"""Differentiating and batching `conv`: the hand-written maps run, and are right.

The oracle is lax's convolution under the same transformation, on whole numbers, so that
the two must agree bit for bit. A jaxpr shows which maps ran.
"""

import functools
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxconv
from jaxconv.conv import bilinear
from jaxconv.conv.choose import METHODS, choose
from jaxconv.conv.geometry import Geometry
from tests.reference import integers

FACTS = {"strides": (2, 1), "padding": ((1, 2), (0, 3)), "groups": 2}
X, W = (2, 4, 7, 6), (2, 6, 3, 2)
methods = pytest.mark.parametrize("method", METHODS)


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


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return tuple(jnp.array(integers(rng, shape, -3, 3)) for shape in shapes)


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


def assert_same_bits(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)
    assert jax.tree.map(jnp.shape, a) == jax.tree.map(jnp.shape, b)


@methods
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


@methods
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


@methods
def test_nested_vmap_agrees_with_lax(method):
    x, w = arrays((2, *X), (3, *W))

    def nested(conv):
        each_x = jax.vmap(jax.grad(square_sum(conv), (0, 1)), (0, None))
        return jax.vmap(each_x, (None, 0))(x, w)

    assert_same_bits(nested(ours(method)), nested(lax_conv))


@methods
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


@methods
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


@methods
def test_an_exported_function_and_its_gradient_give_the_same(method):
    x, w = arrays(X, W)
    loss = square_sum(ours(method))
    exported = jax.export.export(jax.jit(loss))(x, w)
    restored = jax.export.deserialize(exported.serialize(vjp_order=1))
    assert_same_bits(restored.call(x, w), loss(x, w))
    theirs = jax.grad(loss, (0, 1))(x, w)
    assert_same_bits(jax.grad(restored.call, (0, 1))(x, w), theirs)


@methods
def test_without_jit_it_gives_the_same(method):
    x, w = arrays(X, W)
    with jax.disable_jit():
        mine = jax.grad(square_sum(ours(method)), (0, 1))(x, w)
    assert_same_bits(mine, jax.grad(square_sum(lax_conv), (0, 1))(x, w))


# Which maps run


# What does the arithmetic of a convolution: ours, and what JAX would put in its place.
OURS = {"conv_output", "conv_input_grad", "conv_param_grad"}
WORK = OURS | {
    "conv_general_dilated",
    "dot_general",
    "gather",
    "dynamic_slice",
    "while",
}


def maps_in(function, *args) -> Counter:
    """Count the convolution primitives of a jaxpr, those of inner jaxprs too."""

    def count(jaxpr):
        found = Counter()
        for equation in jaxpr.eqns:
            if equation.primitive.name in WORK:
                found[equation.primitive.name] += 1
            for inner in jax.tree.leaves(
                list(equation.params.values()), is_leaf=lambda p: hasattr(p, "eqns")
            ):
                inner = getattr(inner, "jaxpr", inner)
                found += count(inner) if hasattr(inner, "eqns") else Counter()
        return found

    return count(jax.make_jaxpr(function)(*args).jaxpr)


LOSS = square_sum(ours("im2col"))
RUNS = {
    "forward": (ours("im2col"), {"conv_output": 1}),
    "grad": (
        jax.grad(LOSS, (0, 1)),
        {"conv_output": 1, "conv_input_grad": 1, "conv_param_grad": 1},
    ),
    "grad of the filters alone": (
        jax.grad(LOSS, 1),
        {"conv_output": 1, "conv_param_grad": 1},
    ),
    "jvp": (
        lambda x, w: jax.jvp(ours("im2col"), (x, w), (x, w)),
        {"conv_output": 3},
    ),
    "jit of vmap of grad": (
        jax.jit(jax.vmap(jax.grad(LOSS, 1), (0, None))),
        {"conv_output": 1, "conv_param_grad": 1},
    ),
}


@pytest.mark.parametrize(("function", "maps"), RUNS.values(), ids=RUNS.keys())
def test_only_hand_written_maps_run(function, maps):
    x, w = arrays(X, W)
    if function is RUNS["jit of vmap of grad"][0]:
        x = x[:, None]
    assert maps_in(function, x, w) == maps


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
def test_every_transform_runs_hand_written_maps_alone(transform):
    """The derivative of an algorithm would be products, slices or loops.

    Those that the transformation brings itself do not count.
    """
    x, w = arrays(X, W)
    ran = maps_in(lambda x, w: transform(ours("im2col"), x, w), x, w)
    plain = maps_in(
        lambda x, w: transform(lambda x, w: x[0, 0, 0] * w[0, 0, 0, 0], x, w), x, w
    )
    assert set(ran - plain) <= OURS
    assert set(ran) & OURS


def test_hessian_runs_no_other_maps():
    x, w = arrays(X, W)
    hessian = jax.hessian(lambda w: LOSS(x, w))
    # Forward over reverse in the filters: the input's gradient has no part in it.
    assert set(maps_in(hessian, w)) == {"conv_output", "conv_param_grad"}


@methods
def test_the_named_method_runs_in_the_gradient(method, monkeypatch):
    ran = []
    real = METHODS[method]._param_grad
    monkeypatch.setattr(
        METHODS[method],
        "_param_grad",
        lambda *args: ran.append(method) or real(*args),
    )
    x, w = arrays((2, 4, 5, 3), W)  # a shape that no other test has compiled
    jax.grad(square_sum(ours(method)), 1)(x, w)
    assert ran == [method]


@methods
def test_vmap_keeps_the_method(method):
    x, w = arrays((3, *X), W)
    jaxpr = str(jax.make_jaxpr(jax.vmap(ours(method), (0, None)))(x, w))
    assert f"method={method}" in jaxpr


# The public gradient calls


@methods
def test_public_gradients_are_those_of_grad(method):
    x, w, g = arrays(X, W, (2, 6, 4, 8))
    dx, dw = jax.vjp(lax_conv, x, w)[1](g)
    facts = FACTS | {"method": method}
    input_grad = jaxconv.conv_input_grad(g, w, input_shape=X, **facts)
    param_grad = jaxconv.conv_param_grad(x, g, kernel_shape=W, **facts)
    assert_same_bits((input_grad, param_grad), (dx, dw))


@pytest.mark.parametrize(
    ("shapes", "groups", "chosen"),
    [
        (((2, 3, 6, 5), (3, 4, 3, 2)), 1, ("im2col", "im2col", "im2col")),
        (((2, 4, 6, 5), (1, 4, 3, 2)), 4, ("taps", "taps", "im2col")),
    ],
    ids=["dense", "depthwise"],
)
def test_auto_chooses_for_each_map(shapes, groups, chosen):
    geometry = Geometry.of(*shapes, groups=groups)
    names = "output", "input_grad", "param_grad"
    assert tuple(choose("auto", name, geometry) for name in names) == chosen


def test_auto_chooses_again_for_the_widened_geometry(monkeypatch):
    """vmap of a dense filter gradient over both operands is a grouped one."""
    seen = []
    real = bilinear.choose
    monkeypatch.setattr(
        bilinear, "choose", lambda *args: seen.append(args[2].groups) or real(*args)
    )
    x, g = arrays((5, 1, 2, 9), (5, 1, 3, 9))  # shapes that no other test has compiled
    jax.vmap(lambda x, g: jaxconv.conv_param_grad(x, g, kernel_shape=(2, 3, 3)))(x, g)
    assert seen == [5]
