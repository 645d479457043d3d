import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import conv
from jaxconv.nn.kernels import CHANGERS, DETECTORS, photograph

FALLING = np.eye(7, dtype=np.float32)


def responses(name, image):
    """Return the filter's dot product with each patch, as a loop."""
    rows, columns = image.shape
    return np.array(
        [
            [
                (image[r : r + 3, c : c + 3] * DETECTORS[name]).sum()
                for c in range(columns - 2)
            ]
            for r in range(rows - 2)
        ]
    )


def test_laplacian_is_the_chapters():
    assert DETECTORS["laplacian"].tolist() == [[0, 1, 0], [1, -4, 1], [0, 1, 0]]


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_sums_to_zero(name):
    assert DETECTORS[name].shape == (3, 3)
    assert DETECTORS[name].sum() == 0


@pytest.mark.parametrize("name", CHANGERS)
def test_a_changer_sums_to_one(name):
    assert CHANGERS[name].sum() == 1


@pytest.mark.parametrize("name", ["laplacian", "corners"])
def test_conv_equals_the_loop_bit_for_bit(name, rng):
    image = rng.integers(-9, 10, (6, 8)).astype(np.float32)
    x, w = jnp.asarray(image), jnp.asarray(DETECTORS[name])
    y = conv(x[None, None], w[None, None], padding="VALID")
    assert (np.asarray(y)[0, 0] == responses(name, image)).all()


def test_corners_are_silent_on_straight_edges_and_lines():
    line = np.arange(7.0, dtype=np.float32) ** 3
    assert not responses("corners", np.tile(line, (7, 1))).any()
    assert not responses("corners", np.tile(line[:, None], (1, 7))).any()
    corner = np.zeros((7, 7), np.float32)
    corner[3:, 3:] = 1
    assert np.count_nonzero(responses("corners", corner)) == 4


LINES = {
    "vertical lines": np.tile(np.arange(7) == 3, (7, 1)).astype(np.float32),
    "horizontal lines": np.tile(np.arange(7) == 3, (7, 1)).T.astype(np.float32),
    "falling lines": FALLING,
    "rising lines": FALLING[::-1],
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_detector_answers_its_own_line_most(name):
    best = {other: responses(other, LINES[name]).max() for other in LINES}
    assert best[name] == 6
    assert sorted(best.values())[-2] < 6


@pytest.mark.parametrize("kind", ["Sobel", "Prewitt"])
def test_an_edge_detector_is_positive_where_it_gets_brighter(kind):
    ramp = np.tile(np.arange(5.0, dtype=np.float32), (5, 1))
    for name, image in ("vertical", ramp), ("horizontal", ramp.T):
        other = "horizontal" if name == "vertical" else "vertical"
        assert (responses(f"{name} edges ({kind})", image) > 0).all()
        assert not responses(f"{other} edges ({kind})", image).any()


def test_filters_cannot_be_changed_by_mistake():
    with pytest.raises(ValueError, match="read-only"):
        DETECTORS["laplacian"][0, 0] = 1
    with pytest.raises(TypeError, match="item assignment"):
        DETECTORS["laplacian"] = None


def test_photograph_is_the_same_each_time():
    image = photograph(48)
    assert (image.shape, image.dtype) == ((3, 48, 48), np.float32)
    assert image.min() >= 0
    assert image.max() <= 1
    assert (image == photograph(48)).all()
    assert (image != photograph(48, seed=1)).any()


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize("size", [15, 0, 32.0, True])
def test_photograph_says_which_sizes_there_are(size):
    with pytest.raises(ValueError, match=rf"photograph: .* 16 pixels, got {size}"):
        photograph(size)
