"""Which pixels of its input one output of a layer is computed from."""

import dataclasses
from collections.abc import Sequence

Sizes = int | Sequence[int]


@dataclasses.dataclass(frozen=True)
class Window:
    """A window of `size` pixels, `dilation` apart; the next output's lies `strides` on.

    One number serves all axes; a size of None is the whole image. With `upsampling`,
    the window is one of outputs that read the same input: a transposed convolution.
    """

    size: Sizes | None
    strides: Sizes = 1
    dilation: Sizes = 1
    upsampling: bool = False


PIXEL = Window(1)
WHOLE_IMAGE = Window(None)
