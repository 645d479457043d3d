"""Kernels as found in the wild: wrong ones with one fault each, and right ones."""

from jaxconv.check.gallery import memory, places, sums
from jaxconv.check.gallery.kernel import Kernel
from jaxconv.check.gallery.right import KERNELS as RIGHT

WRONG = (*places.KERNELS, *sums.KERNELS, *memory.KERNELS)

__all__ = ["RIGHT", "WRONG", "Kernel"]
