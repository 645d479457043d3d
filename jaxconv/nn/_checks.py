"""Checks of what callers give to layers; the errors say what to write instead.

Values are annotated as `object`, since they may be of any type.
"""

import contextlib
import difflib
import functools
import inspect
import numbers
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

_Arguments = ParamSpec("_Arguments")
_Made = TypeVar("_Made")


def check_key(caller: str, key: object) -> None:
    """Raise TypeError unless `key` is one random key, new-style or raw."""
    wanted = f"{caller}: key must be a JAX random key"
    if isinstance(key, jax.Array | np.ndarray):
        typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        if key.ndim == (0 if typed else 1) and (typed or key.dtype == np.uint32):
            return
        if typed or (key.dtype == np.uint32 and key.ndim == 2):
            raise TypeError(
                f"{wanted}, got {len(key)} keys (axis 0 of {key.shape}). Take one of "
                "them, or use jax.vmap."
            )
    if isinstance(key, numbers.Integral) and not isinstance(key, bool):
        raise TypeError(f"{wanted}, got {key}. Write jax.random.key({key}).")
    if isinstance(key, tuple | list):
        raise TypeError(
            f"{wanted}, got {described(key)}. Are key and input_shape exchanged? The "
            "key comes first: init(jax.random.key(0), input_shape)."
        )
    raise TypeError(f"{wanted}, got {described(key)}. Write jax.random.key(0).")


def check_shape(caller: str, input_shape: object) -> tuple[Any, ...]:
    """Return `input_shape`, the sizes of one observation's axes, as a tuple.

    An observation of several arrays has a tuple of such tuples.

    Raises:
      ValueError: it is not a shape.
    """
    wanted = (
        f"{caller}: input_shape must be a tuple of sizes, without the batch, got "
        f"{described(input_shape)}."
    )
    if isinstance(input_shape, numbers.Integral):
        raise ValueError(f"{wanted} Write ({input_shape},) for one axis.")
    if isinstance(input_shape, jax.Array | np.ndarray):
        if jnp.issubdtype(input_shape.dtype, jax.dtypes.prng_key):
            raise ValueError(f"{wanted} The key comes first: init(key, input_shape).")
        if input_shape.ndim != 1 or not np.issubdtype(input_shape.dtype, np.integer):
            raise ValueError(f"{wanted} Write x.shape[1:].")
    try:
        sizes: tuple[Any, ...] = tuple(input_shape)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(wanted) from None
    if sizes and all(isinstance(shape, tuple) for shape in sizes):
        return tuple(check_shape(caller, shape) for shape in sizes)
    if any(isinstance(size, jax.core.Tracer) for size in sizes):
        raise ValueError(
            f"{wanted} JAX traces the sizes: bind them before jax.eval_shape or "
            "jax.jit, as in functools.partial(layer.init, input_shape=shape)."
        )
    if not all(isinstance(size, numbers.Integral) and int(size) >= 0 for size in sizes):
        raise ValueError(f"{wanted} Every size is an int of at least 0.")
    return tuple(int(size) for size in sizes)


@contextlib.contextmanager
def at_part(name: str) -> Iterator[None]:
    """Put the part's name before the message of an error inside it, as in a path."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if name and len(error.args) == 1 and isinstance(error.args[0], str):
            path = getattr(error, "path", "")
            message = error.args[0].removeprefix(f"{path}: ") if path else error.args[0]
            error.path = f"{name}/{path}" if path else name  # type: ignore[union-attr]
            error.args = (f"{error.path}: {message}",)  # type: ignore[union-attr]
        raise


def check_params(caller: str, params: object) -> None:
    """Raise ValueError unless `params` is a dict, as `init` returns it."""
    if isinstance(params, Mapping):
        return
    hint = "Write apply(params, x)."
    if isinstance(params, jax.Array | np.ndarray):
        hint = "Are params and x exchanged? Write apply(params, x)."
    if isinstance(params, tuple):
        hint = "init returns two things: output_shape, params = init(key, input_shape)."
    raise ValueError(
        f"{caller}: params must be a dict, as init returns it, got "
        f"{described(params)}. {hint}"
    )


def check_array(caller: str, x: object) -> None:
    """Raise ValueError unless `x` is an array."""
    if isinstance(x, jax.Array | np.ndarray):
        return
    hint = "Are params and x exchanged?" if isinstance(x, dict) else "Use jnp.asarray."
    raise ValueError(f"{caller}: x must be an array, got {described(x)}. {hint}")


def check_count(caller: str, name: str, value: object) -> None:
    """Raise ValueError unless `value` is an int of at least 1."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < 1:  # type: ignore[operator]
        raise ValueError(
            f"{caller}: {name} must be an int of at least 1, got {described(value)}."
        )


def get_param(caller: str, params: Mapping[str, Any], name: str) -> Any:
    """Return the entry of that name, or raise ValueError."""
    if name not in params:
        raise ValueError(
            f"{caller}: params has no {name!r}, only {sorted(params)}. Was it made by "
            "this layer's init?"
        )
    return params[name]


def described(value: object) -> str:
    """Describe a value in a few words, however large it is."""
    if isinstance(value, jax.Array) and jnp.issubdtype(
        value.dtype, jax.dtypes.prng_key
    ):
        return f"a random key of shape {value.shape}"
    if isinstance(value, jax.Array | np.ndarray) and value.ndim:
        return f"an array of {value.dtype} and shape {value.shape}"
    if inspect.isroutine(value) or isinstance(value, type):
        return f"<function {value.__name__}>"
    if isinstance(value, Mapping):
        return f"a dict of {', '.join(map(repr, list(value)[:8])) or 'nothing'}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:70]}... (a {type(value).__name__})"


def as_called(function: object) -> str | None:
    """Return the call to write if `function` makes layers, such as `ReLU()`; or None.

    Such a function is annotated to return a `Layer`.
    """
    made = getattr(function, "__annotations__", {}).get("return")
    name = getattr(function, "__name__", "")
    if isinstance(function, type):
        return f"{name}(init, apply)" if name == "Layer" else None
    if getattr(made, "__name__", made) not in ("Layer", "nn.Layer"):
        return None
    parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    needed = [p.name for p in parameters if p.default is p.empty and p.kind < 2]
    return f"{name}({', '.join(needed)})"


def says_what_is_meant(
    **meant: str,
) -> Callable[[Callable[_Arguments, _Made]], Callable[_Arguments, _Made]]:
    """Make the TypeError for an unknown argument name the right one.

    `meant` maps other libraries' names to ours, `kernel_size="param_size"`, or, where
    the value differs too, to what to write: `rate="dropout=1 - rate"`.
    """

    def decorate(make: Callable[_Arguments, _Made]) -> Callable[_Arguments, _Made]:
        signature = inspect.signature(make)

        @functools.wraps(make)
        def checked(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Made:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                hint = _hint(signature, meant, args, kwargs)
                raise TypeError(f"{make.__name__}: {error}. {hint}") from None
            return make(*args, **kwargs)

        return checked

    return decorate


def _hint(
    signature: inspect.Signature,
    meant: dict[str, str],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> str:
    """Say how the arguments that do not fit the signature should be written."""
    names = list(signature.parameters)
    for name in kwargs:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            right = meant.get(name) or (close[0] if close else None)
            if right and right not in kwargs:
                written = right if "=" in right else f"{right}="
                return f"Write {written} for {name}=."
            return f"The arguments are {', '.join(names)}."
    places = [p.name for p in signature.parameters.values() if p.kind < 2]
    if len(args) > len(places):
        others = [f"{name}=" for name in names if name not in places]
        told = f" Name the others: {', '.join(others)}." if others else ""
        return (
            f"By position it takes {', '.join(places) or 'nothing'}; the size of the "
            f"input is for init.{told}"
        )
    missing = [name for name in places[len(args) :] if name not in kwargs]
    return f"Give {', '.join(missing)}."
