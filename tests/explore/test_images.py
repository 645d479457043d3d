import numpy as np
import pytest

from jaxconv.explore.images import forward, map_pixel
from tests.explore.small import PIXELS, close, model, reference, scaled


def test_forward_gives_what_lax_gives():
    answer, expected = forward(model(), PIXELS), reference()
    close(answer["maps"], expected.maps)
    close(answer["logits"], expected.logits)
    odds = np.exp(expected.logits - expected.logits.max())
    close(answer["probabilities"], odds / odds.sum())
    filters = model().params["conv1"]["filters"]
    assert np.array_equal(np.float32(answer["filters"]), filters[0])


@pytest.mark.parametrize("place", [(0, 0), (13, 11), (27, 26)])
def test_an_output_is_the_sum_of_its_products(place):
    row, column = place
    answer, expected = map_pixel(model(), PIXELS, 5, row, column), reference()
    assert (answer["top"], answer["left"]) == (row - 2, column - 2)
    patch = np.pad(scaled(), 2)[row : row + 5, column : column + 5]
    filters = np.asarray(model().params["conv1"]["filters"])[0, 5]
    assert np.array_equal(np.float32(answer["patch"]), patch)
    assert np.array_equal(np.float32(answer["filter"]), filters)
    close(answer["products"], patch * filters)
    rounding = 1e-6 * np.abs(answer["products"]).sum()
    assert abs(answer["sum"] - expected.sums[5, row, column]) < rounding
    assert abs(answer["sum"] - np.sum(answer["products"])) < rounding
    assert answer["bias"] == 0  # the chapter's layer has none
    close(answer["value"], np.tanh(answer["sum"]))


WRONG = {
    "too few rows": (PIXELS[:27], r"28 rows of 28 whole numbers, got shape \(27, 28\)"),
    "fractions": (
        PIXELS / 2,
        r"28 rows of 28 whole numbers, got shape \(28, 28\) of float64",
    ),
    "too bright": (np.full((28, 28), 256), "from 0 to 255, got 256 to 256"),
    "too dark": (np.full((28, 28), -1), "from 0 to 255, got -1 to -1"),
}


@pytest.mark.parametrize(("pixels", "said"), WRONG.values(), ids=WRONG.keys())
def test_pixels_are_an_image(pixels, said):
    with pytest.raises(ValueError, match=f"forward: pixels must be {said}"):
        forward(model(), pixels)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ((32, 0, 0), "map must be from 0 to 31, got 32"),
        ((0, -1, 0), "row must be from 0 to 27, got -1"),
        ((0, 0, 28), "column must be from 0 to 27, got 28"),
    ],
)
def test_an_output_that_there_is_none_of_is_refused(place, said):
    with pytest.raises(ValueError, match=f"map_pixel: {said}"):
        map_pixel(model(), PIXELS, *place)
