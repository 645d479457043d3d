"""A layer that keeps state: make it, call its methods, find the gradient it stores."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

_CALLER = "of_layer"
Shape = tuple[int, ...]


class Kept:
    """The layer of the last filters, kept for the next call with the same."""

    def __init__(self, make_layer: Callable[[Any], Any], fresh: bool) -> None:
        """Keep none yet; with `fresh`, never."""
        self.make_layer, self.fresh = make_layer, fresh
        self.w: np.ndarray | None = None
        self.last: Any = None

    def layer(self, w: Any) -> Any:
        """Return the layer whose filters are `w`."""
        if self.fresh or isinstance(w, Tracer):
            return self.make_layer(w)
        own = np.array(w)
        if self.w is None or not np.array_equal(self.w, own):
            self.last, self.w = self.make_layer(w), own
        return self.last


class ParamGrad:
    """Where a layer stores the gradient at its filters: as said, or as found once."""

    def __init__(self, place: str | None) -> None:
        """Take the place, as "dW" or "grads.W"; None to find it."""
        self.place = place
        self.before: dict[str, np.ndarray] = {}

    def look_before(self, layer: Any) -> None:
        """Note the arrays that the layer holds before `backward`."""
        if self.place is None:
            self.before = {place: np.array(a) for place, a in _arrays_of(layer)}

    def after(self, layer: Any, shape: Shape) -> Any:
        """Return the array of that shape which `backward` has set.

        Raises:
          ValueError: it has set none or several, or the place does not exist.
        """
        if self.place is None:
            self.place = self._find(layer, shape)
        return _entry(layer, self.place)

    def _find(self, layer: Any, shape: Shape) -> str:
        now = {
            place: np.shape(value)
            for place, value in _arrays_of(layer)
            if place not in self.before
            or not np.array_equal(self.before[place], np.asarray(value))
        }
        fitting = [place for place, found in now.items() if found == shape]
        kind = type(layer).__name__
        if len(fitting) > 1:
            raise ValueError(
                f"{_CALLER}: backward must set one array of the shape {shape} of w, "
                f"but {kind} set {' and '.join(fitting)}. Write "
                f"param_grad={fitting[0]!r}."
            )
        if not fitting:
            shown = ", ".join(f"{place} {found}" for place, found in now.items())
            raise ValueError(
                f"{_CALLER}: backward must return (dx, dw), or set an array of the "
                f"shape {shape} of w, but {kind} set {shown or 'none'}. Name the "
                'array, as in param_grad="dw".'
            )
        return fitting[0]


def check_makes_layers(make_layer: Any, forward: str) -> None:
    """Raise unless `make_layer` is a function or class, and no layer itself."""
    of_itself = hasattr(make_layer, forward) and not isinstance(make_layer, type)
    if of_itself:
        name = type(make_layer).__name__
        raise ValueError(
            f"{_CALLER}: make_layer must be a function of w that returns a layer, got "
            f"a {name}. Write a function that makes a {name} and sets its filters to w."
        )
    if not callable(make_layer):
        raise ValueError(
            f"{_CALLER}: make_layer must be a function of w that returns a layer, got "
            f"{make_layer!r}."
        )


def method_of(layer: Any, name: str, argument: str) -> Callable[..., Any]:
    """Return a method; raise if the layer has none, and list those that it has."""
    method = getattr(layer, name, None)
    if callable(method):
        return method
    if layer is None:
        raise ValueError(
            f"{_CALLER}: make_layer must return a layer, got None. Is its return "
            "missing?"
        )
    public = [m for m in dir(layer) if not m.startswith("_")]
    own = [m for m in public if callable(getattr(layer, m, None))]
    hint = f" It has {', '.join(own)}: name one by {argument}=." if own else ""
    raise ValueError(
        f"{_CALLER}: make_layer must return a layer with a method {name}, got a "
        f"{type(layer).__name__}.{hint}"
    )


def _arrays_of(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yield where a layer holds arrays, as attributes or in dicts, and the arrays."""
    for name, value in getattr(layer, "__dict__", {}).items():
        entries = value.items() if isinstance(value, Mapping) else ()
        for key, entry in entries:
            if _is_array(entry):
                yield f"{name}.{key}", entry
        if _is_array(value):
            yield name, value


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | jax.Array | float)


def _entry(layer: Any, place: str) -> Any:
    """Return an attribute, or an entry of one, by its place."""
    value = layer
    for name in place.split("."):
        if isinstance(value, Mapping):
            known = {str(key): entry for key, entry in value.items()}
        else:
            known = {name: getattr(value, name)} if hasattr(value, name) else {}
        if name not in known:
            held = ", ".join(where for where, _ in _arrays_of(layer)) or "none"
            raise ValueError(
                f"{_CALLER}: param_grad must name an array that {type(layer).__name__} "
                f"has after backward, got {place!r}. Its arrays are {held}."
            )
        value = known[name]
    return value
