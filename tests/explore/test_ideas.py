import itertools

import numpy as np
import pytest

from jaxconv.explore import ideas
from tests.explore.small import PIXELS, close, model
from tests.tiers import fast

INK = np.float32(PIXELS) / 255


def slide(w):
    """Return a filter's dot product with each patch, as a loop."""
    wide = np.pad(INK, 1)
    return [
        [np.sum(wide[r : r + 3, c : c + 3] * w) for c in range(28)] for r in range(28)
    ]


def test_a_designed_filter_slides_over_the_drawing():
    answer = ideas.kernel(PIXELS, "laplacian")
    assert answer["kernel"] == [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    close(answer["map"], slide(answer["kernel"]))


def test_a_filter_of_ones_own_is_not_turned():
    w = np.arange(9.0).reshape(3, 3) - 2
    answer = ideas.kernel(PIXELS, w)
    assert answer["kernel"] == w.tolist()
    close(answer["map"], slide(w))


def test_the_chapters_filters_come_by_name():
    names = list(ideas.KERNELS)
    assert names[0] == "laplacian"
    assert {"sharpen", "blur", "corners"} < set(names)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("laplace", "kernel must be one of laplacian, .*, got 'laplace'"),
        (np.zeros((3, 2)), r"kernel must be 3 x 3 numbers, got shape \(3, 2\)"),
    ],
)
def test_what_is_no_filter_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        ideas.kernel(PIXELS, given)


def test_a_convolution_has_few_weights_and_many_neurons():
    conv, flat, dense, total = ideas.layers(model())
    assert (conv["weights"], conv["neurons"]) == (800, 25088)
    assert (conv["name"], conv["shape"]) == ("conv1", [32, 28, 28])
    assert (flat["weights"], flat["neurons"], flat["shape"]) == (0, 0, [25088])
    assert (dense["weights"], dense["biases"]) == (250880, 10)
    assert (dense["neurons"], dense["multiply_adds"]) == (10, 250880)
    assert (total["weights"], total["neurons"]) == (251680, 25098)


def test_pooling_and_stride_halve_the_drawing():
    answer = ideas.downsample(PIXELS)
    blocks = INK.reshape(14, 2, 14, 2)
    close(answer["max_pool"], blocks.max((1, 3)))
    close(answer["average_pool"], blocks.mean((1, 3)))
    close(answer["stride"], INK[::2, ::2])


def reads(size, taps, stride):
    """Return the outputs of a layer, and the inputs that each reads through."""
    count = -(-size // stride)
    before = max(0, (count - 1) * stride + taps - size) // 2
    return [{o * stride - before + p for p in range(taps)} for o in range(count)]


def check_field(kernels, strides):
    """Compare the fields of all outputs with those found by following the taps."""
    first = reads(28, kernels[0], strides[0])
    second = reads(len(first), kernels[1], strides[1])
    middle = ideas.receptive(kernels, strides, 0, 0)["layers"][0]
    for at, taps in enumerate(second):
        answer = ideas.receptive(kernels, strides, at, 0)
        assert answer["output"] == len(second)
        inner, outer = answer["layers"]
        assert (inner["size"], outer["size"]) == (len(first), 28)
        assert inner["columns"] == middle["columns"]
        assert inner["rows"] == [min(taps), max(taps)]
        # Taps in the padding of the first layer's map read no pixels.
        pixels = set().union(*(first[tap] for tap in taps if 0 <= tap < len(first)))
        if min(taps) >= 0 and max(taps) < len(first):
            assert outer["rows"] == [min(pixels), max(pixels)]
        assert outer["rows"][0] <= min(pixels)
        assert outer["rows"][1] >= max(pixels)
        assert outer["stride"] == strides[0] * strides[1]


CASES = [*itertools.product([1, 2, 3, 5, 7], [1, 3, 4], [1, 2, 3], [1, 2])]


@pytest.mark.parametrize("case", fast(CASES, (3, 3, 1, 1), (5, 3, 2, 2), (2, 4, 3, 2)))
def test_a_receptive_field_is_what_following_the_taps_finds(case):
    check_field(case[:2], case[2:])


def test_a_column_is_not_a_row():
    (inner, outer) = ideas.receptive((3, 5), (1, 2), 2, 7)["layers"]
    assert (inner["rows"], inner["columns"]) == ([3, 7], [13, 17])
    assert (outer["rows"], outer["columns"]) == ([2, 8], [12, 18])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (((3, 0), (1, 1), 0, 0), r"kernels must be two whole numbers .* got \(3, 0\)"),
        (((3, 3), (1,), 0, 0), r"strides must be two whole numbers .* got \(1,\)"),
        (((3, 3), (2, 2), 7, 0), "receptive: row must be from 0 to 6, got 7"),
        (((3, 3), (2, 2), 0, 7), "receptive: column must be from 0 to 6, got 7"),
    ],
)
def test_a_field_that_there_is_none_of_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        ideas.receptive(*given)
