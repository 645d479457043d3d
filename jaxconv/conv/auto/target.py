"""What a program is compiled for, as far as the choice of methods depends on it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from jaxconv.conv.methods import onednn_region

_TYPES = ("float32", "bfloat16")


class Target(NamedTuple):
    """A platform, and the types in which oneDNN computes there."""

    platform: str = "cpu"  # as JAX names it; "several" for a program for several
    onednn: tuple[str, ...] = ()
    without: str = ""  # why oneDNN does not compute in the other types


def target_of(platforms: Sequence[str] | None = None, exported: bool = False) -> Target:
    """Return the target of a program for some platforms; None for JAX's default.

    An exported program may run anywhere, and the persistent compilation cache cannot
    keep a program with a call of oneDNN.
    """
    platform, *others = platforms or (jax.default_backend(),)
    if platform != "cpu" or others:
        return Target("several" if others else platform)
    if exported:
        return Target(without="an exported program may run elsewhere")
    config: Any = jax.config
    if config.jax_compilation_cache_dir and config.jax_enable_compilation_cache:
        return Target(without="the persistent compilation cache cannot keep it")
    refused = {name: onednn_region.unavailable(name) for name in _TYPES}
    served = tuple(name for name, why in refused.items() if why is None)
    return Target(onednn=served, without=next(filter(None, refused.values()), ""))


PORTABLE = Target(without='method is "portable"')
"""A CPU, with what every jaxlib has."""
