"""The hand-written maps of the chosen method run, and nothing else: jaxprs show it."""

import dataclasses
from collections import Counter

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxconv
from tests.methods import auto
from jaxconv.conv.geometry import Geometry
from tests.methods import UNIVERSAL
from jaxconv.conv.primitives import rules
from tests.conv.transforms import (
    TRANSFORMS,
    W,
    X,
    ours,
    square_sum,
)
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


@pytest.mark.parametrize(
    ("shapes", "groups", "chosen"),
    [
        (((2, 3, 36, 32), (3, 4, 3, 2)), 1, ("im2col", "xla", "xla")),
        (((2, 1, 36, 32), (1, 4, 3, 2)), 1, ("im2col", "xla", "xla")),
        (((2, 4, 36, 32), (4, 1, 3, 2)), 1, ("xla", "im2col", "xla")),
        (((2, 5, 36, 32), (5, 4, 3, 2)), 1, ("xla", "xla", "xla")),
        (((2, 5, 256, 256), (5, 4, 3, 2)), 1, ("xla", "xla", "im2col")),
        (((2, 5, 6, 5), (5, 4, 3, 2)), 1, ("xla", "xla", "xla")),
        (((2, 3, 6, 5), (3, 4, 1, 1)), 1, ("taps", "taps", "im2col")),
        (((2, 5, 9), (5, 4, 3)), 1, ("xla", "xla", "xla")),
        (((2, 5, 4, 4, 4), (5, 4, 2, 2, 2)), 1, ("xla",) * 3),
        (((2, 3, 4, 4, 4), (3, 4, 65, 2, 2)), 1, ("im2col",) * 3),
        (((2, 48, 6, 5), (24, 4, 3, 2)), 2, ("xla", "taps", "xla")),
        (((2, 900, 6, 5), (12, 975, 3, 3)), 75, ("im2col", "im2col", "im2col")),
        (((2, 4, 6, 5), (1, 4, 3, 2)), 4, ("taps", "taps", "taps")),
        (((2, 4, 6, 5), (1, 8, 3, 2)), 4, ("taps", "taps", "taps")),
        (((2, 4, 9, 9), (1, 4, 9, 9)), 4, ("taps", "taps", "taps")),
        (((2, 1, 9, 9), (1, 1, 9, 9)), 1, ("taps", "taps", "xla")),
        (((1, 64, 512, 512), (32, 8, 7, 7)), 2, ("xla", "xla", "xla")),
    ],
    ids=[
        "few channels",
        "one input channel",
        "one output channel",
        "dense",
        "large images",
        "few positions",
        "one tap",
        "one axis",
        "three axes",
        "three axes, many taps",
        "grouped",
        "many groups",
        "depthwise",
        "multiplied",
        "many taps",
        "one channel, many taps",
        "large",
    ],
)
def test_auto_chooses_for_each_map(shapes, groups, chosen):
    geometry = Geometry.of(*shapes, groups=groups)
    names = "output", "input_grad", "param_grad"
    assert tuple(auto(n, geometry, "float32").method for n in names) == chosen


def test_auto_takes_what_the_device_ships_elsewhere():
    geometry = Geometry.of((2, 4, 6, 5), (1, 4, 3, 2), groups=4, strides=3)
    assert auto("output", geometry, "float32", "cuda").method == "xla"
    assert auto("input_grad", geometry, "float32", "cuda").by == ()


@pytest.mark.parametrize(
    ("kernel", "facts", "split"),
    [
        ((3, 4), {"strides": (1, 2)}, (False, True, False)),
        ((3, 3), {"strides": 2}, (False, False, False)),
        ((2, 2), {"strides": 2}, (False, True, False)),
        ((4, 4), {"input_dilation": 2}, (True, False, True)),
        ((3, 3), {"input_dilation": 2}, (False, False, True)),
        ((4, 4), {"input_dilation": 2, "strides": 2}, (False, False, False)),
        ((5, 6), {"input_dilation": 4, "padding": 5}, (True, False, True)),
        ((5, 6), {"strides": 4, "padding": 5}, (False, True, False)),
        ((4, 4), {"input_dilation": 2, "kernel_dilation": 3}, (False, False, False)),
    ],
    ids=lambda value: str(value),
)
def test_auto_splits_a_dilated_input_where_it_pays(kernel, facts, split):
    geometry = Geometry.of((2, 3, 16, 16), (3, 4, *kernel), **facts)
    names = "output", "input_grad", "param_grad"
    found = [auto(name, geometry, "float32") for name in names]
    assert tuple("phases" in choice.by for choice in found) == split


def test_auto_chooses_again_for_the_widened_geometry(monkeypatch):
    """vmap of a dense filter gradient over both operands is a grouped one."""
    seen = []
    real = rules.choose
    monkeypatch.setattr(
        rules, "choose", lambda *args: seen.append(args[2].groups) or real(*args)
    )
    x, g = arrays((5, 1, 2, 9), (5, 1, 3, 9))  # shapes that no other test has compiled
    jax.vmap(lambda x, g: jaxconv.conv_param_grad(x, g, kernel_shape=(2, 3, 3)))(x, g)
    assert seen[0] == 5


def test_auto_heeds_the_flag_that_leaves_convolutions_to_eigen(monkeypatch):
    dense = Geometry.of((32, 64, 32, 32), (64, 64, 3, 3))
    grouped = Geometry.of((32, 64, 32, 32), (16, 64, 3, 3), groups=4)

    def parts():
        return [
            auto(name, geometry, "float32").by
            for name in ("output", "param_grad")
            for geometry in (dense, grouped)
        ]

    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=true")
    assert parts() == [("abreast",), ("groups",), ("parts",), ("groups", "parts")]
    flag = "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT"
    monkeypatch.setenv("XLA_FLAGS", flag)
    assert parts() == [(), (), (), ("groups",)]
