"""What a kernel means to do is no failure: a bias, a mean, rounding, zeros inserted."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv
from jaxconv.check import check_bilinear
from jaxconv.check.offset import shown_range, whole
from tests.check.test_survive import LAYOUT, RIGHT, W, X, failed, output, param_grad

pytestmark = pytest.mark.usefixtures("our_errors")


def check(x_shape=X, w_shape=W, **changed):
    return check_bilinear(**RIGHT | LAYOUT | changed, x_shape=x_shape, w_shape=w_shape)


CONSTANTS = {
    "whole": np.float32([3, -1]),
    "not whole": np.float32([0.3, -1.7]),
    "of each image": np.arange(6, dtype="float32").reshape(3, 2) / 7,
    "large": np.float32(1e6),
}


@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=CONSTANTS.keys())
def test_a_constant_is_subtracted_and_noted_once(constant):
    biased = {"output": lambda x, w: output(x, w) + constant}
    report = check(**biased)
    assert report.ok, str(report)
    assert len(report.notes) == 1
    assert "Note: output adds a constant, as a bias: output(0, w) is" in str(report)
    doubled = {"param_grad": lambda x, g: 2 * param_grad(x, g)}
    assert check(**biased, **doubled).failures[0].pattern.startswith("it is 2 times")


@pytest.mark.exhaustive
def test_a_bias_of_a_jax_function_is_subtracted():
    report = check(
        output=lambda x, w: jnp.matmul(x, w) + jnp.float32(0.3),
        input_grad=lambda g, w: jnp.matmul(g, w.T),
        param_grad=lambda x, g: jnp.matmul(x.T, g),
        order=2,
    )
    assert report.ok, str(report)
    assert "output(0, w) is 0.3. It" in str(report)


def test_what_is_no_constant_is_a_failure_that_explains_the_others():
    report = check(output=lambda x, w: output(x, w) + w.sum())
    first = report.failures[0]
    assert (first.map, first.check) == ("output", "output at x = 0")
    assert "it depends on w. Is something other than zeros padded?" in first.problem
    assert str(report).count("from the same cause") == 1


def test_a_constant_in_one_element_is_a_mistake():
    def wrong(x, w):
        y = output(x, w)
        y[1, 0] += 1
        return y

    first = check(output=wrong).failures[0]
    assert first.index == (1, 0)
    assert "expected 0; 1 of 6 elements are not 0" in first.problem


SCALES = {
    "divided": lambda x, g: param_grad(x, g) / 3,
    "before": lambda x, g: param_grad(x, g / 3),
    "multiplied": lambda x, g: param_grad(x, g) * 3,
}


@pytest.mark.parametrize("scaled", SCALES.values(), ids=SCALES.keys())
def test_a_scale_on_purpose_passes_and_is_noted(scaled):
    report = check(param_grad=scaled, scale="batch")
    assert report.ok, str(report)
    assert "ed by 3, the batch, as scale says" in str(report)
    wrong = check(param_grad=lambda x, g: scaled(x, g)[::-1].copy(), scale="batch")
    assert "runs backwards" in wrong.failures[0].pattern


def test_a_scale_that_is_not_there_is_a_failure_and_one_that_is_gets_a_hint():
    assert failed(check(scale="batch")) == {("param_grad", "scale")}
    report = check(param_grad=SCALES["divided"])
    assert "divided by 3, the batch size." in str(report)
    assert 'If that is meant, pass scale="batch".' in str(report)


def spectrum(a):
    return np.fft.rfft(a, 16)


def back(a):
    return np.fft.irfft(a, 16)


CIRCULAR = {
    "output": lambda x, w: back(spectrum(x) * spectrum(w)),
    "input_grad": lambda g, w: back(spectrum(g) * spectrum(w).conj()),
    "param_grad": lambda x, g: back(spectrum(g) * spectrum(x).conj()),
}


def test_errors_of_the_size_of_rounding_name_amplification():
    report = check((16,), (16,), **CIRCULAR, layout=None)
    assert failed(report) == {(name, "rounding") for name in CIRCULAR}
    first, second, *_ = str(report).splitlines()
    assert first.startswith("output, input_grad and param_grad, rounding: errors of r")
    assert first.endswith("pass amplification=8.")
    assert second.startswith("check ")
    assert check((16,), (16,), **CIRCULAR, layout=None, amplification=8).ok


def linear(size, *signs):
    """A product of transforms that are long enough for what is not circular."""

    def call(a, b):
        pair = (np.fft.rfft(array, 16) for array in (a, b))
        one, other = (
            f.conj() if sign < 0 else f for f, sign in zip(pair, signs, strict=True)
        )
        return np.fft.irfft(one * other, 16)[:size]

    return call


def test_an_inf_spreads_through_a_transform_and_that_is_no_further_failure():
    maps = {"output": linear(11, 1, 1), "input_grad": linear(9, 1, -1),
            "param_grad": linear(3, -1, 1)}  # fmt: skip
    report = check((9,), (3,), **maps, layout=None)
    assert {check for _, check in failed(report)} == {"rounding"}


def test_rounding_that_shows_for_other_operands_is_none_of_the_mistakes():
    def rounds_now_and_then(x, g):
        dw = CIRCULAR["param_grad"](x, g)
        return np.rint(dw) if x.all() and g.all() else dw

    maps = CIRCULAR | {"param_grad": rounds_now_and_then}
    report = check((16,), (16,), **maps, layout=None)
    assert {check for _, check in failed(report)} == {"rounding"}


def test_a_large_constant_adds_to_a_stated_bound():
    biased = {"output": lambda x, w: CIRCULAR["output"](x, w) + 1e9 / 3}
    report = check((16,), (16,), **CIRCULAR | biased, layout=None, amplification=8)
    assert report.ok, str(report)


@pytest.mark.parametrize("amplification", [None, 8])
def test_a_mistake_in_a_transform_is_named(amplification):
    wrong = CIRCULAR | {"param_grad": lambda x, g: CIRCULAR["param_grad"](x, g)[::-1]}
    report = check((16,), (16,), **wrong, layout=None, amplification=amplification)
    first = report.failures[0]
    assert (first.map, first.pattern) == ("param_grad", "it is turned by 180 degrees")


def dilated(g):
    wide = np.zeros(2 * g.size - 1, g.dtype)
    wide[::2] = g
    return wide


STRIDED = {
    "output": lambda x, w: np.correlate(x, w)[::2],
    "input_grad": lambda g, w: np.convolve(dilated(g), w),
    "param_grad": lambda x, g: np.correlate(x, dilated(g)),  # inserted zeros
}


def test_an_inf_through_inserted_zeros_is_a_note():
    report = check((9,), (3,), **STRIDED, layout=None)
    assert report.ok, str(report)
    assert "param_grad: an inf at x[" in report.notes[0]
    assert "spreads through inserted zeros (stride, dilation, padding)" in str(report)


def test_an_inf_that_spreads_through_a_sum_is_a_failure():
    def centred(x, g):
        """Right, but by a detour over the mean of x."""
        mean = np.rint(x.sum())
        return param_grad(x - mean, g) + param_grad(np.full_like(x, mean), g)

    report = check(param_grad=centred)
    assert failed(report) == {("param_grad", "inf contained")}


def test_of_the_project_an_inserted_zero_is_a_failure():
    """Only other people's kernels may let an inf spread: see `check_trial`."""
    from jaxconv.check.bilinear import check_trial
    from jaxconv.check.trial import Trial

    trial = Trial(STRIDED, (9,), (3,), "float32", 0)
    check_trial(trial, 4, 1)
    assert ("param_grad", "inf contained") in failed(trial.report)


def test_whole_numbers_are_found_within_a_tolerance():
    near = np.array([1.1, -2.95, 0.4, 1.02 - 0.98j])
    assert whole(near, 0.11).tolist() == [1, -3, 0.4, 1 - 1j]
    assert shown_range(np.array([2.5, -1.0])) == "-1 to 2.5"
    assert shown_range(np.array([1j, 2j])) == "0+1j and others"


@pytest.mark.exhaustive
def test_a_convolution_of_the_project_passes_in_all_ways():
    shapes = {"x_shape": (2, 3, 5), "w_shape": (3, 4, 2)}
    report = check(
        output=lambda x, w: jaxconv.conv(x, w) + 1,
        input_grad=None,
        param_grad=lambda x, g: jaxconv.conv_param_grad(
            x, g / 2, kernel_shape=(3, 4, 2)
        ),
        layout="NCW/IOW",
        scale="batch",
        entries=4,
        **shapes,
    )
    assert report.ok, str(report)
    assert len(report.notes) == 2
