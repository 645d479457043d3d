"""Calls outside of jit: settings are checked once, and one program does all the work.

Without this each transpose, cast and map of a call is dispatched and compiled alone,
which takes ten times as long as the convolution of a small image.
"""

import functools
import inspect
from collections.abc import Callable, Hashable
from typing import Any, ParamSpec, TypeVar

import jax
import numpy as np
from jax.extend.core import Primitive

from jaxconv.conv.primitives.jax_internals import (
    BatchTrace,
    EvalTrace,
    JVPTrace,
    LinearizeTrace,
    trace_ctx,
)

P = ParamSpec("P")
T = TypeVar("T")

_MOST_SETTINGS = 4096  # remembered for each function


def one_program(run: Callable[P, T]) -> Callable[P, T]:
    """Return `run` as one compiled program when it is called outside of jit.

    Its keyword-only arguments are static. Under jit, or any transformation that traces
    a program, `run` is traced in place; an eager `jax.grad` or `jax.vmap` runs one
    program for each map.
    """
    parameters = inspect.signature(run).parameters.values()
    static = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
    compiled: Any = jax.jit(run, static_argnames=static)

    @functools.wraps(run)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return (compiled if is_eager() else run)(*args, **kwargs)

    return call


def compile_and_run(primitive: Primitive, *static: str) -> Callable[..., Any]:
    """Return the rule that evaluates a primitive: one compiled program for each call.

    `static` are the names of its parameters, on all of which the program depends. A
    single map is compiled even under `jax.disable_jit`: it has no other definition than
    its lowering.
    """
    compiled = jax.jit(primitive.bind, static_argnames=static)

    def evaluate(*arrays: Any, **settings: Any) -> Any:
        with jax.disable_jit(False):
            return compiled(*arrays, **settings)

    return evaluate


def is_eager() -> bool:
    """Return whether a call made now is evaluated at once, even under grad."""
    trace: Any = trace_ctx.trace
    while isinstance(trace, JVPTrace | LinearizeTrace | BatchTrace):
        trace = trace.parent_trace
    return isinstance(trace, EvalTrace)


def checked_once(check: Callable[P, T]) -> Callable[P, T]:
    """Return `check`, a function of settings and of `is_eager`, that remembers results.

    A call that raises is not remembered, nor one whose settings cannot be compared, as
    traced ones.
    """
    found: dict[Hashable, T] = {}

    @functools.wraps(check)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        config: Any = jax.config
        precision, x64 = config.jax_default_matmul_precision, config.jax_enable_x64
        try:
            key = (frozen(args), frozen(kwargs), precision, x64, is_eager())
            known = key in found
        except Exception:  # of the comparison, whatever it raises
            return check(*args, **kwargs)
        if not known:
            result = check(*args, **kwargs)
            if len(found) >= _MOST_SETTINGS:
                found.clear()
            found[key] = result
            return result
        return found[key]

    return call


def frozen(value: Any) -> Hashable:
    """Return settings as a dictionary's key: tuples for lists, numbers with their type.

    >>> frozen([1, 2]) == frozen((1, 2)), frozen(1) == frozen(True)
    (True, False)
    """
    kind = type(value)
    if kind is int or kind is str or value is None:
        return value
    if kind is tuple or kind is list:
        return tuple(map(frozen, value))
    if kind is dict:
        return tuple((name, frozen(setting)) for name, setting in value.items())
    if kind is np.ndarray:
        return (kind, value.dtype, frozen(value.tolist()))
    return (kind, value)
