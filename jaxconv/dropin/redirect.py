"""How calls of lax's functions are redirected, and lax's functions given back.

Most callers look a function up in `jax.lax`, where another can stand for a while.
Others hold a reference: a default argument, an attribute of a layer, jax's own modules.
They are reached by exchanging the code of the function itself, which all of them share.
`ORIGINAL` holds copies: they run lax's code whatever happens to the functions.
"""

import contextlib
import functools
import inspect
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

from jax import lax

Function = Callable[..., Any]  # reduce_window of a tree returns a tree
ByReference = Callable[[str, str, tuple, dict[str, Any]], Any]
"""Takes the function's name, who called it, and the arguments."""

NAMES = (
    "conv",
    "conv_general_dilated",
    "conv_transpose",
    "conv_with_general_padding",
    "reduce_window",
)
LAX: dict[str, Any] = {name: getattr(lax, name) for name in NAMES}


def _copy(function: Any) -> Any:
    copy: Any = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    functools.update_wrapper(copy, function)
    del vars(copy)["__wrapped__"]  # its signature would be that of the code exchanged
    return copy


ORIGINAL: dict[str, Function] = {name: _copy(LAX[name]) for name in NAMES}
SIGNATURES = {name: inspect.signature(ORIGINAL[name]) for name in NAMES}

lock = threading.RLock()
_installed = 0  # blocks that rely on it
_found: dict[str, Function] = {}  # what stood in jax.lax before
_by_reference: list[ByReference] = []
_thread = threading.local()


def install(by_name: dict[str, Function], by_reference: ByReference) -> None:
    """Put `by_name` into `jax.lax`; pass calls by reference to `by_reference`."""
    global _installed
    with lock:
        _installed += 1
        if _installed > 1:
            return
        _by_reference[:] = [by_reference]
        for name, function in by_name.items():
            _found[name] = getattr(lax, name)
            setattr(lax, name, function)
            LAX[name].__signature__ = SIGNATURES[name]
            LAX[name].__code__ = _STAND_INS[name]


def uninstall() -> None:
    """Undo `install`, when called as often as that was."""
    global _installed
    with lock:
        _installed -= 1
        if _installed > 0:
            return
        for name, function in _found.items():
            LAX[name].__code__ = ORIGINAL[name].__code__
            del LAX[name].__signature__
            setattr(lax, name, function)
        _found.clear()


def call_lax(name: str, *args: Any, **kwargs: Any) -> Any:
    """Call what stood in `jax.lax` before; its own calls of lax stay lax's too."""
    with untouched():
        return _found.get(name, ORIGINAL[name])(*args, **kwargs)


@contextlib.contextmanager
def untouched() -> Iterator[None]:
    """Let this thread's calls by reference run lax's code."""
    before = getattr(_thread, "untouched", False)
    _thread.untouched = True
    try:
        yield
    finally:
        _thread.untouched = before


def _called_by_reference(frame: types.FrameType, args: tuple, kwargs: dict) -> Any:
    """Run a call that reached lax's function itself, by a reference to it.

    lax's own calls, as in its derivatives, and those of `jaxconv.conv` stay lax's.
    """
    name, caller = frame.f_code.co_name, frame.f_back
    assert caller is not None
    module = caller.f_globals.get("__name__", "")
    of_lax = caller.f_globals is frame.f_globals  # the frame's globals are lax's
    own = of_lax or module.startswith("jaxconv.conv.")
    if own or getattr(_thread, "untouched", False):
        return ORIGINAL[name](*args, **kwargs)
    where = f"{module}.{caller.f_code.co_qualname}"
    return _by_reference[0](name, where, args, kwargs)


def _stand_in(*args, **kwargs):
    """Run in place of a function of lax: its globals are those of lax's module."""
    import sys

    from jaxconv.dropin.redirect import _called_by_reference

    return _called_by_reference(sys._getframe(), args, kwargs)


_code = inspect.unwrap(_stand_in).__code__  # a hook for annotations may wrap it
_STAND_INS = {name: _code.replace(co_name=name, co_qualname=name) for name in NAMES}
