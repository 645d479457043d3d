"""Who pools works here: maximum and average over windows, and their gradients."""

from jaxconv.conv.pooling.api import avg_pool, max_pool, windows_of

__all__ = ["avg_pool", "max_pool", "windows_of"]
