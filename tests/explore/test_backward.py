import numpy as np
import pytest

from jaxconv.explore.backward import backward, filter_weight, input_pixel
from tests.explore.small import LABEL, PIXELS, close, model, reference, scaled
from tests.tiers import fast

PLACES = {"corner": (0, 0), "edge": (1, 12), "middle": (13, 11), "end": (27, 26)}
TAPS = [(0, 0), (0, 4), (2, 2), (3, 1)]


@pytest.fixture(scope="module")
def grads():
    return reference().grads


def test_backward_gives_what_jax_grad_gives(grads):
    answer = backward(model(), PIXELS, LABEL)
    close(answer["loss"], reference().loss)
    close(answer["logits_grad"], grads["logits"][0])
    close(answer["dense_grad"], grads["maps"][0])
    close(answer["maps_grad"], grads["sums"][0])
    close(answer["input_grad"], grads["x"][0, 0])
    close(answer["filters_grad"], grads["filters"][0])


def reads_of(row, column, g):
    """Return all reads of a pixel, as loops over maps, outputs and taps."""
    filters = np.asarray(model().params["conv1"]["filters"])[0]
    found = []
    for index in range(len(filters)):
        for r in range(28):
            for c in range(28):
                p, q = row - r + 2, column - c + 2
                if 0 <= p < 5 and 0 <= q < 5:
                    w, grad = filters[index, p, q], g[index, r, c]
                    found.append((index, r, c, p, q, w, grad, w * grad))
    return found


@pytest.mark.parametrize("place", fast(PLACES, "corner", "middle"))
def test_a_pixel_receives_what_its_readers_give_back(place, grads):
    row, column = PLACES[place]
    answer = input_pixel(model(), PIXELS, LABEL, row, column)
    expected = reads_of(row, column, grads["sums"][0])
    assert answer["count"] == len(expected)
    close(answer["value"], grads["x"][0, 0, row, column])
    shares = np.zeros(32)
    for index, *_, product in expected:
        shares[index] += product
    close(answer["by_map"], shares)
    close(sum(answer["by_map"]), answer["value"])
    largest = sorted(expected, key=lambda read: -abs(read[-1]))[:12]
    close([read["product"] for read in answer["reads"]], [r[-1] for r in largest])
    there = {read[:5]: read[5:7] for read in expected}
    for read in answer["reads"]:
        weight, grad = there[read["map"], read["row"], read["column"], *read["tap"]]
        assert np.float32(read["weight"]) == weight
        close([read["grad"], read["product"]], [grad, weight * grad])


def test_where_all_gradients_are_zero_the_reads_shown_are_real_ones():
    dense = {name: 0 * leaf for name, leaf in model().params["dense1"].items()}
    flat = model().with_params({**model().params, "dense1": dense})
    reads = input_pixel(flat, PIXELS, LABEL, 0, 27)["reads"]
    assert len(reads) == 12
    assert not any(read["product"] for read in reads)
    assert all(0 <= read["row"] <= 2 and 25 <= read["column"] <= 27 for read in reads)


@pytest.mark.parametrize("tap", fast(TAPS, (3, 1)))
def test_a_weight_collects_its_gradient_pixel_by_pixel(tap, grads):
    p, q = tap
    answer = filter_weight(model(), PIXELS, LABEL, 6, tap)
    # Pixel (r, c) met the weight in output (r - p + 2, c - q + 2), if there is one.
    wide = np.pad(grads["sums"][0, 6], 2)
    expected = scaled() * wide[4 - p : 32 - p, 4 - q : 32 - q]
    close(answer["heat"], expected)
    close(answer["value"], grads["filters"][0, 6, p, q])
    assert abs(np.sum(answer["heat"]) - answer["value"]) < 1e-5 * np.abs(expected).sum()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: backward(m, PIXELS, 10), "backward: label must be from 0 to 9"),
        (lambda m: input_pixel(m, PIXELS, 0, 28, 0), "row must be from 0 to 27"),
        (lambda m: input_pixel(m, PIXELS, 0, 0, -1), "column must be from 0 to 27"),
        (lambda m: filter_weight(m, PIXELS, 0, 32, (0, 0)), "map must be from 0 to 31"),
        (lambda m: filter_weight(m, PIXELS, 0, 0, (5, 0)), r"tap\[0\] must be from 0"),
        (lambda m: filter_weight(m, PIXELS, 0, 0, (0, -1)), r"tap\[1\] must be from 0"),
    ],
)
def test_a_place_that_there_is_none_of_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call(model())
