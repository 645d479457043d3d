"""Octave convolution: the sums and costs of its paper, a plain layer's weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.conv.api import conv
from jaxconv.nn.convolution import Conv2D
from jaxconv.nn.describe import describe
from jaxconv.nn.layer import eval_shape
from jaxconv.nn.octave import OctConv2D

KEY = jax.random.key(0)
PAIR = ((6, 8, 12), (2, 4, 6))  # a quarter of the channels is low


def average(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))


def repeat(x):
    return jnp.repeat(jnp.repeat(x, 2, 2), 2, 3)


def same(x, w):
    return conv(x, w, padding=1)


def draw_pair(rng):
    return tuple(
        jnp.asarray(rng.standard_normal((2, *shape), np.float32)) for shape in PAIR
    )


def filters(params, to, from_):
    return params[to][f"from_{from_}"]["conv1"]["filters"]


@pytest.mark.parametrize("strides", [1, 2])
def test_octconv_is_the_papers_sum(rng, strides):
    layer = OctConv2D(12, 3, alpha_in=0.25, alpha_out=0.5, strides=strides)
    _, params = layer.init(KEY, PAIR)
    w = {
        (to, from_): filters(params, to, from_)
        for to in ("high", "low")
        for from_ in ("high", "low")
    }
    x_high, x_low = draw_pair(rng)
    high, low = layer.apply(params, (x_high, x_low))
    if strides == 1:
        from_low = repeat(same(x_low, w["high", "low"]))
    else:
        from_low = same(x_low, w["high", "low"])
        x_high, x_low = average(x_high), average(x_low)
    expected = same(x_high, w["high", "high"]) + from_low
    np.testing.assert_allclose(high, expected, atol=1e-5)
    expected = same(average(x_high), w["low", "high"]) + same(x_low, w["low", "low"])
    np.testing.assert_allclose(low, expected, atol=1e-5)


def test_octconv_of_one_frequency_to_two_and_back(rng):
    x, pair = draw_pair(rng)[0], draw_pair(rng)
    layer = OctConv2D(4, 3, alpha_in=0.0)
    _, params = layer.init(KEY, PAIR[0])
    high, low = layer.apply(params, x)
    expected = same(x, filters(params, "high", "high"))
    np.testing.assert_allclose(high, expected, atol=1e-5)
    expected = same(average(x), filters(params, "low", "high"))
    np.testing.assert_allclose(low, expected, atol=1e-5)
    layer = OctConv2D(4, 3, alpha_in=0.25, alpha_out=0.0)
    shape, params = layer.init(KEY, PAIR)
    y = layer.apply(params, pair)
    from_low = repeat(same(pair[1], filters(params, "high", "low")))
    expected = same(pair[0], filters(params, "high", "high")) + from_low
    np.testing.assert_allclose(y, expected, atol=1e-5)
    assert shape == (4, 8, 12)


def test_octconvs_filters_are_those_of_a_plain_convolution():
    _, params = OctConv2D(12, 3, alpha_in=0.25, weight_init="he").init(KEY, PAIR)
    _, plain = Conv2D(12, 3, weight_init="he").init(KEY, (8, 8, 12))
    rows = [
        np.concatenate([filters(params, to, from_) for to in ("high", "low")], 1)
        for from_ in ("high", "low")
    ]
    np.testing.assert_array_equal(np.concatenate(rows), plain["filters"])


@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.75])
def test_octconv_costs_its_share_of_a_plain_convolution(alpha):
    low = int(alpha * 8)
    pair = ((8 - low, 8, 12), (low, 4, 6))
    layer = OctConv2D(16, 3, alpha_in=alpha, alpha_out=alpha)
    octave, plain = (
        describe(layer, pair).total,
        describe(Conv2D(16, 3), (8, 8, 12)).total,
    )
    share = 1 - 0.75 * alpha * (2 - alpha)
    assert octave.multiply_adds == share * plain.multiply_adds
    assert octave.weights == plain.weights


WRONG = {
    "even": (lambda: OctConv2D(8, 2), "param_size must be odd, .* got 2"),
    "strides": (lambda: OctConv2D(8, 3, strides=3), "strides must be 1 or 2, got 3"),
    "alpha": (lambda: OctConv2D(8, 3, alpha_in=1), "alpha_in must be .* got 1"),
    "negative": (lambda: OctConv2D(8, 3, alpha_out=-0.5), "alpha_out must be"),
    "none low": (
        lambda: OctConv2D(3, 3, alpha_out=0.25),
        r"of out_channels = 3, int\(0.25 \* 3\) = 0 would be low",
    ),
    "not a pair": (
        lambda: eval_shape(OctConv2D(8, 3), (8, 8, 12)),
        r"a pair of shapes, \(high, low\), as alpha_in is 0.5, got \(8, 8, 12\)",
    ),
    "a pair": (
        lambda: eval_shape(OctConv2D(8, 3, alpha_in=0), PAIR),
        r"must be \(channels, height, width\), as alpha_in is 0, got \(\(6, 8",
    ),
    "another share": (
        lambda: eval_shape(OctConv2D(8, 3, alpha_in=0.5), PAIR),
        r"of 8 channels, int\(0.5 \* 8\) must be low",
    ),
    "another size": (
        lambda: eval_shape(OctConv2D(8, 3, alpha_in=0.25), ((6, 9, 12), (2, 4, 6))),
        "at half the height and width of the others",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=WRONG)
def test_octconv_says_what_does_not_fit(make, message):
    with pytest.raises(ValueError, match=f"^OctConv2D: .*{message}"):
        make()


def test_an_odd_image_has_no_half():
    layer = OctConv2D(8, 3, alpha_in=0.0)
    with pytest.raises(
        ValueError, match=r"must be multiples of 2, .* got \(8, 7, 12\)"
    ):
        eval_shape(layer, (8, 7, 12))
