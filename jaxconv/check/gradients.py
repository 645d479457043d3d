"""Check the derivatives of any function of pytrees against central differences.

In float64, with D_h the central difference of step h. Its truncation error is about a
third of `D_2h - D_h`, its rounding error that of two values divided by 2 h. JAX's
derivative is compared with the extrapolation `(4 D_h - D_2h) / 3`, which is more exact,
and is wrong if they differ by more than both errors together. Small functions are
compared at each entry of the Jacobian, large ones along random directions; bisecting a
direction that fails finds the entry. A gradient that is written by hand is compared in
the place of JAX's; nothing is traced then, so that NumPy will do.

Source: Dennis and Schnabel, "Numerical Methods for Unconstrained Optimization", 1996,
section 5.4, for the step.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxconv.check import options
from jaxconv.check.by_hand import by_hand
from jaxconv.check.found import Found
from jaxconv.check.report import Report
from jaxconv.check.vectors import Function, Point, as_vector
from jaxconv.conv.arguments.keywords import names_arguments

_CALLER = "check_gradients"


@names_arguments
def check_gradients(
    fun: Callable[..., Any],
    args: Sequence[Any],
    *,
    backward: Callable[..., Any] | None = None,
    order: int | None = None,
    modes: str | Sequence[str] = ("fwd", "rev"),
    entries: int = 256,
    seed: int = 0,
) -> Report:
    """Check the derivatives that JAX takes of `fun`, or a gradient written by hand.

    Args:
      fun: a function of pytrees of arrays, to a pytree of arrays. It is called in
        float64; results of a shorter type are checked to that type's precision.
      args: its arguments; leaves that are not real floating-point are kept constant.
      backward: None, or `(*args, g) -> gradients`, those of `sum(g * fun(*args))` at
        each of `args`, in a tuple; a single one may stand by itself. It is checked in
        place of JAX's derivatives, and both functions may be NumPy's.
      order: the highest order to check, 1 or more, by default 2. Above 1, the
        derivative along a random direction is checked as `fun` is. With `backward`
        it is 1.
      modes: "fwd", "rev" or both: the modes to check, at each order. A mode that JAX
        lacks for `fun` (forward, for a `jax.custom_vjp`) gets a row that says so.
      entries: the largest number of inputs, and of outputs, that are checked one by
        one; more are combined at random.
      seed: seeds the random directions.

    Returns:
      A report, whose failures name the leaf and index.

    Raises:
      ValueError: no leaf of the arguments is real floating-point, an option is out of
        its range, or `fun` has none of the modes.

    >>> check_gradients(lambda x: jnp.sin(x["a"]), ({"a": jnp.arange(3.0)},)).ok
    True
    >>> check_gradients(np.sin, (np.arange(3.0),), backward=lambda x, g: -g).ok
    False
    """
    options.check_callable(_CALLER, "fun", fun, "args")
    given = options.as_args(_CALLER, args)
    chosen = options.as_modes(_CALLER, modes)
    highest = _highest(order, backward)
    options.check_count(_CALLER, "entries", entries)
    options.check_seed(_CALLER, seed)
    # A function need not be finite everywhere.
    with jax.enable_x64(True), np.errstate(all="ignore"):
        rng = np.random.default_rng(seed)
        found = Found([], [])
        if backward is not None:
            point = by_hand(fun, backward, given, _CALLER)
            if found.repeats(point):
                compare = functools.partial(_Comparison, point, point.function, "")
                found.add("order 1", "backward", lambda: compare(entries, rng))
            return found.report
        point = as_vector(fun, given, _CALLER)
        vector = jnp.asarray(point.vector)
        pending: list[tuple[str, Function]] = [("", point.function)]
        for number in range(1, highest + 1):
            following = []
            for path, function in pending:
                for mode in chosen:
                    name = f"{mode} of {path}" if path else mode
                    compare = functools.partial(
                        _Comparison, point, function, mode, entries, rng
                    )
                    if found.add(f"order {number}", name, compare):
                        along = _along(mode, function, vector, rng)
                        following.append((name, along))
            pending = following
    found.raise_if_nothing_was_done(_CALLER, chosen)
    return found.report


def _highest(order: int | None, backward: Callable[..., Any] | None) -> int:
    """Return the highest order to check: 1 for a gradient that is written by hand."""
    if backward is None:
        options.check_count(_CALLER, "order", 2 if order is None else order)
        return 2 if order is None else order
    options.check_callable(_CALLER, "backward", backward, "(*args, g)")
    if order not in (None, 1):
        raise ValueError(
            f"{_CALLER}: order must be 1 with backward, which has no derivative, got "
            f"{order!r}. Leave it out."
        )
    return 1


class _Comparison:
    """The derivative of a function, by JAX or by hand, and by differences."""

    def __init__(
        self,
        point: Point,
        function: Function,
        mode: str,
        entries: int,
        rng: np.random.Generator,
    ) -> None:
        self.point, self.function, self.mode = point, function, mode
        traced = point.pull is None
        shape_of = jax.eval_shape if traced else lambda f, v: f(v)
        inputs, outputs = point.vector.size, shape_of(function, point.vector).size
        self.all_inputs, self.all_outputs = inputs <= entries, outputs <= entries
        self.directions = _basis(inputs, self.all_inputs, rng)
        self.weights = _basis(outputs, self.all_outputs, rng)
        self.each = lax.map if traced else _each
        # A search calls them many times.
        self.difference = jax.jit(self._difference) if traced else self._difference
        self.derivative = jax.jit(self._by_jax) if traced else self._by_hand
        self.ratio = self.compare(self.directions)

    @property
    def size_and_error(self) -> tuple[int, float]:
        """How many numbers are compared, and the largest error over its bound."""
        return self.ratio.size, float(self.ratio.max(initial=0))

    def compare(self, directions: np.ndarray) -> np.ndarray:
        """Return the error in units of its bound, for each weight and direction."""
        vector = self.point.vector
        scaled = directions * np.maximum(1, np.abs(np.asarray(vector)))
        h = self.point.rounding ** (1 / 3)
        once, twice, four = (
            np.asarray(self.difference(scaled, k * h)) for k in (1, 2, 4)
        )
        largest = np.abs(np.asarray(self.function(vector))).max(initial=0)
        # Two estimates of the truncation error: either may be 0 by accident.
        bound = np.abs(twice - once) + np.abs(four - twice) / 4
        sizes = np.abs(self.weights).sum(1, keepdims=True) * largest
        bound += 64 * self.point.rounding / h * sizes
        if self.point.pull is not None:
            sizes = np.abs(self.pulled) @ np.abs(scaled).T
            bound += 64 * self.point.pull_rounding * sizes
        self.found = np.asarray(self.derivative(scaled))
        self.expected = (4 * once - twice) / 3
        error = np.abs(self.found - self.expected)
        ratio = np.where(error == 0, 0, error / bound)
        return np.nan_to_num(ratio, nan=np.inf, posinf=np.inf)

    def _difference(self, scaled: Any, step: Any) -> Any:
        """Return the central differences, weighted: (weights, directions)."""

        def along(direction):
            ahead = self.function(self.point.vector + step * direction)
            behind = self.function(self.point.vector - step * direction)
            return self.weights @ (ahead - behind) / (2 * step)

        return self.each(along, scaled).T

    @functools.cached_property
    def pulled(self) -> np.ndarray:
        """The gradients that are written by hand, one for each of the weights."""
        assert self.point.pull is not None
        return _each(self.point.pull, self.weights)

    def _by_hand(self, scaled: np.ndarray) -> np.ndarray:
        return self.pulled @ scaled.T

    def _by_jax(self, scaled: Array) -> Array:
        """Return JAX's derivatives, weighted: (weights, directions)."""
        weights, vector = jnp.asarray(self.weights), self.point.vector
        if self.mode == "fwd":
            _, tangents = jax.linearize(self.function, vector)
            return lax.map(lambda d: weights @ tangents(d), scaled).T
        _, pull = jax.vjp(self.function, vector)
        return lax.map(lambda u: pull(u)[0], weights) @ scaled.T

    def worst(self) -> str:
        """Say which derivative has the largest error, and what it should be."""
        row, at = map(int, np.unravel_index(np.argmax(self.ratio), self.ratio.shape))
        column = at
        if not self.all_inputs:
            column, at = self.search(row, self.directions[at]), 0
        found, expected = self.found[row, at], self.expected[row, at]
        scale = max(1.0, abs(float(self.point.vector[column])))
        of = f"output {row}" if self.all_outputs else "a random sum of the outputs"
        what = f"the derivative of {of} at {self.point.names[column]}"
        if not np.isfinite(expected):
            return f"{what} cannot be checked: fun is not finite there or one step away"
        return (
            f"{what} is {float(found) / scale:.8g}, "
            f"expected {float(expected) / scale:.8g}"
        )

    def search(self, row: int, direction: np.ndarray) -> int:
        """Bisect a direction down to a single wrong element."""
        at = np.arange(direction.size)
        while len(at) > 1:
            halves = np.array_split(at, 2)
            parts = np.zeros((2, direction.size))
            for part, half in zip(parts, halves, strict=True):
                part[half] = direction[half]
            at = halves[int(np.argmax(self.compare(parts)[row]))]
        single = np.zeros((1, direction.size))
        single[0, at] = 1
        self.compare(single)
        return int(at[0])


def _each(function: Function, rows: np.ndarray) -> np.ndarray:
    """Return `lax.map` of a function that cannot be traced."""
    return np.stack([function(row) for row in rows])


def _basis(size: int, each: bool, rng: np.random.Generator) -> np.ndarray:
    """Return the unit vectors, or a few random ones without zeros."""
    return np.eye(size) if each else rng.choice((-1.0, 1.0), (8, size))


def _along(
    mode: str, function: Function, vector: Array, rng: np.random.Generator
) -> Function:
    """Return the derivative along a random direction, by the mode."""
    outputs = jax.eval_shape(function, vector).size
    if mode == "fwd":
        tangent = jnp.asarray(rng.normal(size=vector.size))
        return lambda v: jax.jvp(function, (v,), (tangent,))[1]
    cotangent = jnp.asarray(rng.normal(size=outputs))
    return lambda v: jax.vjp(function, v)[1](cotangent)[0]
