"""Where the output of a transposed convolution begins and ends, framework by framework.

Along one axis, with n input pixels, the filter reaching over k pixels, and the stride
s, the pixels spread over `full = (n - 1) * s + k`. A convention cuts `low` of them off
at the low end and keeps `size`:

    torch   low as given; size = full - low - high + output_padding
    onnx    the same; by name size = n * s, and full - size is split over both ends, of
            an odd number one more at the high end ("SAME_UPPER") or at the low end
            ("SAME_LOWER"); where it is negative, zeros are added
    keras   "VALID": low = 0; size = max(full, n * s), or full + output_padding
            "SAME": size = n * s, or (n - 1) * s + k % 2 + output_padding; full - size
            is split over both ends, of an odd number one more at the high end
    lax     pads the dilated input by low and high and slides the filter, not turned,
            over it: cuts off k - 1 - low and k - 1 - high; "SAME", "VALID" as keras

Source: the operators' specifications: torch.nn.functional.conv_transpose2d, ONNX
ConvTranspose (version 22), keras.layers.Conv2DTranspose, jax.lax.conv_transpose.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from jaxconv.conv.arguments.hints import of_sides
from jaxconv.conv.arguments.settings import as_pads, is_int, refused

Convention = Literal["torch", "lax", "keras", "onnx"]
AxisPadding = str | tuple[int, int]  # a name, or pixels (low, high)

_NAMED: dict[str, tuple[str, ...]] = {
    "torch": (),
    "onnx": ("SAME_UPPER", "SAME_LOWER", "VALID"),
    "keras": ("SAME", "VALID"),
    "lax": ("SAME", "VALID"),
}


class Place(NamedTuple):
    """Where the output lies within the full one, along one axis."""

    low: int  # pixels cut off before; negative: zeros added
    size: int
    high: int  # pixels cut off after
    added: int  # of `size`, how many `output_padding` or `output_shape` added


def place(
    convention: str,
    padding: AxisPadding,
    n: int,
    k: int,
    s: int,
    added: int | None,
    wanted: int | None,
) -> Place:
    """Return where the output lies within the full one, along one axis.

    `added` is `output_padding`, `wanted` the size in `output_shape`; None if not given.

    >>> place("torch", (1, 1), n=4, k=3, s=2, added=1, wanted=None)
    Place(low=1, size=8, high=0, added=1)
    """
    full = (n - 1) * s + k
    if convention == "onnx" and (wanted is not None or isinstance(padding, str)):
        low, size = _by_onnx(padding, n * s, full + (added or 0), wanted)
        return Place(low, size, full - low - size, added or 0)
    if wanted is not None:
        _, plain = _by_rule(convention, padding, n, k, s, None)
        _, least = _by_rule(convention, padding, n, k, s, 0)
        added = None if wanted == plain else wanted - least
    low, size = _by_rule(convention, padding, n, k, s, added)
    return Place(low, size, full - low - size, added or 0)


def _by_rule(
    convention: str, padding: AxisPadding, n: int, k: int, s: int, added: int | None
) -> tuple[int, int]:
    """Return how many pixels to cut off before, and how many to keep."""
    full, more = (n - 1) * s + k, added or 0
    if not isinstance(padding, str):
        low, high = padding
        if convention == "lax":
            low, high = k - 1 - low, k - 1 - high
        return low, full - low - high + more
    if padding == "VALID":
        at_least = full if convention == "keras" and added is not None else n * s
        return 0, max(full, at_least) + more
    if convention == "keras" and added is not None:
        size = (n - 1) * s + k % 2 + added
        return max(0, full - size) // 2, size
    return max(0, full - n * s) // 2, n * s + more


def _by_onnx(
    padding: AxisPadding, same: int, full: int, wanted: int | None
) -> tuple[int, int]:
    if wanted is None and padding == "VALID":
        return 0, full
    size = same if wanted is None else wanted
    half = (full - size) // 2
    return half if padding == "SAME_UPPER" else full - size - half, size


def as_paddings(
    padding: object, convention: str, axes: int, caller: str
) -> Sequence[AxisPadding]:
    """Return the padding of each axis as the convention's name or a (low, high) pair.

    Raises:
      ValueError: there is no such convention, or it knows no such padding.
    """
    if not isinstance(convention, str) or convention not in _NAMED:
        known = ", ".join(f'"{name}"' for name in get_args(Convention))
        raise ValueError(
            f"{caller}: convention must be one of {known}, got {convention!r}."
        )
    if convention == "keras" and is_int(padding) and padding == 0:
        padding = "VALID"
    if isinstance(padding, str) and padding.upper() in _NAMED[convention]:
        return (padding.upper(),) * axes
    if not isinstance(padding, str) and convention != "keras":
        try:
            return as_pads(padding, (1,) * axes, (1,) * axes, (1,) * axes, caller)
        except ValueError:
            pass  # its message names paddings that this convention does not know
    allowed = [f'"{name}"' for name in _NAMED[convention]]
    if convention != "keras":
        allowed.append(f"an int, or an int or (low, high) pair for each of {axes} axes")
    what = f'padding with convention="{convention}"'
    hint = of_sides(padding, axes) if convention != "keras" else ""
    if isinstance(padding, str) and convention == "torch":
        hint = 'Names are of convention="keras", "lax" or "onnx".'
    raise refused(caller, what, ", ".join(allowed), padding, hint)
