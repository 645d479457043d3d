import time

import pytest

from jaxconv.explore.backward import backward, filter_weight, input_pixel
from jaxconv.explore.descent import descend
from jaxconv.explore.ideas import downsample, kernel
from jaxconv.explore.images import forward, map_pixel
from jaxconv.explore.sessions import Sessions
from jaxconv.explore.warm import warm_up
from tests.explore.small import LABEL, PIXELS, model

ASKED = {
    "forward": lambda: forward(model(), PIXELS),
    "map_pixel": lambda: map_pixel(model(), PIXELS, 1, 2, 3),
    "backward": lambda: backward(model(), PIXELS, LABEL),
    "input_pixel": lambda: input_pixel(model(), PIXELS, LABEL, 2, 3),
    "filter_weight": lambda: filter_weight(model(), PIXELS, LABEL, 1, (2, 3)),
    "one step": lambda: descend(Sessions(model()), "s", PIXELS, LABEL, 1, 1e-3),
    "ten steps": lambda: descend(Sessions(model()), "s", PIXELS, LABEL, 10, 1e-3),
    "kernel": lambda: kernel(PIXELS, "laplacian"),
    "downsample": lambda: downsample(PIXELS),
}


@pytest.mark.exhaustive
def test_each_answer_takes_less_than_a_tenth_of_a_second():
    """Of the best of ten: other programs may run on the same cores."""
    warm_up(model())
    for name, ask in ASKED.items():
        seconds = []
        for _ in range(10):
            begun = time.perf_counter()
            ask()
            seconds.append(time.perf_counter() - begun)
        print(f"{name}: {1000 * min(seconds):.1f} to {1000 * max(seconds):.1f} ms")
        assert min(seconds) < 0.1, name
        assert seconds[0] < 2, name  # nothing is left to compile
