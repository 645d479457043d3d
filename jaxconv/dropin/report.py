"""What `patch` reports: the calls that it saw, and which of them jaxconv served."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array


class Call(NamedTuple):
    """One traced call of a convolution of lax, or of its pooling."""

    function: str  # its name in jax.lax; of pooling, its primitive's without _p
    lhs: str  # type and shape, as in float32[60,1,28,28]
    rhs: str  # of pooling, the window
    method: str | None  # what computed the output; None if lax ran
    reason: str | None  # why lax ran; None if jaxconv did

    def __str__(self) -> str:
        """Return a line: what was called with what, and who ran it."""
        pools = self.function.startswith("reduce_window")
        ran = f"lax: {self.reason}" if self.reason else f"jaxconv, {self.method}"
        sign = " " if pools else " * "
        return f"{self.function}  {self.lhs}{sign}{self.rhs}  {ran}"


class Settings(NamedTuple):
    """What a block was asked for: part of jit's cache key."""

    method: str
    everywhere: bool


class PatchReport:
    """What `patch` saw: the calls that jaxconv served and those that lax ran.

    A call is seen when it is traced. A function that `jit` has compiled inside an
    earlier `patch` with the same arguments runs as compiled then, and is not seen
    again: `traced_before` counts the calls that were traced and served then.
    """

    def __init__(self, traced_before: int = 0) -> None:
        """Begin with no calls."""
        self.calls: list[Call] = []
        self.traced_before = traced_before

    @property
    def served(self) -> list[Call]:
        """The calls that ran on jaxconv."""
        return [call for call in self.calls if call.reason is None]

    @property
    def passed_on(self) -> list[Call]:
        """The calls that were passed on to lax, each with its reason."""
        return [call for call in self.calls if call.reason is not None]

    def __str__(self) -> str:
        """Return a line for each call, and the totals."""
        lines = list(map(str, self.calls))
        lines.append(
            f"{len(self.served)} served, {len(self.passed_on)} passed on to lax"
        )
        if not self.calls and self.traced_before:
            lines.append(
                "No call was traced in this block. What jit compiled in earlier "
                "blocks with the same arguments runs as compiled then: "
                f"{self.traced_before} calls served."
            )
        return "\n".join(lines)

    __repr__ = __str__


def described(array: Any) -> str:
    """Return type and shape, as in float32[60,1,28,28]."""
    if not isinstance(array, Array):
        array = jnp.asarray(array)
    return _written(jax.typeof(array))


@functools.lru_cache(4096)
def _written(aval: Any) -> str:
    return aval.str_short()
