"""Scales, lines and their words."""

import re

import numpy as np
import pytest

from jaxconv.train.page.charts import Line, chart, linear, logarithmic, smoothed


def steps(count):
    return list(range(1, count + 1))


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (3.0, 3.0), (0.0, 0.0), (-2.0, 7.0), (1e-6, 3e-6)]
)
def test_a_scale_holds_its_values_between_a_few_ticks(low, high):
    scale = linear(low, high)
    assert scale.low <= low <= high <= scale.high
    assert scale.low < scale.high
    assert 2 <= len(scale.ticks) <= 9
    assert 0 <= scale.share(low) <= scale.share(high) <= 1


def test_a_logarithmic_scale_puts_powers_at_equal_distances():
    scale = logarithmic(0.001, 10.0)
    assert scale.ticks == (0.001, 0.01, 0.1, 1.0, 10.0)
    np.testing.assert_allclose(scale.share(np.array(scale.ticks)), np.arange(5) / 4)


def test_the_moving_mean_is_that_of_the_values_around():
    assert smoothed(np.array([0.0, 3.0, 6.0, 9.0]), 3).tolist() == [1.5, 3, 6, 7.5]
    assert smoothed(np.array([1.0, 2.0]), 1).tolist() == [1, 2]


def test_a_long_run_is_drawn_with_few_points():
    line = Line("training", "training", steps(50_000), [0.5] * 50_000)
    assert len(chart("Loss", [line], last=50_000)) < 12_000


def test_one_point_is_a_dot():
    text = chart("Loss", [Line("training", "training", [1], [0.5])], last=1)
    assert re.search(r'class="dots training" d="M1000.0 \d+\.\dh0"', text)
    assert "training 0.5 after batch 1" in text
    assert re.findall(r'left:([\d.]+%)">(\d+)<', text) == [
        ("0.00%", "0"),
        ("100.00%", "1"),
    ]


def test_the_words_say_where_a_line_begins_and_ends():
    line = Line("training", "training", [10, 20], [0.5, 0.875])
    text = chart("Accuracy", [line], last=20, percent=True)
    assert 'aria-label="Accuracy: training from 50.0% after batch 10 to 87.5%' in text
    assert "<span>" not in text


def test_what_is_no_number_is_left_out():
    line = Line("training", "training", [10, 20, 30], [None, 0.5, float("nan")])
    assert "after batch 20" in chart("Loss", [line], last=30)
    empty = Line("training", "training", [10], [None])
    assert chart("Loss", [empty], last=30) == ""


def test_a_loss_that_falls_far_has_a_logarithmic_scale():
    line = Line("training", "training", [10, 20], [2.0, 0.02])
    ticks = re.findall(r'top:[\d.]+%">([\d.]+)<', chart("", [line], last=20, log=True))
    assert ticks == ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]
