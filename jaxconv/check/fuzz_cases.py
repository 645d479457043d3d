"""One random convolution by oneDNN, in a process that it may end.

Run as a program, as `fuzz.py` does, it reads cases from its standard input, one a line
(`onednn/bfloat16/7/mb2ic3oc4ih6iw5kh3kw2cl1`), up to an empty line, and ends when its
input does: whatever becomes of its parent, it is not left behind. It writes two lines
for each case:

    case 3          before it begins the fourth
    same 486        all three maps are right, in so many numbers; or
    wrong output …  what is not

oneDNN, asked by ONEDNN_VERBOSE, writes between them which implementation it ran.
"""

import functools
import itertools
import os
import platform
import sys
import threading
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
import ml_dtypes
import numpy as np

from jaxconv.check.problems import STORED, of_axes, parse_problem, problem
from jaxconv.conv.arguments.shapes import dilate
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import onednn, onednn_region

MAPS = "output", "input_grad", "param_grad"
_TYPES: dict[str, Any] = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16}
_EXACT = 256  # whole numbers up to here are bfloat16's
_MOST_PRODUCTS = 4e6  # of a case
_LONGEST = {1: 60, 2: 14, 3: 8}  # pixels of most axes, by the number of axes
_MOST_TAPS = {1: 63, 2: 7, 3: 4}
_LONG = 0.05  # of the axes are as long as a single one
_BETWEEN_CLEARINGS = 50  # cases: each program holds memory maps, of which few are given


def random_line(rng: np.random.Generator, dtype: str) -> str:
    """Draw a case at the edges of the verified region; one in eight is outside."""
    stored = "".join(f"{name}1" for name in STORED if rng.random() < 0.5)
    seed = int(rng.integers(10**6))
    while True:
        line = problem(_random_geometry(rng)) + stored
        geometry = parse_problem(line)
        few = geometry.flops / 2 < _MOST_PRODUCTS
        if few and not geometry.is_empty and not onednn.unsuitable(geometry, dtype):
            return f"onednn/{dtype}/{seed}/{line}"


def _random_geometry(rng: np.random.Generator) -> Geometry:
    axes, inside = int(rng.choice((1, 2, 2, 3))), rng.random() < 7 / 8
    groups = int(rng.choice((1, 1, 1, 2, 3, 4, 5, 7, 8, 16)))
    few: tuple[int, ...] = (1, 1, 2, 3, 5, 7, 8, 11, 16, 17, 20)
    if groups > 1:
        few = (1, 1, 2, 3, 4, 5, 8, 16)
    ci, co = (int(channels) for channels in rng.choice(few, 2))
    if rng.random() < 0.15:  # depthwise
        groups, ci, co = int(rng.choice((max(groups, 2), 18, 32))), 1, 1
    if rng.random() < 0.06:  # many, also one by one
        many = int(rng.choice((64, 65, 96, 130)))
        groups, ci, co = [(1, many, co), (1, ci, many), (many, 1, 1)][rng.integers(3)]
    settings = [_random_axis(rng, axes, inside) for _ in range(axes)]
    n = int(rng.integers(1, 6) if rng.random() < 7 / 8 else rng.integers(6, 50))
    return of_axes(n, groups * ci, groups * co, groups, settings)


def _random_axis(rng: np.random.Generator, axes: int, inside: bool) -> tuple[Any, ...]:
    """Draw what `of_axes` takes of an axis."""
    axes = 1 if rng.random() < _LONG else axes
    while True:
        taps = int(rng.choice([1, 2, 3, 3, int(rng.integers(1, _MOST_TAPS[axes] + 1))]))
        spread, stride = int(rng.choice((1, 1, 2, 3))), int(rng.choice((1, 1, 2, 3, 4)))
        reach, gap = (taps - 1) * spread, 1
        beyond = int(rng.choice([0, 0, 1, int(rng.integers(_LONGEST[axes]))]))
        size = reach + 1 + beyond
        sides = rng.choice([0, reach, int(rng.integers(reach + 1))], 2)
        low, high = (int(side) for side in sides)
        if not inside:
            gap, size = int(rng.choice((1, 1, 2, 3))), int(rng.integers(1, size + 1))
            low, high = (int(side) for side in rng.integers(-2, reach + 5, 2))
        wide = (size - 1) * gap + 1
        if wide + min(low, 0) + min(high, 0) > 0 and wide + low + high > reach:
            return size, taps, stride, (low, high), gap, spread


def check(line: str) -> tuple[int, list[str]]:
    """Compute a case; return how many numbers were compared and what is wrong."""
    _, dtype, seed, text = line.split("/")
    geometry = parse_problem(text)
    operands, right = whole_numbers(geometry, int(seed))
    maps = jax.jit(functools.partial(three_maps, geometry=geometry))
    last = geometry.channels_last
    given = [a.astype(_TYPES[dtype]) for a in operands]
    given = [np.ascontiguousarray(np.moveaxis(a, 1, -1)) if last else a for a in given]
    found = [np.asarray(a, np.float64) for a in maps(*given)]
    if last:
        found = [np.moveaxis(a, -1, 1) for a in found]
    problems = [
        f"{name} {_difference(ours, theirs)}"
        for name, ours, theirs in zip(MAPS, found, right, strict=True)
        if not np.array_equal(ours, theirs)
    ]
    return sum(a.size for a in right), problems


def three_maps(x: Any, w: Any, g: Any, geometry: Geometry) -> tuple[Any, ...]:
    """Run oneDNN's maps; the arrays lie as `geometry.channels_last` says."""
    last = geometry.channels_last
    x, w, g = (jnp.moveaxis(a, -1, 1) if last else a for a in (x, w, g))
    results = (
        onednn._output(x, w, geometry),
        onednn._input_grad(g, w, geometry),
        onednn._param_grad(x, g, geometry),
    )
    return tuple(jnp.moveaxis(a, 1, -1) if last else a for a in results)


def whole_numbers(geometry: Geometry, seed: int) -> tuple[list[Any], list[Any]]:
    """Return x, w and g, and the three results, all of them exact in bfloat16."""
    rng = np.random.default_rng(seed)
    shapes = geometry.x_shape, geometry.w_shape, geometry.out_shape
    operands = [rng.integers(-2, 3, shape).astype(np.float64) for shape in shapes]
    while True:
        x, w, g = operands
        results = by_numpy(x, w, g, geometry)
        if all(np.abs(a).max(initial=0) <= _EXACT for a in results):
            return operands, results
        operands = [a * rng.integers(0, 2, a.shape) for a in operands]  # half are 0


def by_numpy(x: Any, w: Any, g: Any, geometry: Geometry) -> list[Any]:
    """Compute the three maps from their definition, as products of matrices a group."""
    n, groups, ci, co = geometry.n, geometry.groups, geometry.ci, geometry.co
    there, kept = _places(geometry)
    wide = np.zeros((*x.shape[:2], *geometry.padded))
    wide[there] = x[kept]
    seen = [wide[:, :, *pixels] for pixels in _pixels_of_taps(geometry)]
    shape = n, groups, ci, -1
    # (groups, ci, taps, n, out), (groups, co, ci, taps) and (groups, co, n, out)
    patches = np.stack([a.reshape(shape).transpose(1, 2, 0, 3) for a in seen], 2)
    patches = patches.reshape(groups, ci * geometry.taps, -1)
    filters = w.reshape(ci, groups, co, -1).transpose(1, 2, 0, 3)
    filters = filters.reshape(groups, co, -1)
    grads = g.reshape(n, groups, co, -1).transpose(1, 2, 0, 3).reshape(groups, co, -1)

    y = (filters @ patches).reshape(groups, co, n, -1).transpose(2, 0, 1, 3)
    dw = (grads @ patches.swapaxes(1, 2)).reshape(groups, co, ci, -1)
    dw = dw.transpose(2, 0, 1, 3)
    dpatches = (filters.swapaxes(1, 2) @ grads).reshape(groups, ci, -1, n, g[0, 0].size)
    dwide = np.zeros_like(wide)
    for tap, pixels in enumerate(_pixels_of_taps(geometry)):
        part = dpatches[:, :, tap].transpose(2, 0, 1, 3)
        dwide[:, :, *pixels] += part.reshape(n, groups * ci, *geometry.out)
    dx = np.zeros_like(x)
    dx[kept] = dwide[there]
    return [y.reshape(geometry.out_shape), dx, dw.reshape(geometry.w_shape)]


def _places(geometry: Geometry) -> tuple[Any, Any]:
    """Return where in the padded input the pixels are, and which are not cropped."""
    places, kept = [], []
    gaps = geometry.input_dilation
    axes = zip(geometry.space, geometry.padded, geometry.padding, gaps, strict=True)
    for size, padded, (low, _), gap in axes:
        place = np.arange(size) * gap + low
        inside = (place >= 0) & (place < padded)
        places.append(place[inside])
        kept.append(np.arange(size)[inside])
    return (..., *np.ix_(*places)), (..., *np.ix_(*kept))


def _pixels_of_taps(geometry: Geometry) -> list[tuple[slice, ...]]:
    """Return for each tap the pixels that it reads, one for each output."""
    ends = dilate(geometry.out, geometry.strides)
    return [
        tuple(
            slice(tap * spread, tap * spread + end, stride)
            for tap, spread, end, stride in zip(
                taps, geometry.kernel_dilation, ends, geometry.strides, strict=True
            )
        )
        for taps in itertools.product(*map(range, geometry.kernel))
    ]


def _difference(ours: Any, theirs: Any) -> str:
    if ours.shape != theirs.shape:
        return f"has the shape {ours.shape}, not {theirs.shape}"
    wrong = np.argwhere(ours != theirs)
    place = tuple(map(int, wrong[0]))
    return (
        f"differs in {len(wrong):,} of {ours.size:,} numbers: {ours[place]:g}, not "
        f"{theirs[place]:g}, at {place}"
    )


def read_cases() -> list[str]:
    """Read the cases; end the process when the input ends after the empty line.

    The thread that waits for that runs also while oneDNN hangs.
    """
    lines = []
    for line in sys.stdin:
        if not line.strip():
            threading.Thread(target=_end_with_input, daemon=True).start()
            break
        lines.append(line.strip())
    return lines


def _end_with_input() -> None:
    # Not by `sys.stdin`: a thread that reads it holds a lock which the end waits for.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main(lines: Sequence[str]) -> None:
    """Check cases, and say so line by line."""
    for index, line in enumerate(lines):
        print("case", index, flush=True)
        try:
            numbers, problems = check(line)
        except Exception as error:
            first = f"{error}".strip().splitlines()[:1]
            numbers, problems = 0, [f"raises {type(error).__name__}: {''.join(first)}"]
        said = f"wrong {'; '.join(problems)}" if problems else f"same {numbers}"
        print(said, flush=True)
        if index % _BETWEEN_CLEARINGS == _BETWEEN_CLEARINGS - 1:
            jax.clear_caches()


if __name__ == "__main__":
    if "--unverified" in sys.argv:  # `verify.py --probe` asks whether it holds here
        here = jaxlib.__version__, platform.system(), platform.machine()
        onednn_region.VERIFIED[here] = dict.fromkeys(_TYPES, "")
    main(read_cases())
