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
from jaxconv.conv.auto import arrangements, numbers, plan
from jaxconv.conv.auto.arrangements import ARRANGEMENTS
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import im2col
from tests import reference
from tests.conv.cases import named_geometries
from tests.methods import auto
from tests.reference import (
    UNOPTIMISED,
    assert_same_bits,
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
    "groups": ("grouped", "depthwise", "dilated groups"),
    "parts": ("strided", "deep", "even filter, one side"),
    "planes": ("3-D", "deep", "deep, dilated", "negative padding"),
}
CASES = [
    pytest.param(
        map_name, by, GEOMETRIES[name], last, id=f"{map_name}-{by}-{name}-{last}"
    )
    for by, names in TRIED.items()
    for map_name in ("output", "param_grad")
    if getattr(ARRANGEMENTS[by], map_name)
    for name in names
    for last in (False, True)
]


def compiled(function, a, b):
    return jax.jit(function, compiler_options=UNOPTIMISED)(a, b)


@pytest.mark.parametrize(("map_name", "by", "geometry", "last"), CASES)
def test_parts_make_the_whole(map_name, by, geometry, last, monkeypatch):
    one = geometry.out_shape[1:]
    monkeypatch.setattr(numbers, "WHOLE_GRADIENT_BYTES", 0)
    monkeypatch.setattr(numbers, "PART_GRADIENT_BYTES", 4 * math.prod(one))
    geometry = dataclasses.replace(geometry, channels_last=last)
    method, parts = getattr(im2col, f"_{map_name}"), []

    def run(a, b, part):
        assert a.shape == part.x_shape
        parts.append(part)
        return method(a, b, part)

    a, b = pair(map_name, geometry)
    arranged = getattr(ARRANGEMENTS[by], map_name)
    found = compiled(lambda a, b: arranged(run, a, b, geometry), a, b)
    expected = getattr(reference, map_name)(a, b, geometry)
    np.testing.assert_array_equal(found, expected)
    assert geometry not in parts or (by, geometry.n) == ("parts", 1)


def in_parts(geometry):
    return lambda x, g: arrangements.in_parts(im2col._param_grad, x, g, geometry)


def assert_right_in_parts(geometry):
    x, g = pair("param_grad", geometry)
    found = compiled(in_parts(geometry), x, g)
    np.testing.assert_array_equal(found, reference.param_grad(x, g, geometry))


@pytest.mark.parametrize("last", [False, True])
def test_many_parts_are_added_up_in_a_loop(last, monkeypatch):
    monkeypatch.setattr(numbers, "WHOLE_GRADIENT_BYTES", 0)
    monkeypatch.setattr(numbers, "MOST_UNROLLED_PARTS", 1)
    geometry = dataclasses.replace(GEOMETRIES["rows"], channels_last=last)
    monkeypatch.setattr(
        numbers, "PART_GRADIENT_BYTES", 8 * math.prod(geometry.out_shape[1:])
    )
    assert_right_in_parts(geometry)
    loop = jax.make_jaxpr(in_parts(geometry))(*pair("param_grad", geometry))
    assert "scan" in str(loop)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", ["strided", "rows", "cropped", "deep, dilated", "1-D"])
def test_rows_of_large_images_are_added_up(name, last, monkeypatch):
    geometry = dataclasses.replace(GEOMETRIES[name], channels_last=last)
    monkeypatch.setattr(numbers, "WHOLE_GRADIENT_BYTES", 0)
    image_bytes = 4 * math.prod(geometry.out_shape[1:])
    monkeypatch.setattr(numbers, "PART_GRADIENT_BYTES", image_bytes - 1)
    one = arrangements.part(geometry, 4)
    assert one.n == 1
    assert geometry.out[0] % one.out[0] == 0
    assert one.out == (one.out[0], *geometry.out[1:]) != geometry.out
    assert_right_in_parts(geometry)


@pytest.mark.parametrize("last", [False, True])
def test_a_large_image_of_one_row_stays_whole(last, monkeypatch):
    geometry = Geometry.of((3, 2, 1, 7), (2, 3, 3, 2), padding=1)
    geometry = dataclasses.replace(geometry, channels_last=last)
    assert geometry.out[0] == 1
    monkeypatch.setattr(numbers, "WHOLE_GRADIENT_BYTES", 0)
    monkeypatch.setattr(numbers, "PART_GRADIENT_BYTES", 0)
    assert arrangements.part(geometry, 4) == dataclasses.replace(geometry, n=1)
    assert_right_in_parts(geometry)


@pytest.fixture
def planned_anew():
    """What other tests planned, by other numbers, is not remembered."""
    plan._planned.cache_clear()
    yield
    plan._planned.cache_clear()


@pytest.mark.usefixtures("planned_anew")
@pytest.mark.parametrize("seed", fast(range(12), 0))
def test_arrangements_within_arrangements(seed, monkeypatch):
    """Random geometries, at sizes where "auto" would not take any."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(numbers, "FEWEST_GRADIENT_NUMBERS", 0)
    monkeypatch.setattr(numbers, "WHOLE_GRADIENT_BYTES", 0)
    monkeypatch.setattr(
        numbers, "PART_GRADIENT_BYTES", int(rng.choice((64, 256, 1024)))
    )
    monkeypatch.setattr(numbers, "MOST_UNROLLED_PARTS", int(rng.choice((1, 12))))
    for _ in range(8):
        geometry = random_geometry(rng)
        # A batch as no other test has it: none must find what these rules made.
        geometry = dataclasses.replace(geometry, n=geometry.n + 5)
        x, w, g = operands(geometry)
        found, expected = maps(x, w, g, geometry), three_maps(x, w, g, geometry)
        assert_same_bits(found, expected, str(geometry))


def maps(x, w, g, geometry):
    """Compute the three maps, compiled anew."""

    @functools.partial(jax.jit, compiler_options=UNOPTIMISED)
    def maps(x, w, g):
        facts = {"geometry": geometry, "method": "portable"}
        return (
            primitives.output(x, w, **facts),
            primitives.input_grad(g, w, **facts),
            primitives.param_grad(x, g, **facts),
        )

    return maps(x, w, g)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_short_floats_are_computed_in_float32_and_rounded_once(dtype, rng):
    """The parts too: a sum of parts that were rounded each would differ."""
    geometry = Geometry.of((2, 8, 5, 7, 6), (8, 4, 3, 3, 3))
    assert auto("output", geometry, dtype).arrangements == ("float32", "planes")
    x, w = (
        jnp.asarray(rng.normal(size=shape)).astype(dtype)
        for shape in (geometry.x_shape, geometry.w_shape)
    )
    portable = functools.partial(jaxconv.conv, method="portable")
    wide = portable(x.astype("float32"), w.astype("float32"))
    assert (portable(x, w) == wide.astype(dtype)).all()


def test_a_convolution_is_not_taken_into_too_many_parts():
    """All of them take time to compile."""
    for kernel, by in (((3, 3, 3), ("groups", "planes")), ((9, 3, 3), ("groups",))):
        deep = Geometry.of((2, 96, 9, 7, 6), (12, 96, *kernel), groups=8)
        assert auto("param_grad", deep).arrangements == by
    many = dataclasses.replace(deep, groups=65)
    assert auto("param_grad", many).arrangements == ()
