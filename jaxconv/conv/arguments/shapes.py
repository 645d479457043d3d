"""Shapes: what dilation makes of them, and whether they fit each other.

Every message begins with `caller`, the public function that was called.
"""

from jaxconv.conv.arguments import hints

Shape = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

LARGEST = 2**31 - 1  # XLA counts positions along an axis in 32 bits


def dilate(shape: Shape, dilation: Shape) -> Shape:
    """Return the sizes once `d - 1` gaps stand between neighbours.

    >>> dilate((3, 1, 0), (2, 2, 2))
    (5, 1, 0)
    """
    pairs = zip(shape, dilation, strict=True)
    return tuple(max(0, (size - 1) * d + 1) for size, d in pairs)


def check_ranks(
    x_shape: Shape,
    w_shape: Shape,
    caller: str,
    layout: str = "(in // groups, out, *kernel)",
) -> None:
    """Raise unless both shapes have two axes and the same spatial ones."""
    if len(x_shape) < 2:
        raise ValueError(
            f"{caller}: x must be (batch, channels, *space), got shape {x_shape}. "
            "Add the missing axes, for instance with x[None]."
        )
    if len(w_shape) != len(x_shape):
        raise ValueError(
            f"{caller}: w must have as many axes as x, {layout} to "
            f"(batch, channels, *space), got {len(w_shape)} axes {w_shape} to "
            f"{len(x_shape)} axes {x_shape}. {hints.of_ranks(x_shape, w_shape)}"
        )


def check_channels(x_shape: Shape, w_shape: Shape, groups: int, caller: str) -> None:
    """Raise unless the channels of `x` and `w` fit each other and the groups."""
    if x_shape[1] != groups * w_shape[0]:
        where = f"{groups} groups of {w_shape[0]}" if groups > 1 else w_shape[0]
        raise ValueError(
            f"{caller}: x has {x_shape[1]} channels (axis 1 of {x_shape}) but w takes "
            f"{where} (axis 0 of {w_shape}). "
            + hints.of_channels(x_shape, w_shape, groups, caller)
        )
    if w_shape[1] % groups:
        raise ValueError(
            f"{caller}: groups must divide the output channels, got {groups} groups "
            f"and {w_shape[1]} channels (axis 1 of w, {w_shape})."
        )


def check_crops(x_shape: Shape, pads: Pads, padded: Shape, caller: str) -> None:
    """Raise if an axis is cropped by more pixels than it has."""
    for axis, ((low, high), total) in enumerate(zip(pads, padded, strict=True), 2):
        if total < 0:
            raise ValueError(
                f"{caller}: padding ({low}, {high}) crops axis {axis} of {x_shape} by "
                "more pixels than it has. Crop less."
            )


def check_sizes(
    x_shape: Shape, w_shape: Shape, padded: Shape, dilated: Shape, caller: str
) -> None:
    """Raise unless the filter, dilated, fits into the padded input on every axis."""
    if 0 in w_shape[2:]:
        raise ValueError(
            f"{caller}: w must have at least one tap on each spatial axis, got "
            f"{w_shape[2:]} (axes 2 and on of {w_shape})."
        )
    for axis, (size, k) in enumerate(zip(padded, dilated, strict=True), start=2):
        if size < k and x_shape[axis] > 0:
            raise ValueError(
                f"{caller}: w is larger than the padded x along axis {axis}: "
                f"{w_shape[axis]} taps of {w_shape} reach over {k} pixels where there "
                f"are {size} ({x_shape[axis]} of {x_shape}, with padding). "
                + hints.of_sizes(x_shape, w_shape)
            )


def check_countable(
    x_shape: Shape, pads: Pads, padded: Shape, dilated: Shape, caller: str
) -> None:
    """Raise if an axis is longer than XLA can count, or is padded by more."""
    axes = zip(x_shape[2:], pads, padded, dilated, strict=True)
    for axis, (size, (low, high), total, k) in enumerate(axes, start=2):
        if max(abs(low), abs(high), total, k) > LARGEST:
            raise ValueError(
                f"{caller}: padding and dilation must keep axis {axis} below 2**31 "
                f"pixels, got {total} ({size} with padding {low} and {high}) and a "
                f"filter over {k}."
            )
