"""Convolutions in parts and in other shapes: the same sums, bit for bit.

Each arrangement is tried with `im2col` as the method of its parts, on whole numbers,
also where "auto" would not take it; then as "auto" takes it, against lax.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv
from jaxconv.check.problems import random_geometry
from jaxconv.conv import primitives
from jaxconv.conv.auto import arrangements as arrange
from tests.methods import auto
from jaxconv.conv.auto.arrangements import ARRANGEMENTS
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import im2col
from tests import reference
from tests.conv.cases import named_geometries
from tests.reference import (
    UNOPTIMISED,
    assert_same_bits,
    integers,
    operands,
    pair,
    three_maps,
)
from tests.tiers import fast

MORE = {
    "rows": ((4, 3, 5, 6), (3, 2, 3, 3), {"strides": (2, 3), "padding": ((0, 2),) * 2}),
    "cropped": ((3, 2, 9, 8), (2, 2, 2, 3), {"padding": ((-2, 1), (-1, -2))}),
    "dilated groups": (
        (3, 4, 9, 7),
        (2, 6, 2, 3),
        {"groups": 2, "kernel_dilation": 2, "padding": 1},
    ),
    "deep": (
        (2, 2, 5, 4, 6),
        (2, 3, 3, 2, 2),
        {"strides": (2, 1, 1), "kernel_dilation": (2, 1, 3), "padding": ((2, 1),) * 3},
    ),
    "deep, dilated": (
        (2, 2, 3, 4, 3),
        (2, 3, 2, 2, 3),
        {"input_dilation": (3, 1, 2), "padding": ((-1, 2), (1, 0), (2, 2))},
    ),
}


GEOMETRIES = named_geometries() | {
    name: Geometry.of(x, w, **facts) for name, (x, w, facts) in MORE.items()
}
TRIED = {
    "abreast": ("strided", "rows", "cropped", "dilated filter", "deep", "1-D"),
    "even": ("strided", "rows", "deep"),
    "groups": ("grouped", "depthwise", "dilated groups"),
    "parts": ("strided", "deep", "even filter, one side"),
    "planes": ("3-D", "deep", "deep, dilated", "negative padding"),
}
CASES = [
    pytest.param(
        map_name, by, GEOMETRIES[name], last, id=f"{map_name}-{by}-{name}-{last}"
    )
    for map_name, functions in ARRANGEMENTS.items()
    for by in functions
    for name in TRIED.get(by, ())
    for last in (False, True)
]


def compiled(function, a, b):
    return jax.jit(function, compiler_options=UNOPTIMISED)(a, b)


@pytest.mark.parametrize(("map_name", "by", "geometry", "last"), CASES)
def test_parts_make_the_whole(map_name, by, geometry, last, monkeypatch):
    one = geometry.out_shape[1:]
    monkeypatch.setattr(arrange, "_WHOLE_BYTES", 0)
    monkeypatch.setattr(arrange, "_PART_BYTES", 4 * math.prod(one))
    geometry = dataclasses.replace(geometry, channels_last=last)
    method, parts = getattr(im2col, f"_{map_name}"), []

    def run(a, b, part):
        assert a.shape == part.x_shape
        parts.append(part)
        return method(a, b, part)

    a, b = pair(map_name, geometry)
    arranged = ARRANGEMENTS[map_name][by]
    found = compiled(lambda a, b: arranged(run, a, b, geometry), a, b)
    expected = getattr(reference, map_name)(a, b, geometry)
    np.testing.assert_array_equal(found, expected)
    assert geometry not in parts or (by, geometry.n) == ("parts", 1)


def in_parts(geometry):
    return lambda x, g: arrange.in_parts(im2col._param_grad, x, g, geometry)


def assert_right_in_parts(geometry):
    x, g = pair("param_grad", geometry)
    found = compiled(in_parts(geometry), x, g)
    np.testing.assert_array_equal(found, reference.param_grad(x, g, geometry))


@pytest.mark.parametrize("last", [False, True])
def test_many_parts_are_added_up_in_a_loop(last, monkeypatch):
    monkeypatch.setattr(arrange, "_WHOLE_BYTES", 0)
    monkeypatch.setattr(arrange, "_UNROLLED_PARTS", 1)
    geometry = dataclasses.replace(GEOMETRIES["rows"], channels_last=last)
    monkeypatch.setattr(arrange, "_PART_BYTES", 8 * math.prod(geometry.out_shape[1:]))
    assert_right_in_parts(geometry)
    loop = jax.make_jaxpr(in_parts(geometry))(*pair("param_grad", geometry))
    assert "scan" in str(loop)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", ["strided", "rows", "cropped", "deep, dilated", "1-D"])
def test_rows_of_large_images_are_added_up(name, last, monkeypatch):
    geometry = dataclasses.replace(GEOMETRIES[name], channels_last=last)
    monkeypatch.setattr(arrange, "_WHOLE_BYTES", 0)
    image_bytes = 4 * math.prod(geometry.out_shape[1:])
    monkeypatch.setattr(arrange, "_PART_BYTES", image_bytes - 1)
    one = arrange.part(geometry, 4)
    assert one.n == 1
    assert geometry.out[0] % one.out[0] == 0
    assert one.out == (one.out[0], *geometry.out[1:]) != geometry.out
    assert_right_in_parts(geometry)


@pytest.mark.parametrize("last", [False, True])
def test_a_large_image_of_one_row_stays_whole(last, monkeypatch):
    geometry = Geometry.of((3, 2, 1, 7), (2, 3, 3, 2), padding=1)
    geometry = dataclasses.replace(geometry, channels_last=last)
    assert geometry.out[0] == 1
    monkeypatch.setattr(arrange, "_WHOLE_BYTES", 0)
    monkeypatch.setattr(arrange, "_PART_BYTES", 0)
    assert arrange.part(geometry, 4) == dataclasses.replace(geometry, n=1)
    assert_right_in_parts(geometry)


def test_images_abreast_stay_apart():
    """What a window reads beyond its image never reaches the output."""
    geometry = Geometry.of((3, 1, 3, 4), (1, 1, 3, 3), padding=0)
    x = jnp.zeros(geometry.x_shape).at[1].set(jnp.nan)
    y = arrange.abreast(im2col._output, x, jnp.ones(geometry.w_shape), geometry)
    np.testing.assert_array_equal(jnp.isnan(y).any((1, 2, 3)), [False, True, False])


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "groups", "by"),
    [
        ((32, 32, 16, 16), (32, 32, 3, 3), 1, (("abreast",), ("abreast",), ())),
        ((32, 32, 32, 32), (32, 24, 3, 3), 1, (("abreast",), ("abreast",), ("parts",))),
        ((2, 3, 96, 96), (3, 64, 3, 3), 1, ((), (), ("parts",))),
        ((2, 3, 9, 8), (3, 24, 3, 3), 1, (("even",), (), ())),
        ((8, 32, 7, 7), (16, 32, 3, 3), 2, (("groups",),) * 3),
        ((2, 8, 5, 7, 6), (8, 8, 3, 3, 3), 1, (("planes",),) * 3),
        ((2, 8, 5, 7, 6), (4, 8, 3, 3, 3), 2, (("groups", "planes"),) * 3),
    ],
    ids=[
        "abreast",
        "abreast and parts",
        "rows",
        "even",
        "groups",
        "planes",
        "groups of planes",
    ],
)
def test_auto_takes_parts_where_they_pay(x_shape, w_shape, groups, by):
    geometry = Geometry.of(x_shape, w_shape, groups=groups)
    names = "output", "input_grad", "param_grad"
    found = tuple(auto(name, geometry, "float32").by for name in names)
    assert found == by
    x, w = pair("output", geometry)

    def ours(x, w):
        return jaxconv.conv(x, w, groups=groups)

    def lax(x, w):
        return jax.lax.conv_general_dilated(
            x,
            jnp.swapaxes(w, 0, 1),
            (1,) * len(geometry.space),
            "SAME",
            feature_group_count=groups,
        )

    def maps(conv):
        def all_three(x, w, g):
            y, pull = jax.vjp(conv, x, w)
            return y, *pull(g)

        return jax.jit(all_three)

    g = jnp.asarray(integers(np.random.default_rng(1), geometry.out_shape), "float32")
    assert_same_bits(maps(ours)(x, w, g), maps(lax)(x, w, g))


@pytest.mark.parametrize(("length", "by"), [(16000, ("parts",)), (1024, ())])
def test_long_samples_are_cut(length, by):
    """Of one axis, a batch of short ones is faster whole, and never by im2col."""
    layer = Geometry.of((64, 32, length), (32, 32, 9))
    assert arrange.part(layer, 4) != layer
    found = auto("param_grad", layer, "float32")
    assert (found.method, found.by) == ("xla", by)
    assert auto("param_grad", layer, "bfloat16").method == "xla"


@pytest.mark.parametrize("seed", fast(range(40), 0, 1))
def test_arrangements_within_arrangements(seed, monkeypatch):
    """Random geometries, at sizes where "auto" would not take any."""

    def abreast_pays(geometry, limits):
        two, apart = len(geometry.space) == 2, max(geometry.input_dilation) == 1
        return two and apart and geometry.n > 1

    def even_pays(geometry, limits):
        return len(geometry.space) == 2 and geometry.ci % 2 == 1

    rng = np.random.default_rng(seed)
    monkeypatch.setattr(choose, "_abreast_pays", abreast_pays)
    monkeypatch.setattr(choose, "_even_pays", even_pays)
    monkeypatch.setattr(choose, "_SMALL_IMAGE", 0)
    monkeypatch.setattr(choose, "_ENGAGES_CORES", 0)
    monkeypatch.setattr(arrange, "_WHOLE_BYTES", 0)
    monkeypatch.setattr(arrange, "_PART_BYTES", int(rng.choice((64, 256, 1024))))
    monkeypatch.setattr(arrange, "_UNROLLED_PARTS", int(rng.choice((1, 12))))
    for _ in range(8):
        geometry = random_geometry(rng)
        # A batch as no other test has it: none must find what these rules made.
        geometry = dataclasses.replace(geometry, n=geometry.n + 5)
        x, w, g = operands(geometry)
        found, expected = auto(x, w, g, geometry), three_maps(x, w, g, geometry)
        assert_same_bits(found, expected, str(geometry))


def auto(x, w, g, geometry):
    """Compute the three maps, compiled anew."""

    @functools.partial(jax.jit, compiler_options=UNOPTIMISED)
    def maps(x, w, g):
        facts = {"geometry": geometry, "method": "auto"}
        return (
            primitives.output(x, w, **facts),
            primitives.input_grad(g, w, **facts),
            primitives.param_grad(x, g, **facts),
        )

    return maps(x, w, g)


@pytest.mark.parametrize(("strides", "by"), [(1, ()), (2, ("abreast",))])
def test_strides_shorten_rows(strides, by):
    """128 channels are work enough for all cores but where a row is short."""
    layer = Geometry.of((32, 64, 32, 32), (64, 128, 3, 3), strides=strides, padding=1)
    assert auto("output", layer, "float32").by == by


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_short_floats_are_computed_in_float32_and_rounded_once(dtype, rng):
    """The parts too: a sum of parts that were rounded each would differ."""
    geometry = Geometry.of((2, 8, 5, 7, 6), (8, 4, 3, 3, 3))
    assert auto("output", geometry, dtype).by == ("float32", "planes")
    x, w = (
        jnp.asarray(rng.normal(size=shape)).astype(dtype)
        for shape in (geometry.x_shape, geometry.w_shape)
    )
    wide = jaxconv.conv(x.astype("float32"), w.astype("float32"))
    assert (jaxconv.conv(x, w) == wide.astype(dtype)).all()


def test_a_convolution_is_not_taken_into_too_many_parts():
    """All of them take time to compile."""
    for kernel, by in (((3, 3, 3), ("groups", "planes")), ((9, 3, 3), ("groups",))):
        deep = Geometry.of((2, 96, 9, 7, 6), (12, 96, *kernel), groups=8)
        found = auto("output", deep, "float32")
        assert found.by == by
    many = dataclasses.replace(deep, groups=65)
    assert auto("output", many, "float32").by == ()
