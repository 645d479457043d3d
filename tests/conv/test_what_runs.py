"""The hand-written maps of the chosen method run, and nothing else: jaxprs show it."""

import dataclasses
import functools
import re
from collections import Counter

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.lax import Precision

import jaxconv
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import ALGORITHMS
from jaxconv.conv.operands import OPERANDS, shape_of
from tests.conv.transforms import (
    TRANSFORMS,
    W,
    X,
    ours,
    square_sum,
)
from tests.methods import UNIVERSAL
from tests.reference import arrays

methods = pytest.mark.parametrize("method", UNIVERSAL)

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
    real = UNIVERSAL[method]._param_grad
    monkeypatch.setattr(
        UNIVERSAL[method],
        "_param_grad",
        lambda *args: ran.append(method) or real(*args),
    )
    x, w = arrays((2, 4, 5, 3), W)  # a shape that no other test has compiled
    jax.grad(square_sum(ours(method)), 1)(x, w)
    assert ran == [method]


def per_example(x, w, **facts):
    g = jnp.ones_like(jaxconv.conv(x, w))
    return jaxconv.per_example_grad_norms(x, g, kernel_shape=w.shape, **facts)


def under_patch(name):
    def call(x, w, method, precision):
        with jaxconv.patch(method):
            return getattr(lax, name)(x, w, (1,), "SAME", precision=precision)

    return call


PASSED_ALONG = {
    "conv": (jaxconv.conv, (2, 3, 8), (3, 4, 3)),
    "conv_transpose": (jaxconv.conv_transpose, (2, 3, 8), (3, 4, 3)),
    "norms by gradient": (per_example, (2, 3, 8), (3, 4, 3)),
    "lax.conv": (under_patch("conv"), (2, 3, 8), (4, 3, 3)),
    "lax.conv_transpose": (under_patch("conv_transpose"), (2, 8, 3), (3, 3, 4)),
}


@pytest.mark.parametrize(
    ("call", "x_shape", "w_shape"), PASSED_ALONG.values(), ids=PASSED_ALONG.keys()
)
def test_method_and_precision_are_passed_along(call, x_shape, w_shape):
    def run(x, w):
        return call(x, w, method="loops", precision="high")

    jaxpr = str(jax.make_jaxpr(run)(jnp.ones(x_shape), jnp.ones(w_shape)))
    assert "method=loops" in jaxpr
    assert "precision=HIGH\n" in jaxpr


@pytest.mark.parametrize("method", sorted({*ALGORITHMS} - {"onednn"}))
def test_methods_multiply_as_precisely_as_asked(method):
    geometry = Geometry.of((2, 64, 8, 8), (64, 64, 3, 3))
    for name, (first, second, _) in OPERANDS.items():
        arrays = (jnp.ones(shape_of(one, geometry)) for one in (first, second))
        run = functools.partial(
            getattr(ALGORITHMS[method], f"_{name}"),
            geometry=geometry,
            precision=Precision.HIGH,
        )
        assert re.search(r"HIGH\b", str(jax.make_jaxpr(run)(*arrays))), name


def test_norms_by_positions_multiply_as_precisely_as_asked():
    x = g = jnp.ones((2, 64, 2))

    def norms(x, g):
        return jaxconv.per_example_grad_norms(
            x, g, kernel_shape=(64, 64, 1), precision="high"
        )

    assert "(HIGH, HIGH)" in str(jax.make_jaxpr(norms)(x, g)).replace("Precision.", "")


def test_xla_is_asked_to_add_up_short_floats_in_float32():
    """On the CPU it does so anyway."""
    geometry = Geometry.of((2, 3, 8), (3, 4, 3))
    x, w = (
        jnp.ones(geometry.x_shape, "bfloat16"),
        jnp.ones(geometry.w_shape, "bfloat16"),
    )
    jaxpr = jax.make_jaxpr(lambda x, w: UNIVERSAL["xla"]._output(x, w, geometry))(x, w)
    assert "preferred_element_type=float32" in str(jaxpr)


@pytest.mark.parametrize("last", [False, True])
def test_xla_is_given_the_axes_in_the_order_that_loops_want(last):
    """XLA's CPU puts them so itself, but not within a loop: that takes fifty times."""
    geometry = Geometry.of((2, 3, 8, 9), (3, 4, 3, 3))
    geometry = dataclasses.replace(geometry, channels_last=last)
    x, w, g = arrays(geometry.x_shape, geometry.w_shape, geometry.out_shape)
    xla = UNIVERSAL["xla"]
    order = "lhs_spec=(0, 3, 1, 2), rhs_spec=(3, 2, 0, 1), out_spec=(0, 3, 1, 2)"
    for run, a, b in (
        (xla._output, x, w),
        (xla._input_grad, g, w),
        (xla._param_grad, x, g),
    ):
        assert order in str(jax.make_jaxpr(run, static_argnums=2)(a, b, geometry))


@methods
def test_vmap_keeps_the_method(method):
    x, w = arrays((3, *X), W)
    jaxpr = str(jax.make_jaxpr(jax.vmap(ours(method), (0, None)))(x, w))
    assert f"method={method}" in jaxpr
