"""Which pixels of its input one output of a layer is computed from."""

import dataclasses
from collections.abc import Sequence

Sizes = int | Sequence[int]


@dataclasses.dataclass(frozen=True)
class Window:
    """A window of `size` pixels, `dilation` apart; it moves by `strides`.

    One number serves all axes; a size of None is the whole image. With `upsampling`, as
    in a transposed convolution, the window holds the outputs that read one input.
    """

    size: Sizes | None
    strides: Sizes = 1
    dilation: Sizes = 1
    upsampling: bool = False


PIXEL = Window(1)
WHOLE_IMAGE = Window(None)
