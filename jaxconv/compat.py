"""lax's convolutions, argument for argument: see `jaxconv/dropin/compat.py`."""

from jaxconv.dropin.compat import conv_general_dilated, conv_transpose

__all__ = ["conv_general_dilated", "conv_transpose"]
