"""What the checker says: of right maps, of wrong ones, and of those it cannot trace."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

import jaxconv
from jaxconv.check import CheckFailedError, check_bilinear
from jaxconv.check.mutations import (
    BUGS,
    INPUT_GRAD,
    OUTPUT,
    PARAM_GRAD,
    W,
    X,
    with_bug,
)
from tests.check.counts import COUNTS
from tests.tiers import fast


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "complex64"])
def test_every_type_is_checked(dtype):
    report = check_bilinear(OUTPUT, INPUT_GRAD, PARAM_GRAD, X, W, dtype=dtype, **COUNTS)
    assert report.ok, str(report)


def test_one_unit_in_the_last_place_of_bfloat16_is_found():
    shapes = (2, 2, 5), (2, 3, 2)  # few enough terms that bfloat16 is exact

    def param_grad(x, g):
        real = jaxconv.conv_param_grad(x, g, kernel_shape=shapes[1])
        return real.at[1, 2, 0].set(jnp.nextafter(real[1, 2, 0], jnp.bfloat16(9)))

    def input_grad(g, w):
        return jaxconv.conv_input_grad(g, w, input_shape=shapes[0])

    report = check_bilinear(
        jaxconv.conv, input_grad, param_grad, *shapes, dtype="bfloat16"
    )
    assert "element (1, 2, 0)" in str(report)
    assert "no other of 12 is wrong" in str(report)


@pytest.mark.parametrize("wrong", fast(["g", "w"], "g"))
def test_a_conjugate_too_many_is_found(wrong):
    def input_grad(g, w):
        return INPUT_GRAD(g.conj(), w) if wrong == "g" else INPUT_GRAD(g, w.conj())

    report = check_bilinear(
        OUTPUT, input_grad, PARAM_GRAD, X, W, dtype="complex64", **COUNTS
    )
    assert f"{wrong} is conjugated" in str(report)


PATTERNS = {
    "input_grad: filter not turned": "the filter is turned once too often or not",
    "input_grad: a tap dropped": "tap (1, 0) is left out",
    "param_grad: a tap dropped": "tap (1, 0) is left out",
    "input_grad: off by one": "off by +1 along axis 3",
    "input_grad: groups mixed": "groups are mixed along axis 1",
    "param_grad: groups mixed": "groups are mixed along axis 1",
    "input_grad: last two axes exchanged": "axes 2 and 3 are exchanged",
    "param_grad: turned by 180 degrees": "turned by 180 degrees",
    "param_grad: divided by the batch": "0.333333 times what it should be",
    "param_grad: of one example": "the batch is not summed: it is that of example 0",
    "output: a tap dropped": "both gradients agree with each other and not with",
    "output: a nan is hidden": "is finite, but depends on the inf",
    "param_grad: of another shape": "the result is float32(6, 2, 3, 3), not float32",
}


@pytest.mark.parametrize("bug", fast(PATTERNS, *list(PATTERNS)[::3]))
def test_the_mistake_is_named(bug):
    report = check_bilinear(*with_bug(BUGS[bug]), X, W, **COUNTS)
    assert PATTERNS[bug] in str(report)


def test_exchanged_sides_of_the_padding_are_named():
    shapes = (1, 2, 9, 6), (2, 2, 3, 3)
    padding = ((0, 2), (1, 1))
    swapped = ((2, 0), (1, 1))
    maps = (
        lambda x, w: jaxconv.conv(x, w, padding=padding),
        lambda g, w: jaxconv.conv_input_grad(
            g, w, input_shape=shapes[0], padding=swapped
        ),
        lambda x, g: jaxconv.conv_param_grad(
            x, g, kernel_shape=shapes[1], padding=padding
        ),
    )
    report = check_bilinear(*map(jax.jit, maps), *shapes, **COUNTS)
    assert "off by -2 along axis 2, edges aside" in str(report)


def test_few_wrong_elements_of_many_are_all_named():
    def param_grad(x, g):
        return PARAM_GRAD(x, g).at[0, 1, 2, 0].add(1).at[1, 5, 0, 2].add(-2)

    report = check_bilinear(OUTPUT, INPUT_GRAD, param_grad, X, W, **COUNTS)
    assert "element (0, 1, 2, 0)" in report.failures[0].problem
    assert "so are (1, 5, 0, 2); no other of 108" in report.failures[0].problem


def test_numpy_functions_are_checked_and_not_traced():
    """A product of matrices is bilinear too."""
    report = check_bilinear(
        lambda x, w: np.asarray(x) @ np.asarray(w),
        lambda g, w: np.asarray(g) @ np.asarray(w).T,
        lambda x, g: np.asarray(x).T @ np.asarray(g),
        (3, 4),
        (4, 2),
    )
    assert report.ok, str(report)
    table = report.table(skipped=True)
    assert "skipped: the output is written in NumPy" in table
    assert "skipped: it is written in NumPy" in table


def circular():
    """A convolution by Fourier transforms, round about, and its gradients."""

    def spectrum(a):
        return jnp.fft.rfft(a, 16)

    def back(a):
        return jnp.fft.irfft(a, 16)

    return (
        lambda x, w: back(spectrum(x) * spectrum(w)),
        lambda g, w: back(spectrum(g) * spectrum(w).conj()),
        lambda x, g: back(spectrum(g) * spectrum(x).conj()),
    )


def test_transforms_pass_within_their_stated_amplification():
    """Four passes for 16 points forward and four back, each of a few roundings."""
    maps = circular()
    exact = check_bilinear(*maps, (16,), (16,))
    assert not exact.ok
    stated = check_bilinear(*maps, (16,), (16,), amplification=32)
    failed = {failure.check for failure in stated.failures}
    assert failed <= {"inf contained"}  # a transform spreads it everywhere


def test_raise_on_failure_shows_table_and_failures():
    check_bilinear(OUTPUT, INPUT_GRAD, PARAM_GRAD, X, W, **COUNTS).raise_on_failure()
    wrong = BUGS["param_grad: a tap dropped"]["param_grad"]
    report = check_bilinear(OUTPUT, INPUT_GRAD, wrong, X, W, **COUNTS)
    with pytest.raises(CheckFailedError, match=r"adjoint identity .*FAILED"):
        report.raise_on_failure()


def test_a_terminal_shows_the_same_table():
    report = check_bilinear(OUTPUT, INPUT_GRAD, PARAM_GRAD, X, W, **COUNTS)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(report)
    assert console.export_text().count(" ok ") == len(report.rows)
