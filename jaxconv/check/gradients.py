"""Check the derivatives of any function of pytrees against central differences.

In float64, with h the step and D_h the central difference, the error of D_h is about a
third of `D_2h - D_h`, plus the rounding of two values over 2 h; that of the
extrapolated `(4 D_h - D_2h) / 3` is smaller. A derivative that is further off than the
sum of the first two is wrong. Small functions are compared entry by entry of the
Jacobian, large ones along random directions, which then are searched for the entry.

Source: Dennis and Schnabel, "Numerical Methods for Unconstrained Optimization", 1996,
section 5.4, for the step.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from jaxconv.check.report import Failure, Report, Row

Function = Callable[[Array], Array]


def check_gradients(
    fun: Callable[..., Any],
    args: Sequence[Any],
    *,
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    entries: int = 256,
    seed: int = 0,
) -> Report:
    """Check the derivatives that JAX takes of `fun`, its custom rules among them.

    Args:
      fun: a function of pytrees of arrays, to a pytree of arrays. It is called in
        float64: what it converts to shorter types is checked as coarsely.
      args: its arguments; leaves that are not real floating-point are kept constant.
      order: up to which order, 1 or more. Above 1 the derivative along a random
        direction is checked in turn.
      modes: "fwd", "rev" or both: the modes to check, at each order.
      entries: the largest number of inputs, and of outputs, that are gone through one
        by one; more are combined at random.
      seed: of the random directions.

    Returns:
      A report, whose failures name the leaf and index.

    Raises:
      ValueError: no leaf of the arguments is real floating-point, or a mode is unknown.

    >>> check_gradients(lambda x: jnp.sin(x["a"]), ({"a": jnp.arange(3.0)},)).ok
    True
    """
    unknown = set(modes) - {"fwd", "rev"}
    if unknown or not modes:
        raise ValueError(
            f'check_gradients: modes must be "fwd", "rev" or both, got {modes!r}.'
        )
    with jax.enable_x64(True):
        point = _as_vector(fun, args)
        rng = np.random.default_rng(seed)
        rows: list[Row] = []
        failures: list[Failure] = []
        pending: list[tuple[str, Function]] = [("", point.function)]
        for number in range(1, order + 1):
            following = []
            for path, function in pending:
                for mode in modes:
                    name = f"{mode} of {path}" if path else mode
                    comparison = _Comparison(point, function, mode, entries, rng)
                    rows.append(
                        Row(f"order {number}", name, *comparison.size_and_error)
                    )
                    if rows[-1].error > 1:
                        problem = comparison.worst()
                        failures.append(Failure(f"order {number}", name, problem))
                    following.append((name, _along(mode, function, point.vector, rng)))
            pending = following
    return Report(tuple(rows), tuple(failures))


class _Point(NamedTuple):
    """Where a function is differentiated: all real leaves as one vector."""

    vector: Array
    names: list[str]  # of the vector's elements
    function: Function  # of the vector, to a vector
    rounding: float  # relative, of the function's values


def _as_vector(fun: Callable[..., Any], args: Sequence[Any]) -> _Point:
    """Return `fun` as a function of one vector."""
    paths, tree = jax.tree_util.tree_flatten_with_path(tuple(args))
    leaves = [jnp.asarray(leaf) for _, leaf in paths]
    real = [jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves]
    if not any(real):
        raise ValueError(
            "check_gradients: args must hold a real floating-point array, got "
            f"{[str(leaf.dtype) for leaf in leaves]}. Give real and imaginary parts of "
            "complex ones apart."
        )
    triples = list(zip(paths, leaves, real, strict=True))
    free = [leaf.astype("float64") for _, leaf, mine in triples if mine]
    names = [
        f"args{jax.tree_util.keystr(path)}{list(index) if index else ''}"
        for (path, _), leaf, mine in triples
        if mine
        for index in np.ndindex(leaf.shape)
    ]
    vector, restore = ravel_pytree(free)

    def results(vector: Array) -> list[Array]:
        given = iter(restore(vector))
        full = [next(given) if mine else leaf for _, leaf, mine in triples]
        found = map(jnp.asarray, jax.tree.leaves(fun(*jax.tree.unflatten(tree, full))))
        return [r for r in found if jnp.issubdtype(r.dtype, jnp.floating)]

    def function(vector: Array) -> Array:
        return jnp.concatenate(
            [jnp.ravel(result).astype("float64") for result in results(vector)]
        )

    types = [result.dtype for result in jax.eval_shape(results, vector)]
    if not types:
        raise ValueError(
            "check_gradients: fun must return a real floating-point array, got none."
        )
    rounding = max(float(jnp.finfo(dtype).eps) for dtype in types)
    return _Point(vector, names, function, rounding)


class _Comparison:
    """The derivative of a function, by JAX and by differences, along directions."""

    def __init__(
        self,
        point: _Point,
        function: Function,
        mode: str,
        entries: int,
        rng: np.random.Generator,
    ) -> None:
        self.point, self.function, self.mode = point, function, mode
        inputs = point.vector.size
        outputs = jax.eval_shape(function, point.vector).size
        self.all_inputs, self.all_outputs = inputs <= entries, outputs <= entries
        self.directions = _basis(inputs, self.all_inputs, rng)
        self.weights = _basis(outputs, self.all_outputs, rng)
        self.difference = jax.jit(self._difference)  # a search calls them many times
        self.by_jax = jax.jit(self._by_jax)
        self.ratio = self.compare(self.directions)

    @property
    def size_and_error(self) -> tuple[int, float]:
        """How many numbers are compared, and the largest error over its bound."""
        return self.ratio.size, float(self.ratio.max(initial=0))

    def compare(self, directions: np.ndarray) -> np.ndarray:
        """Return the error in units of its bound, for each weight and direction."""
        vector = self.point.vector
        scaled = jnp.asarray(directions * np.maximum(1, np.abs(vector)))
        weights = jnp.asarray(self.weights)
        h = self.point.rounding ** (1 / 3)
        once, twice, four = (self.difference(scaled, k * h) for k in (1, 2, 4))
        sizes = jnp.abs(weights).sum(1) * jnp.abs(self.function(vector)).max(initial=0)
        # Two differences of steps: one alone may vanish where it should not.
        bound = jnp.abs(twice - once) + jnp.abs(four - twice) / 4
        bound += 64 * self.point.rounding / h * sizes[:, None]
        self.found, self.expected = self.by_jax(scaled), (4 * once - twice) / 3
        error = jnp.abs(self.found - self.expected)
        ratio = jnp.where(error == 0, 0, error / bound)
        return np.nan_to_num(np.asarray(ratio), nan=np.inf, posinf=np.inf)

    def _difference(self, scaled: Array, step: Array) -> Array:
        """Return the central differences, weighted: (weights, directions)."""
        weights = jnp.asarray(self.weights)

        def along(direction):
            ahead = self.function(self.point.vector + step * direction)
            behind = self.function(self.point.vector - step * direction)
            return weights @ (ahead - behind) / (2 * step)

        return lax.map(along, scaled).T

    def _by_jax(self, scaled: Array) -> Array:
        """Return the derivatives that JAX takes, weighted: (weights, directions)."""
        weights, vector = jnp.asarray(self.weights), self.point.vector
        if self.mode == "fwd":
            _, tangents = jax.linearize(self.function, vector)
            return lax.map(lambda d: weights @ tangents(d), scaled).T
        _, pull = jax.vjp(self.function, vector)
        return lax.map(lambda u: pull(u)[0], weights) @ scaled.T

    def worst(self) -> str:
        """Name the derivative that is furthest off."""
        row, at = map(int, np.unravel_index(np.argmax(self.ratio), self.ratio.shape))
        column = at
        if not self.all_inputs:
            column, at = self.search(row, self.directions[at]), 0
        found, expected = self.found[row, at], self.expected[row, at]
        scale = max(1.0, abs(float(self.point.vector[column])))
        of = f"output {row}" if self.all_outputs else "a random sum of the outputs"
        return (
            f"the derivative of {of} at {self.point.names[column]} is "
            f"{float(found) / scale:.8g}, expected {float(expected) / scale:.8g}"
        )

    def search(self, row: int, direction: np.ndarray) -> int:
        """Halve a direction until a single element is left that is wrong."""
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
