"""Compile all that the page asks for, before it asks."""

import numpy as np

from jaxconv.explore import ideas
from jaxconv.explore.arguments import SIDE
from jaxconv.explore.backward import backward, filter_weight, input_pixel
from jaxconv.explore.descent import descend
from jaxconv.explore.images import forward, map_pixel
from jaxconv.explore.model import Model
from jaxconv.explore.sessions import Sessions


def warm_up(model: Model) -> None:
    """Ask each question once; each compiles in some tenths of a second."""
    blank = np.zeros((SIDE, SIDE), np.uint8)
    forward(model, blank)
    map_pixel(model, blank, 0, 0, 0)
    backward(model, blank, 0)
    input_pixel(model, blank, 0, 0, 0)
    filter_weight(model, blank, 0, 0, (0, 0))
    descend(Sessions(model), "warm-up", blank, 0, 1, 0.0)
    ideas.kernel(blank, "laplacian")
    ideas.downsample(blank)
