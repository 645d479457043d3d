"""What a program is compiled for, as far as the choice of methods depends on it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from jaxconv.conv.methods import onednn_region

_TYPES = ("float32", "bfloat16")  # whose fuzzing was clean


class Target(NamedTuple):
    """A platform, the types in which oneDNN computes there, and a CPU's vectors."""

    platform: str = "cpu"  # as JAX names it; "several" for a program for several
    onednn: tuple[str, ...] = ()
    avx512: bool = False  # whether a CPU has its vectors, of 16 float32
    without: str = ""  # why oneDNN is not called, whatever the type

    def why_not(self, dtype: str) -> str | None:
        """Return why oneDNN does not compute in a type; None if it does."""
        if self.platform != "cpu":
            return f"the platform is {self.platform}"
        if self.without or dtype in self.onednn:
            return self.without or None
        return onednn_region.unavailable(dtype)


def target_of(platforms: Sequence[str] | None = None, exported: bool = False) -> Target:
    """Return the target of a program for some platforms; None for JAX's default.

    An exported program may run anywhere, and the persistent compilation cache cannot
    keep a program with a call of oneDNN.
    """
    platform, *others = platforms or (jax.default_backend(),)
    if platform != "cpu" or others:
        return Target("several" if others else platform)
    cpu = Target(avx512=onednn_region.has_avx512())
    if exported:
        return cpu._replace(without="an exported program may run elsewhere")
    config: Any = jax.config
    if config.jax_compilation_cache_dir and config.jax_enable_compilation_cache:
        return cpu._replace(without="the persistent compilation cache cannot keep it")
    served = (name for name in _TYPES if onednn_region.unavailable(name) is None)
    return cpu._replace(onednn=tuple(served))
