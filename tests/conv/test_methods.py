"""What is proved of each method's three hand-written maps, and how.

They equal NumPy's sums in int64 bit for bit, on named and on random convolutions.
Then the checker (`jaxconv.check`, itself tested by seeded bugs in tests/check): the
maps are each other's adjoints; steps of 1 and unit impulses give their derivatives; JAX
derives the same from the method's own forward code and, to the third order, from the
primitives; lax agrees; all this bit for bit on whole numbers, in every type. On real
numbers each map stays within the bound that its method states; for those that multiply
transforms (test_transforms.py) that is all, as their whole numbers are not exact.
tests/reference.py is the oracle; scripts/verify.py goes on for as long as one likes.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.check.cases import DTYPES, Case, check_case
from jaxconv.check.problems import GRID, parse_problem, random_geometry
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import im2col
from tests import reference
from tests.conv.cases import named_geometries
from tests.methods import UNIVERSAL
from tests.reference import (
    UNOPTIMISED,
    assert_same_bits,
    operands,
    pair,
    three_maps,
)
from tests.tiers import fast

CASES = {
    name: geometry
    for name, geometry in named_geometries().items()
    if not geometry.is_empty  # those never reach a method
}
methods = pytest.mark.parametrize("method", UNIVERSAL)
# Dilated inputs that "auto" splits into phases: equal, uneven, cropped, grouped, alike.
SPLIT = (
    "mb2ic3oc4ih5iw4kh4kw3zh1zw2ph2qh1pw-1qw3",
    "g2mb2ic4oc6ih4iw5kh2kw5zh1zw1ph1pw3",
    "mb2ic3oc4ih8iw9kh2kw1sh2sw3",
    "g2mb2ic4oc6ih8iw9kh4kw3sh2sw3ph2qh0",
    "g4mb5ic4oc4iw6kw3zw2pw1",
)


def maps(method, geometry, x, w, g):
    algorithm = UNIVERSAL[method]
    return (
        algorithm._output(x, w, geometry),
        algorithm._input_grad(g, w, geometry),
        algorithm._param_grad(x, g, geometry),
    )


by_hand = jax.jit(maps, static_argnames=("method", "geometry"))


@functools.partial(jax.jit, static_argnames="geometry", compiler_options=UNOPTIMISED)
def by_every_hand(geometry, x, w, g):
    return {name: maps(name, geometry, x, w, g) for name in UNIVERSAL}


def check_every_method(geometry):
    given = operands(geometry)
    expected = three_maps(*given, geometry)
    for method, results in by_every_hand(geometry, *given).items():
        assert_same_bits(results, expected, f"{method}, {geometry}")


@pytest.mark.parametrize("geometry", CASES.values(), ids=CASES.keys())
def test_maps_equal_numpy_bit_for_bit(geometry):
    check_every_method(geometry)


@pytest.mark.parametrize("seed", fast(range(12), 0))
def test_random_geometries_equal_numpy_bit_for_bit(seed):
    """Five geometries for each seed."""
    rng = np.random.default_rng(seed)
    for _ in range(5):
        check_every_method(random_geometry(rng))


def line_cases():
    """Every line with one method, each in its turn; half of the lines always."""
    names, count = list(UNIVERSAL), len(UNIVERSAL)
    for i, line in enumerate(GRID):
        marks = [pytest.mark.exhaustive] if i // count % 2 else []
        yield pytest.param(names[i % count], line, marks=marks)
    for i, line in enumerate(SPLIT):
        yield pytest.param(
            "auto", line, marks=[pytest.mark.exhaustive] if i > 1 else []
        )


@pytest.mark.parametrize(("method", "line"), list(line_cases()))
def test_by_hand_autodiff_differences_and_lax_agree(method, line):
    """Bit for bit on whole numbers, to the third derivative; see `jaxconv.check`."""
    report = check_case(Case(method, "float32", 1, parse_problem(line)), entries=4)
    assert report.ok, str(report)


ALWAYS = {
    ("im2col", "float64"),
    ("loops", "complex128"),
    ("taps", "float16"),
    ("xla", "complex64"),
    ("auto", "bfloat16"),
}


def typed_cases():
    """Every type with a third of the methods, and those that run always."""
    for i, method in enumerate(("auto", *UNIVERSAL)):
        for j, dtype in enumerate(DTYPES[1:]):
            if (method, dtype) in ALWAYS:
                yield method, dtype
            elif (i + j) % 3 == 0:
                yield pytest.param(method, dtype, marks=pytest.mark.exhaustive)


@pytest.mark.parametrize(("method", "dtype"), list(typed_cases()))
def test_they_agree_in_every_type(method, dtype):
    line = "g2mb3ic4oc6ih7iw5kh3kw2sh2ph1pw1"
    report = check_case(Case(method, dtype, 1, parse_problem(line)), entries=4)
    assert report.ok, str(report)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "complex64"])
@pytest.mark.parametrize(
    "line",
    fast(
        ("mb4ic3oc4ih4iw5kh1kw1cl1", "g4mb4ic4oc4ih6iw5kh3kw2sh2ph1cl1"),
        "mb4ic3oc4ih4iw5kh1kw1cl1",
    ),
)
def test_they_agree_where_channels_are_last_in_every_type(line, dtype):
    report = check_case(Case("auto", dtype, 1, parse_problem(line)), entries=2)
    assert report.ok, str(report)


@pytest.mark.parametrize("name", ["strided", "grouped", "depthwise", "3-D"])
def test_where_the_channels_lie_changes_no_result(name):
    check_every_method(dataclasses.replace(CASES[name], channels_last=True))


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_larger_products_of_channels_last_run_in_short_floats(dtype):
    """XLA picks another product for larger matrices, which may not know the type."""
    geometry = parse_problem("mb4ic32oc8ih16iw16kh3kw1ph1qh1cl1")
    shapes = geometry.x_shape, geometry.w_shape, geometry.out_shape
    x, w, g = (jnp.ones(shape, dtype) for shape in shapes)
    y, dx, dw = by_hand("taps", geometry, x, w, g)
    assert y.max() == 3 * 32
    assert dx.max() == 3 * 8
    assert dw.max() == 4 * 16 * 16


@methods
@pytest.mark.parametrize("pixel", fast([(1, 2, 0, 3), (1, 2, 4, 0)], (1, 2, 4, 0)))
def test_an_inf_reaches_only_the_windows_that_hold_it(method, pixel):
    geometry = Geometry.of((2, 3, 7, 6), (3, 4, 3, 2), strides=(2, 1), padding=1)
    x, w, _ = operands(geometry)
    y = UNIVERSAL[method]._output(x, w + 10, geometry)
    spoiled = UNIVERSAL[method]._output(x.at[pixel].set(jnp.inf), w + 10, geometry)
    hit = np.zeros(geometry.x_shape)
    hit[pixel] = 1
    reached = reference.output(hit, np.ones(geometry.w_shape), geometry) > 0
    np.testing.assert_array_equal(jnp.isfinite(spoiled), ~reached)
    np.testing.assert_array_equal(spoiled[~reached], y[~reached])


@methods
def test_an_inf_stays_in_its_group_in_double_precision(method):
    """There XLA's own multiplies the other groups by zeros, and adds them."""
    geometry = Geometry.of((1, 4, 9), (1, 4, 3), groups=4)
    with jax.enable_x64(True):
        x = jnp.ones(geometry.x_shape, "float64").at[0, 0, 2].set(jnp.inf)
        w = jnp.ones(geometry.w_shape, "float64")
        y = UNIVERSAL[method]._output(x, w, geometry)
    assert not jnp.isfinite(y[:, 0]).all()
    assert jnp.isfinite(y[:, 1:]).all()


@methods
@pytest.mark.parametrize("dtype", fast(["float16", "bfloat16"], "bfloat16"))
@pytest.mark.parametrize(
    ("name", "x_shape", "w_shape"),
    [
        ("_output", (1, 1, 64, 80), (1, 1, 64, 80)),
        ("_input_grad", (1, 1, 1), (1, 5120, 1)),
        ("_param_grad", (1, 1, 5120), (1, 1, 1)),
        ("_param_grad", (5120, 1, 1), (1, 1, 1)),
    ],
    ids=["output", "input_grad", "param_grad over space", "param_grad over batch"],
)
def test_16_bit_floats_are_added_up_in_float32(
    method, dtype, name, x_shape, w_shape, monkeypatch
):
    """5,120 ones: neither type can count so far by ones, both can write the sum."""
    if name == "_output" and method == "im2col":
        x_shape, w_shape = (1, 5120, 1), (5120, 1, 1)  # 5,120 taps take long to compile
    monkeypatch.setattr(im2col, "_TILE_BYTES", 100)
    monkeypatch.setattr(im2col, "_SUM_TILE_BYTES", 100)
    geometry = Geometry.of(x_shape, w_shape, padding="VALID")
    ones = (jnp.ones_like(a, dtype) for a in pair(name[1:], geometry))
    total = getattr(UNIVERSAL[method], name)(*ones, geometry)
    assert total.dtype == dtype
    assert total.item() == 5120


def test_im2col_cuts_large_filters_one_axis_at_a_time():
    geometry = Geometry.of((1, 1, 40, 40), (1, 1, 31, 29))
    x, w, _ = operands(geometry)
    jaxpr = jax.make_jaxpr(lambda x, w: UNIVERSAL["im2col"]._output(x, w, geometry))(
        x, w
    )
    assert str(jaxpr).count(" slice[") == 31 + 29


def test_im2col_gathers_very_long_filters():
    """Slices by the hundred would take long to compile."""
    geometry = Geometry.of(
        (2, 4, 3, 5, 150), (2, 6, 2, 3, 70), groups=2, strides=3, kernel_dilation=2
    )
    x, w, g = operands(geometry)
    jaxpr = jax.make_jaxpr(lambda x, w: UNIVERSAL["im2col"]._output(x, w, geometry))(
        x, w
    )
    assert str(jaxpr).count(" slice[") == 2 + 3
    ours = by_hand("im2col", geometry, x, w, g)
    assert_same_bits(ours, three_maps(x, w, g, geometry))


def test_im2col_gives_the_same_bits_whatever_its_tiles(monkeypatch):
    geometry = Geometry.of((6, 4, 7, 5), (2, 6, 3, 2), groups=2, strides=(1, 2))
    given = operands(geometry)
    expected = three_maps(*given, geometry)
    for tile_bytes in (1, 6000, 2**30):
        monkeypatch.setattr(im2col, "_TILE_BYTES", tile_bytes)
        monkeypatch.setattr(im2col, "_SUM_TILE_BYTES", tile_bytes)
        anew = jax.jit(functools.partial(maps, "im2col", geometry))
        assert_same_bits(anew(*given), expected)


def test_im2col_memory_does_not_grow_by_the_patches_of_a_larger_batch():
    def temporary_bytes(n):
        geometry = Geometry.of((n, 1, 28, 28), (1, 32, 5, 5))
        x, w, g = operands(geometry)
        compiled = by_hand.lower("im2col", geometry, x, w, g).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    patches = (240 - 60) * 28 * 28 * 25 * 32 * 4  # input_grad's, the largest
    assert temporary_bytes(240) - temporary_bytes(60) < patches / 4
