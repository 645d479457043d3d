"""Winograd and FFT: held by the checker to the bounds they state, exact where possible.

Their sums are of transformed numbers, so whole numbers are exact only where every
intermediate is whole: Winograd's filters as multiples of its matrices' denominators.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv
from jaxconv.check.cases import DTYPES, Case, check_case
from jaxconv.check.problems import parse_problem
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import fft, winograd
from tests.methods import TRANSFORMS, UNIVERSAL, auto
from tests.reference import assert_same_bits, operands, three_maps
from tests.tiers import fast

WINOGRAD = (
    "mb2ic3oc4ih7iw5kh3kw3ph1qh0pw2",
    "g2mb2ic4oc6ih6iw9kh3kw3ph-1qh2cl1",
    "g3mb1ic3oc3iw8kw3pw1",
)
LINES = {
    "fft": (
        "g2mb3ic4oc6ih7iw5kh3kw2sh2dw1ph1qw2",
        "mb2ic3oc4ih5iw4kh4kw3zh1zw2ph2qh1pw-1qw3",
        "mb2ic2oc3id4ih3iw5kd2kh1kw3sh2sw2pd1pw1",
        "mb3ic2oc4",
    ),
    "winograd": WINOGRAD,
    "winograd4": (WINOGRAD[0], WINOGRAD[2]),
}


@pytest.mark.parametrize(
    "case",
    fast(
        [f"{method}/{line}" for method, lines in LINES.items() for line in lines],
        *(f"{method}/{lines[0]}" for method, lines in LINES.items()),
    ),
)
def test_they_hold_to_their_bounds(case):
    method, line = case.split("/")
    report = check_case(Case(method, "float32", 1, parse_problem(line)), entries=4)
    assert report.ok, str(report)


@pytest.mark.parametrize(
    ("method", "dtype"),
    [
        ("fft", "complex64"),
        ("winograd", "bfloat16"),
        ("winograd4", "complex64"),
        *(
            pytest.param("fft", dtype, marks=pytest.mark.exhaustive)
            for dtype in DTYPES[1:]
            if dtype != "complex64"
        ),
    ],
)
def test_they_do_in_other_types(method, dtype):
    line = WINOGRAD[2]
    report = check_case(Case(method, dtype, 1, parse_problem(line)), entries=2)
    assert report.ok, str(report)


@pytest.mark.parametrize("method", TRANSFORMS)
def test_the_checker_sees_a_bound_that_is_too_small(method, monkeypatch):
    case = Case(method, "float32", 1, parse_problem(WINOGRAD[2]))
    stated = type(TRANSFORMS[method]) if method != "fft" else fft
    right = TRANSFORMS[method]._rounding

    def tiny(*arguments):
        found = right(*arguments[-3:])
        return found._replace(relative=found.relative / 1e6)

    monkeypatch.setattr(stated, "_rounding", tiny)
    assert not check_case(case, entries=2).ok


@pytest.mark.parametrize(
    ("tiles", "whole", "line"),
    [
        *((winograd.F2, 4, line) for line in WINOGRAD),
        (winograd.F4, 576, WINOGRAD[0]),
        (winograd.F4, 24, WINOGRAD[2]),
    ],
)
def test_winograd_is_exact_where_its_numbers_are_whole(tiles, whole, line):
    """Step by step for F(4, 3): compiled together, a / 24 is multiplied unrounded."""
    geometry = parse_problem(line)
    x, w, g = map(np.asarray, operands(geometry))
    w, g = w * whole, g * whole

    def maps(x, w, g):
        return (
            tiles._output(x, w, geometry),
            tiles._input_grad(g, w, geometry),
            tiles._param_grad(x, g, geometry),
        )

    with jax.enable_x64(True):
        run = jax.jit(maps) if tiles is winograd.F2 else maps
        found = run(*(jnp.asarray(array, jnp.float64) for array in (x, w, g)))
    assert_same_bits(found, three_maps(x, w, g, geometry))


def test_fft_takes_sizes_that_are_products_of_small_primes():
    sizes = [fft._next_smooth(n) for n in (1, 7, 31, 62, 4001)]
    assert sizes == [1, 8, 32, 64, 4050]


def test_fft_finds_a_size_that_is_far_off():
    """The next size after 160,128 is thousands of steps away."""
    w = jnp.zeros((1, 1, 129)).at[0, 0, 64].set(3)
    y = jaxconv.conv(jnp.ones((1, 1, 160_000)), w, method="fft")
    np.testing.assert_allclose(y, 3, atol=1e-3)


@pytest.mark.parametrize(
    ("method", "x_shape", "dtype", "settings", "why"),
    [
        ("fft", (1, 2, 9), "int32", {}, "floating-point or complex numbers, not int32"),
        ("fft", (1, 2, *[3] * 4), "float32", {}, "3 spatial axes at the most"),
        ("winograd", (1, 2, 9), "int8", {}, "floating-point or complex numbers"),
        ("winograd", (1, 2, 9), "float32", {"strides": 2}, "strides and dilations"),
        ("winograd4", (1, 2), "float32", {}, "three taps along every axis"),
    ],
)  # fmt: skip
def test_what_they_do_not_serve_is_refused(
    method, x_shape, dtype, settings, why, our_errors
):
    x = jnp.ones(x_shape, dtype)
    w = jnp.ones((2, 3, *[3] * (len(x_shape) - 2)), dtype)
    words = f'method "{method}" does not serve.*{why}.*Use method="auto"'
    with pytest.raises(ValueError, match=words):
        jaxconv.conv(x, w, method=method, **settings)


def test_empty_operands_are_served_by_all():
    x, w = jnp.ones((0, 2, 9)), jnp.ones((2, 3, 2))
    for method in TRANSFORMS:
        assert jaxconv.conv(x, w, method=method).shape == (0, 3, 9)
    none = Geometry.of((2, 1, 0), (1, 1, 100), padding="VALID", empty_ok=True)
    assert auto("output", none, "float32").method != "fft"


def test_patch_takes_auto_where_the_method_does_not_serve():
    x, w = jnp.ones((1, 4, 9)), jnp.ones((3, 4, 3))
    with jaxconv.patch(method="winograd") as report:
        for stride in (1, 2):
            jax.lax.conv_general_dilated(x, w, (stride,), "SAME")
    asked, other = [call.method for call in report.served]
    assert asked == "winograd" != other


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(
    "line",
    [
        "g4mb2ic4oc4ih32kh31ph15",
        "mb2ic4oc4ih32kh15ph7",
        "mb1ic3oc8ih224kh16",
        "mb1ic1oc1iw160000kw129pw64",
        "mb2ic64oc64ih16kh3ph1",
    ],
)
def test_auto_takes_no_transform(line, dtype):
    """Their errors are relative to the largest numbers, and an inf spreads."""
    for name in ("output", "input_grad", "param_grad"):
        found = auto(name, parse_problem(line), dtype).method
        assert found in UNIVERSAL, name


def test_a_lone_pixel_leaves_the_windows_without_it_exact():
    """As the transposed convolution of ones, of nine taps along each axis."""
    x = jnp.ones((1, 1, 14, 10)).at[0, 0, 0, 0].set(jnp.inf)
    with jaxconv.patch():
        y = jax.lax.conv_transpose(
            x,
            jnp.ones((9, 9, 1, 1)),
            (1, 1),
            "VALID",
            dimension_numbers=("NCHW", "HWIO", "NCHW"),
        )
    assert np.isinf(y[0, 0, :9, :9]).all()
    assert y[0, 0, 11, 9] == 81
    assert np.isfinite(y[0, 0, 9:]).all()
    assert np.isfinite(y[0, 0, :, 9:]).all()
