"""Where oneDNN's convolution is called: in a verified region, in verified processes.

A configuration that oneDNN refuses ends the process, and some that it accepts hang or
read out of bounds; `onednn` says why. The region: 1 to 3 spatial axes, on each of which
the dilated filter fits the image, and no padding reaches beyond the filter; with no
padding at all for some grouped filters. `VERIFIED` lists where `scripts/verify.py
--fuzz onednn` ran, which is the evidence.
"""

import functools
import os
import platform
from pathlib import Path

import jax.numpy as jnp
import jaxlib
from jax.typing import DTypeLike

from jaxconv.conv.arguments.shapes import dilate
from jaxconv.conv.geometry import Geometry

# jaxlib, system and machine, and for each type what the processor must have.
VERIFIED: dict[tuple[str, str, str], dict[str, str]] = {
    ("0.10.2", "Linux", "x86_64"): {"float32": "avx2", "bfloat16": "avx512_bf16"},
}
NOT_WITH = {"bfloat16": "amx_bf16"}  # wrong bits were seen on such processors
MOST_AXES = 3
LONGEST = 14  # taps of some depthwise filters along their last axis
_MOST_PADDING_OF_GROUPS = 3  # pixels


def unavailable(dtype: DTypeLike) -> str | None:
    """Return why oneDNN does not compute in a type in this process; None if it does."""
    if os.environ.get("JAXCONV_ONEDNN", "1") == "0":
        return "JAXCONV_ONEDNN is 0"
    here = (jaxlib.__version__, platform.system(), platform.machine())
    needs = VERIFIED.get(here)
    if needs is None:
        return f"jaxlib {' '.join(here)} is not among those that it was verified on"
    name = jnp.dtype(dtype).name
    if name not in needs:
        return f"it computes in {' and '.join(needs)}, not in {name}"
    if needs[name] not in features():
        return f"{name} needs a processor with {needs[name]}"
    if NOT_WITH.get(name) in features():
        return f"{name} was wrong on processors with {NOT_WITH[name]}"
    return None


def has_avx512() -> bool:
    """Return whether the processor has AVX-512, for which oneDNN has more kernels."""
    return "avx512bw" in features()


@functools.cache
def features(file: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Return what the processor says that it has."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def in_region(geometry: Geometry) -> bool:
    """Return whether the configuration of a convolution is one that was verified."""
    reach = dilate(geometry.kernel, geometry.kernel_dilation)
    axes = zip(reach, geometry.space, geometry.padding, strict=True)
    return (
        not geometry.is_empty
        and not endless(geometry)
        and not misread(geometry)
        and not _taken_for_unpadded(geometry)
        and not _generally_done(geometry)
        and not lacks_kernel(geometry)
        and 1 <= len(geometry.space) <= MOST_AXES
        and {*geometry.input_dilation} == {1}
        and all(
            k <= size and min(pads) >= 0 and max(pads) < k for k, size, pads in axes
        )
    )


def depthwise(geometry: Geometry) -> bool:
    """Return whether each channel is convolved with one filter of its own."""
    return geometry.groups > 1 and geometry.ci == geometry.co == 1


def endless(geometry: Geometry) -> bool:
    """Return whether oneDNN might hang on a depthwise filter, at once or later.

    In bfloat16 it hangs on filters of 1 x 15 and 2 x 15 taps and more; in float32 it
    has only its general implementation for more than some 36 taps along one axis.
    """
    *others, _ = geometry.kernel or (1,)
    thick = len(others) == 1 and others[0] > 2
    return endless_in_pairs(geometry) and not thick


def endless_in_pairs(geometry: Geometry) -> bool:
    """Return whether oneDNN might hang on a depthwise filter in bfloat16.

    It does where up to 32 channels have long filters and rows of more than some 25
    outputs; those of a filter gradient are shorter.
    """
    return depthwise(geometry) and (geometry.kernel or (1,))[-1] > LONGEST


def _generally_done(geometry: Geometry) -> bool:
    """Return whether oneDNN may take its general implementation, which hangs.

    With groups it may where there is padding: any, for dilated filters, for depthwise
    ones along one axis and for others along three; above 3 pixels, for all others that
    are not depthwise.
    """
    widest = max(map(max, geometry.padding), default=0)
    dilated = max(geometry.kernel_dilation, default=1) > 1
    one_axis = len(geometry.space) == 1
    three_axes = len(geometry.space) == 3 and geometry.kernel[-1] > 1
    most = 0 if dilated or three_axes else _MOST_PADDING_OF_GROUPS
    if depthwise(geometry) and not dilated:
        most = 0 if one_axis else widest
    return geometry.groups > 1 and widest > most


def lacks_kernel(geometry: Geometry) -> bool:
    """Return whether the processor has no AVX-512, which oneDNN's kernel would need.

    Depthwise filters along one axis need it, and dilated ones along three: without it
    oneDNN takes its general implementation.
    """
    axes, dilated = len(geometry.space), max(geometry.kernel_dilation, default=1) > 1
    unserved = axes == 1 or (axes == 3 and dilated)
    return depthwise(geometry) and unserved and not has_avx512()


def misread(geometry: Geometry) -> bool:
    """Return whether a stride makes no step, as there is one output along its axis.

    oneDNN then reads other rows than it should, and beyond the image.
    """
    pairs = zip(geometry.strides, geometry.out, strict=True)
    return any(s > 1 and out == 1 for s, out in pairs)


def _taken_for_unpadded(geometry: Geometry) -> bool:
    """Return whether as many pixels at the end are unread as zeros are before.

    Along the last axis oneDNN then takes the image for one without padding, as what it
    reads is as long, and in bfloat16 reads before its beginning.
    """
    if not geometry.space:
        return False
    (reach,) = dilate(geometry.kernel[-1:], geometry.kernel_dilation[-1:])
    read = (geometry.out[-1] - 1) * geometry.strides[-1] + reach
    return geometry.padding[-1][0] > 0 and read == geometry.space[-1]
