"""One run of the checks: draws the operands, calls the maps, records what is found."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from jaxconv.check.calling import Caller, Map, MapError, Shape, called
from jaxconv.check.causes import in_order
from jaxconv.check.layout import Axes, Layout, axes_of
from jaxconv.check.report import Failure, Report, Row
from jaxconv.conv.methods.rounding import Rounding, of_products
from jaxconv.conv.operands import OPERANDS, Operand

Index = tuple[int, ...]


class Trial:
    """Three maps, operands for them, and the rows and failures so far."""

    layout: Layout | None = None  # which axes are which, if told
    others: bool = False  # whether the maps are other people's: see `foreign.py`

    def __init__(
        self,
        maps: dict[str, Map],
        x_shape: Sequence[int],
        w_shape: Sequence[int],
        dtype: DTypeLike,
        seed: int,
        rounding: Callable[[str], Rounding] | None = None,
    ) -> None:
        """Draw the operands; `g` is shaped like the output.

        `rounding` gives each map's bound; None if the maps add up products.

        Raises:
          MapError: a map raised, or did not return an array.
        """
        self.maps = maps
        self.callers = {name: Caller(maps, name) for name in maps}
        self.set_dtype(dtype)
        self.rounding = rounding or self._of_counted_products
        self.rng = np.random.default_rng(seed)
        self.rows: list[Row] = []
        self.failures: list[Failure] = []
        self.notes: list[str] = []
        self.lost: dict[str, str] = {}  # maps that take no part, and why
        self.results: dict[str, np.ndarray] = {}
        self.terms = dict.fromkeys(OPERANDS, 1.0)
        self.largest = 1
        self.operands = {"x": np.ones(tuple(x_shape)), "w": np.ones(tuple(w_shape))}
        self.begin()

    def begin(self) -> None:
        """Call each map for the first time, and draw the operands."""
        self.operands["g"] = np.ones(self.run("output").shape)
        self.terms = {name: self.count_terms(name) for name in OPERANDS}
        self.draw_operands()

    def set_dtype(self, dtype: DTypeLike) -> None:
        """Set the type of the operands."""
        self.dtype = jnp.dtype(dtype)
        self.digits = jnp.finfo(self.dtype).nmant + 1
        # Subnormal results are rounded to a multiple of this.
        self.smallest = float(jnp.finfo(self.dtype).smallest_subnormal)

    def count_terms(self, name: str) -> float:
        """Return how many products an element sums at most: its value for ones."""
        count = largest(self.run(name))
        if not np.isfinite(count):
            called_as = called(name, *self.arrays(*OPERANDS[name][:2]))
            raise MapError(name, f"returned {count} for ones, {called_as}")
        return count

    def draw_operands(self, most: int = 63) -> None:
        """Draw the operands anew, as large as sums are exact but at most `most`."""
        # Even 3 times a sum of that many complex products (2 real ones each) is exact.
        room = 2.0**self.digits / (3 * 2 * max(self.terms.values()))
        self.largest = int(min(max(room**0.5, 1), most))
        self.operands = {k: self.draw(v.shape) for k, v in self.operands.items()}

    def draw(self, shape: Shape) -> np.ndarray:
        """Draw whole numbers, 1 to `largest` in size: a 0 would hide wrong elements."""
        sizes = self.rng.integers(1, self.largest + 1, (2, *shape))
        real, imaginary = sizes * self.rng.choice((-1, 1), (2, *shape))
        if jnp.issubdtype(self.dtype, jnp.complexfloating):
            return np.asarray(real + 1j * imaginary)
        return np.asarray(real, np.float64)

    def call(self, name: str, a: np.ndarray, b: np.ndarray, **memory: int) -> Any:
        """Call a map as its author would.

        Raises:
          MapError: it raised, or did not return an array.
        """
        with np.errstate(all="ignore"):  # an inf is sent through on purpose
            return self.callers[name](a, b, self.dtype, self.shape_of(name), **memory)

    def shape_of(self, name: str) -> Shape | None:
        """Return the shape that a map's result should have; None if unknown."""
        result = self.operands.get(OPERANDS[name][2])
        return None if result is None else result.shape

    def read(self, name: str, result: Any) -> np.ndarray:
        """Return a map's result as float64 or complex128."""
        return widen(result)

    def snapped(self, name: str, value: np.ndarray) -> np.ndarray:
        """Return what JAX derived from the output as a result of the map `name`."""
        return value

    def arrays(self, *operands: str) -> list[Array]:
        """Return some of the operands as arrays of the trial's type."""
        return [jnp.asarray(self.operands[key], self.dtype) for key in operands]

    def run(self, name: str, **changed: np.ndarray) -> np.ndarray:
        """Return a map's result, widened, with some of its operands changed."""
        a, b, _ = OPERANDS[name]
        operands = self.operands | changed
        return self.read(name, self.call(name, operands[a], operands[b]))

    def exactly(self) -> "Trial | None":
        """Return a trial that takes out rounding, where this one only bounds it."""
        return None

    def axes(self, operand: Operand) -> Axes:
        """Return which axes of an operand are which."""
        return axes_of(self.layout, operand, self.operands[operand].ndim)

    def usable(self, *names: str) -> bool:
        """Return whether all of some maps take part."""
        return not any(name in self.lost for name in names)

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Record that a map failed, and go on without it."""
        try:
            yield
        except MapError as error:
            self.lose(error)

    def lose(self, error: MapError) -> None:
        """Record the failure of a map, which takes no further part."""
        name = error.failure.map
        if name not in self.lost:
            self.rows.append(error.row)
            self.failures.append(error.failure)
        self.lost[name] = f"{name} failed before"

    def linear(self, operand: str, value: np.ndarray) -> Any:
        """Return `sum(g * output)` with `value` in place of the operand x or w."""
        return dot(self.operands["g"], self.run("output", **{operand: value}))

    def gradient(self, name: str, **changed: np.ndarray) -> np.ndarray:
        """Return the right gradient, element by element from the output."""
        operand = OPERANDS[name][2]
        shape = self.operands[operand].shape
        g = changed.pop("g", self.operands["g"])
        each = [
            dot(g, self.run("output", **changed | {operand: impulse(shape, at)}))
            for at in np.ndindex(shape)
        ]
        return np.array(each).reshape(shape)

    def some(self, shape: Shape, most: int) -> list[Index]:
        """Return all indices, or `most` of them at random."""
        size = int(np.prod(shape))
        chosen = range(size) if size <= most else self.rng.choice(size, most, False)
        return [index_of(i, shape) for i in sorted(chosen)]

    def bound(
        self, name: str, larger: int = 1, **changed: np.ndarray
    ) -> np.ndarray | float:
        """Return the bound on a map's rounding error; operands `larger` times as large.

        It is 0 where the operands are whole numbers and all sums are exact.
        """
        stated = self.rounding(name)
        operands = self.operands | changed
        products = 2 * larger * self.terms[name] * self.largest**2
        exact = stated.to == "sum" and products <= 2.0**self.digits
        if exact and all(np.array_equal(a, np.rint(a)) for a in changed.values()):
            return 0.0
        if stated.to == "norms":
            a, b, _ = OPERANDS[name]
            norms = [float(np.linalg.norm(operands[key])) for key in (a, b)]
            return stated.relative * larger * math.prod(norms) + self.smallest
        sizes = {key: np.abs(a) for key, a in operands.items()}
        total = larger * np.abs(self.run(name, **sizes))
        size = total if stated.to == "sum" else largest(total)
        return stated.relative * size + self.smallest

    @property
    def large(self) -> float:
        """A number so large that it shows, and no sum with it overflows."""
        most = float(jnp.finfo(self.dtype).max)
        size = 64 * self.largest * max(self.terms.values())
        return 2.0 ** math.floor(math.log2(most / size))

    @property
    def adds_up(self) -> bool:
        """Whether all maps add up products and nothing else."""
        return all(self.rounding(name).to == "sum" for name in OPERANDS)

    def _of_counted_products(self, name: str) -> Rounding:
        a, b = (self.operands[key].size for key in OPERANDS[name][:2])
        # More products than pairs are no count: the map scales them.
        return of_products(int(min(self.terms[name], a * b)), self.dtype)

    def compare(
        self,
        check: str,
        name: str,
        found: np.ndarray,
        expected: np.ndarray,
        bound: np.ndarray | float = 0.0,
        where: Sequence[Index] | None = None,
    ) -> None:
        """Add a row, and a failure for the largest error if it is beyond its bound.

        `where`, if given, holds the indices along the first axis of the arrays.
        """
        found, expected = np.asarray(found), np.asarray(expected)
        with np.errstate(all="ignore"):
            error = np.abs(found - expected)
            ratio = np.where(error == 0, 0.0, error / np.asarray(bound))
        ratio = np.nan_to_num(ratio, nan=np.inf, posinf=np.inf)
        worst = float(ratio.max(initial=0))
        self.rows.append(Row(check, name, found.size, worst))
        if worst > 1:
            at = index_of(int(np.argmax(ratio)), ratio.shape)
            index = at if where is None else where[at[0]]
            wrong = int((ratio > 1).sum())
            values = found[at], expected[at]
            problem = (
                f"element {index} is {number(values[0])}, expected "
                f"{number(values[1])}; {wrong:,} of {found.size:,} differ"
            )
            self.fail(check, name, problem, None, index, *values)

    @property
    def report(self) -> Report:
        """What was found so far, the most specific failure first."""
        ordered = in_order(self.failures)
        return Report(tuple(self.rows), tuple(ordered), tuple(self.notes))

    def fail(
        self,
        check: str,
        name: str,
        problem: str,
        pattern: str | None = None,
        index: Index | None = None,
        found: Any = None,
        expected: Any = None,
    ) -> None:
        """Record a failure."""
        failure = Failure(check, name, problem, pattern, index, found, expected)
        self.failures.append(failure)

    def skip(self, check: str, name: str, why: str) -> None:
        """Record that a check was not done."""
        self.rows.append(Row(check, name, 0, 0.0, why))


def impulse(shape: Shape, index: Index) -> np.ndarray:
    """Return zeros with a one at `index`."""
    array = np.zeros(shape)
    array[index] = 1
    return array


def index_of(position: Any, shape: Shape) -> Index:
    """Return the index of a position in the flattened array."""
    return tuple(map(int, np.unravel_index(position, shape)))


def widen(result: Any) -> np.ndarray:
    """Return a map's result as float64 or complex128."""
    array = np.asarray(result)
    return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)


def dot(a: np.ndarray, b: np.ndarray) -> Any:
    """Return `sum(a * b)`, without conjugation; exact for whole numbers up to 2**53."""
    return np.sum(a * b)


def number(value: Any) -> str:
    """Format a number so that one unit in the last place of float32 shows."""
    return f"{value:.10g}"


def largest(array: np.ndarray) -> float:
    """Return the largest size of an element, at least 1."""
    return float(np.abs(array).max(initial=1))
