"""Loops within loops, for the chapter and for the method `loops`."""

from collections.abc import Callable
from typing import Any

from jax import lax


def nested_loops(sizes: tuple[int, ...], body: Callable[..., Any], init: Any) -> Any:
    """Run `carry = body(carry, *index)` for every index, one `fori_loop` for each size.

    The first size is the outermost loop. `conv_1d` spells out what this writes.

    >>> int(nested_loops((2, 3), lambda total, i, j: total + 10 * i + j, 0))
    36
    """
    if 0 in sizes:
        return init  # `fori_loop` would trace the body once all the same

    def level(carry, *index):
        if len(index) == len(sizes):
            return body(carry, *index)
        size = sizes[len(index)]
        return lax.fori_loop(0, size, lambda i, carry: level(carry, *index, i), carry)

    return level(init)
