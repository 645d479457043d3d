"""Put jaxconv under who calls lax's convolutions and pooling, for a while, and report.

Two traps are dealt with. `jit` keeps what it compiled: `patch` enters a user context,
which is part of jit's cache key, so a function runs on jaxconv inside and on lax
outside, whenever it was first called. And `jax.lax` belongs to all threads: the
replacements stay out of the way of threads that did not enter `patch`.
"""

import collections
import functools
import inspect
import threading
import weakref
from collections.abc import Callable
from typing import Any, overload

import jax

from jaxconv.conv.methods.registry import Method, check_method
from jaxconv.conv.primitives.eager import is_eager
from jaxconv.dropin import compat, pools, redirect
from jaxconv.dropin.report import Call, PatchReport, Settings, described


class _Block:
    """A block that a thread has entered and not left."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.report = PatchReport(_traced[settings])
        self.thread = _blocks()
        with redirect.lock:
            self.thread.append(self)
            redirect.install(_REPLACEMENTS, _by_reference)
        _tell_jit()

    def leave(self) -> None:
        """Give lax its functions back, in whatever thread this is called."""
        global _left_elsewhere
        with redirect.lock:
            if self not in self.thread:  # its thread has ended
                return
            self.thread.remove(self)
            redirect.uninstall()
            if self.thread is not _blocks():
                _left_elsewhere += 1
        _tell_jit()


class _Blocks(list[_Block]):
    """The blocks that a thread is inside of, the innermost last."""


class _Patch:
    """A block that runs lax's convolutions on jaxconv; see `patch`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._entered: list[_Block] = []  # a block may be entered again

    def __enter__(self) -> PatchReport:
        block = _Block(self.settings)
        self._entered.append(block)
        return block.report

    def __exit__(self, *exception: Any) -> None:
        if not self._entered:
            raise RuntimeError("patch: this block was left more often than entered.")
        here = [block for block in self._entered if block.thread is _blocks()]
        block = (here or self._entered)[-1]
        self._entered.remove(block)
        block.leave()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function: each call of it is a block."""
        if any(kind(function) for kind in _KINDS_THAT_RUN_LATER):
            raise TypeError(
                f"patch: {function.__name__} runs when its result is awaited or "
                "iterated over, after the decorator has left. Use a with block inside."
            )

        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with _Patch(self.settings):
                return function(*args, **kwargs)

        return decorated


_KINDS_THAT_RUN_LATER = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)
_context = jax.make_user_context(default_value=None)  # for jit's cache key
_thread = threading.local()
_traced: collections.Counter[Settings] = collections.Counter()  # calls served
_left_elsewhere = 0  # blocks left in another thread than they were entered in


@overload
def patch(method: Callable[..., Any], /) -> Callable[..., Any]: ...
@overload
def patch(method: Method = "auto", *, everywhere: bool = False) -> _Patch: ...
def patch(method: Any = "auto", *, everywhere: bool = False) -> Any:
    """Run lax's convolutions and pooling on jaxconv: in a `with` block, or decorated.

    Whoever calls `jax.lax.conv_general_dilated`, `conv_transpose`, `conv` or
    `conv_with_general_padding` in this thread by looking it up in `jax.lax` is served:
    Flax linen, Equinox, Haiku, Keras. So is `reduce_window` where it pools floats, by
    `lax.max` from -inf or `lax.add` from 0, whatever the method; other uses of it are
    lax's and not in the report. A caller that holds a reference to the function
    (`from jax.lax import conv`, the default argument of `flax.nnx.Conv` and the layers
    built with it, jax's own `conv_general_dilated_patches`, `jnp.convolve` and
    `jax.scipy.signal`) is named in the report, and served with `everywhere=True`.

    Blocks may be nested: the innermost serves a call and reports it. When the last one
    is left, by an exception too and in whatever thread, lax has its functions back. A
    block belongs to the thread that entered it, and ends with that thread at the
    latest; until then it covers whatever asyncio runs there.

    Args:
      method: as for `conv`.
      everywhere: serve calls by reference too: during a block the code of lax's
        functions is exchanged, which reaches all who hold them. The calls that lax
        makes itself, as in the derivative of a call passed on to it, stay lax's.

    Returns:
      A context manager, whose value is a `PatchReport`, and decorator, which may also
      be written without parentheses.

    Raises:
      ValueError: there is no such method.
      TypeError: what is decorated is a generator or coroutine function.

    >>> from jax.lax import conv
    >>> x, w = jax.numpy.ones((1, 4, 5)), jax.numpy.ones((3, 4, 3))
    >>> with patch("taps", everywhere=True) as report:
    ...     y = conv(x, w, (1,), "SAME")
    >>> print(report)
    conv  float32[1,4,5] * float32[3,4,3]  jaxconv, taps
    1 served, 0 passed on to lax
    """
    if callable(method):
        return _Patch(Settings("auto", everywhere))(method)
    return _Patch(Settings(check_method(method, "patch"), bool(everywhere)))


def _blocks() -> _Blocks:
    """Return the blocks that this thread is inside of.

    They end with the thread, whose local storage is finalised then.
    """
    blocks: _Blocks | None = getattr(_thread, "blocks", None)
    if blocks is None:
        blocks = _thread.blocks = _Blocks()
        _thread.end = end = _End()
        weakref.finalize(end, _leave_all, blocks).atexit = False
    return blocks


class _End:
    """Stands in a thread's local storage; its finaliser runs when the thread ends."""


def _leave_all(blocks: _Blocks) -> None:
    with redirect.lock:
        while blocks:
            blocks.pop()
            redirect.uninstall()


def _tell_jit() -> None:
    """Make the innermost block's settings part of jit's cache key.

    The context is entered and never left: blocks need not end in the order in which
    they began. A thread whose block was left in another thread keeps that block's key
    until it enters its next, and what it compiles meanwhile runs lax's code under that
    key: so `_left_elsewhere` gives later blocks other keys.
    """
    blocks = _blocks()
    key = (*blocks[-1].settings, _left_elsewhere) if blocks else None
    _context(key).__enter__()


def _replacement(name: str) -> Callable[..., Any]:
    @functools.wraps(redirect.ORIGINAL[name])
    def run(*args: Any, **kwargs: Any) -> Any:
        blocks = _blocks()
        if not blocks:  # a thread that did not enter, or a reference kept from a block
            return redirect.call_lax(name, *args, **kwargs)
        return _served(blocks[-1], name, args, kwargs)

    return run


def _by_reference(name: str, caller: str, args: tuple, kwargs: dict) -> Any:
    """Run a call of lax's function itself."""
    blocks = _blocks()
    if not blocks:
        return redirect.ORIGINAL[name](*args, **kwargs)
    if blocks[-1].settings.everywhere:
        return _served(blocks[-1], name, args, kwargs)
    result = redirect.ORIGINAL[name](*args, **kwargs)
    given = _arguments(name, args, kwargs)
    reason = f"{caller} holds a reference to it; patch(everywhere=True) reaches it"
    if name != pools.NAME:
        lhs, rhs = described(given["lhs"]), described(given["rhs"])
        blocks[-1].report.calls.append(Call(name, lhs, rhs, None, reason))
    elif pooling := pools.pooling_of(given):
        reason = pooling.reason or reason
        blocks[-1].report.calls.append(_pooled(given, pooling, reason))
    return result


def _served(block: _Block, name: str, args: tuple, kwargs: dict) -> Any:
    given = _arguments(name, args, kwargs)
    if name == pools.NAME:
        return _served_pooling(block, given, args, kwargs)
    lhs, rhs = given.pop("lhs"), given.pop("rhs")
    reason = compat.why_not(lhs, rhs, given)
    method = None
    if reason is None:
        result, served = compat.serve(name, lhs, rhs, given, block.settings.method)
        method = str(served.plan)
        if not is_eager():
            _traced[block.settings] += 1
    else:
        result = redirect.call_lax(name, *args, **kwargs)
    call = Call(name, described(lhs), described(rhs), method, reason)
    block.report.calls.append(call)
    return result


def _served_pooling(
    block: _Block, given: dict[str, Any], args: tuple, kwargs: dict
) -> Any:
    pooling = pools.pooling_of(given)
    if pooling is None or pooling.reason:
        result = redirect.call_lax(pools.NAME, *args, **kwargs)
    else:
        result = pools.serve(given["operand"], pooling)
        if not is_eager():
            _traced[block.settings] += 1
    if pooling is not None:
        block.report.calls.append(_pooled(given, pooling, pooling.reason))
    return result


def _pooled(given: dict[str, Any], pooling: pools.Pooling, reason: str | None) -> Call:
    method = None if reason else "pooling"
    operand = described(given["operand"])
    return Call(pooling.function, operand, str(pooling), method, reason)


def _arguments(name: str, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments by name.

    Raises:
      TypeError: one is missing, unknown or given twice.
    """
    parameters = redirect.SIGNATURES[name].parameters
    given = _DEFAULTS[name] | dict(zip(parameters, args, strict=False)) | kwargs
    if not (
        len(given) == len(parameters) == len(parameters.keys() & given.keys())
        and len(args) <= len(parameters)
        and kwargs.keys().isdisjoint(list(parameters)[: len(args)])
    ):
        redirect.SIGNATURES[name].bind(*args, **kwargs)
    return given


_DEFAULTS = {
    name: {
        parameter.name: parameter.default
        for parameter in signature.parameters.values()
        if parameter.default is not inspect.Parameter.empty
    }
    for name, signature in redirect.SIGNATURES.items()
}
_REPLACEMENTS = {name: _replacement(name) for name in redirect.NAMES}
