"""Put jaxconv under every caller of lax's convolutions, for a while, and report.

Two traps are dealt with. `jit` keeps what it compiled: `patch` enters a user context,
which is part of jit's cache key, so a function runs on jaxconv inside and on lax
outside, whenever it was first called. And `jax.lax` belongs to all threads: the
replacements stay out of the way of threads that did not enter `patch`.
"""

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxconv import compat
from jaxconv._lax_rules import LAX
from jaxconv.conv.methods import Method, check_method


class Call(NamedTuple):
    """One traced call of a convolution of lax."""

    function: str  # its name in jax.lax
    lhs: str  # type and shape, as in float32[60,1,28,28]
    rhs: str
    method: str | None  # the output's method; None if lax ran
    reason: str | None  # why lax ran; None if jaxconv did


class Report:
    """What `patch` saw: the calls that jaxconv served and those that lax ran.

    A call is seen when it is traced. A function that `jit` has compiled inside an
    earlier `patch` runs as compiled then, and is not seen again.
    """

    def __init__(self) -> None:
        """Begin with no calls."""
        self.calls: list[Call] = []

    @property
    def served(self) -> list[Call]:
        """The calls that ran on jaxconv."""
        return [call for call in self.calls if call.reason is None]

    @property
    def passed_on(self) -> list[Call]:
        """The calls that were left to lax, each with its reason."""
        return [call for call in self.calls if call.reason is not None]

    def __str__(self) -> str:
        """Return a line for each call, and the totals."""
        lines = [
            f"{call.function}  {call.lhs} * {call.rhs}  "
            + (f"lax: {call.reason}" if call.reason else f"jaxconv, {call.method}")
            for call in self.calls
        ]
        totals = f"{len(self.served)} served, {len(self.passed_on)} passed on to lax"
        return "\n".join([*lines, totals])


class _Patch:
    """A block that runs lax's convolutions on jaxconv; see `patch`."""

    def __init__(self, method: str) -> None:
        self.method = method
        self._reports: list[Report] = []  # a block may be entered again

    def __enter__(self) -> Report:
        report = Report()
        self._reports.append(report)
        _install()
        _blocks().append((report, self.method))
        _tell_jit()
        return report

    def __exit__(self, *exception: Any) -> None:
        report = self._reports.pop()
        _blocks().remove((report, self.method))
        _tell_jit()
        _uninstall()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function: each call of it is a block."""
        if any(kind(function) for kind in _KINDS_THAT_RUN_LATER):
            raise TypeError(
                f"patch: {function.__name__} runs when its result is awaited or "
                "iterated over, after the decorator has left. Use a with block inside."
            )

        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with _Patch(self.method):
                return function(*args, **kwargs)

        return decorated


_KINDS_THAT_RUN_LATER = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)
_context = jax.make_user_context(default_value=None)  # the method, for jit's cache key
_lock = threading.Lock()
_depth = 0  # of `patch` blocks, over all threads
_found: dict[str, Callable[..., Array]] = {}  # what stood in jax.lax before
_thread = threading.local()


def patch(method: Method = "auto") -> _Patch:
    """Run every convolution of lax on jaxconv: in a `with` block, or as a decorator.

    Whoever calls `jax.lax.conv_general_dilated`, `conv_transpose`, `conv` or
    `conv_with_general_padding` in this thread by looking it up in `jax.lax` is served:
    Flax linen, Equinox, Haiku, Keras. A function that was bound by name before is not
    reached (`from jax.lax import conv`, the default argument of `flax.nnx.Conv`, jax's
    own `jnp.convolve`); where a library takes a function, give it
    `jaxconv.conv_general_dilated`.

    Blocks may be nested, the inner one's report getting the calls; leaving the last, on
    an exception too, gives lax's functions back. A block belongs to its thread, and so
    to whatever asyncio runs there until it ends.

    Args:
      method: as for `conv`.

    Returns:
      A context manager, whose value is a `Report`, and decorator.

    Raises:
      ValueError: there is no such method.
      TypeError: what is decorated is a generator or coroutine function.

    >>> x, w = jax.numpy.ones((1, 2, 5)), jax.numpy.ones((3, 2, 3))
    >>> with patch() as report:
    ...     y = lax.conv(x, w, (1,), "SAME")
    >>> print(report)
    conv  float32[1,2,5] * float32[3,2,3]  jaxconv, xla
    1 served, 0 passed on to lax
    """
    return _Patch(check_method(method, "patch"))


def _blocks() -> list[tuple[Report, str]]:
    """Return the blocks that this thread is inside of, the innermost last."""
    return _thread.__dict__.setdefault("blocks", [])


def _tell_jit() -> None:
    """Make the innermost block's method part of jit's cache key.

    Entered and never left: blocks need not end in the order in which they began.
    """
    blocks = _blocks()
    _context(blocks[-1][1] if blocks else None).__enter__()


def _install() -> None:
    global _depth
    with _lock:
        if _depth == 0:
            for name, replacement in _REPLACEMENTS.items():
                _found[name] = getattr(lax, name)
                setattr(lax, name, replacement)
        _depth += 1


def _uninstall() -> None:
    global _depth
    with _lock:
        _depth -= 1
        if _depth == 0:
            for name, function in _found.items():
                setattr(lax, name, function)
            _found.clear()


def _replacement(name: str) -> Callable[..., Array]:
    signature = inspect.signature(LAX[name])

    @functools.wraps(LAX[name])
    def run(*args: Any, **kwargs: Any) -> Array:
        blocks = _blocks()
        if not blocks:  # a thread that did not enter, or a reference kept from a block
            return _found.get(name, LAX[name])(*args, **kwargs)
        report, chosen = blocks[-1]
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        lhs, rhs = given.pop("lhs"), given.pop("rhs")
        reason = compat.why_not(lhs, rhs, given)
        method = None
        if reason is None:
            result, method = compat.serve(name, lhs, rhs, given, chosen)
        else:
            result = _found[name](*args, **kwargs)
        call = Call(name, _describe(lhs), _describe(rhs), method, reason)
        report.calls.append(call)
        return result

    return run


def _describe(array: Any) -> str:
    return jax.typeof(jnp.asarray(array)).str_short()


_REPLACEMENTS = {name: _replacement(name) for name in LAX}
