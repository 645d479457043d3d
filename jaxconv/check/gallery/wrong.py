"""How the wrong kernels of the gallery are made: right, but for what is given."""

from typing import Any

from jaxconv.check.gallery.blocks import correlate, gather, spread
from jaxconv.check.gallery.kernel import Kernel


def wrong(name: str, fault: str, expected: str, **given: Any) -> Kernel:
    """Return a kernel of which only the maps and settings `given` are not right."""
    right: dict[str, Any] = {"output": correlate}
    if "backward" not in given:
        right |= {"input_grad": spread, "param_grad": gather}
    return Kernel(name=name, fault=fault, expected=expected, **right | given)
