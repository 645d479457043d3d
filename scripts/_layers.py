"""What `bench.py layers` times: pooling and dense layers, by each contestant."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import lax

from jaxconv import nn
from jaxconv.conv.pooling.api import max_pool

MAPS = ("forward", "gradients", "both")
Calls = dict[str, Callable[[], Any]]

# (batch, features, neurons), and whether --quick has it.
DENSE = {
    "dense 784 to 128": ((60, 784, 128), False),
    "dense 25088 to 10": ((60, 25088, 10), True),
    "dense 1024 to 1024": ((64, 1024, 1024), False),
}
# (batch, channels, height and width), window, strides, padding.
POOLS = {
    "max pool 2x2": ((32, 64, 56), 2, 2, 0),
    "max pool 3x3, strided": ((32, 64, 56), 3, 2, 1),
}


def names(quick: bool) -> list[str]:
    """Return the layers: dense ones, and pooling in two layouts."""
    dense = [name for name, (_, in_quick) in DENSE.items() if in_quick or not quick]
    layouts = ("NHWC",) if quick else ("NHWC", "NCHW")
    return dense + [f"{name}, {at}" for name in POOLS for at in layouts]


def contestants(name: str, torch: bool) -> dict[str, Calls]:
    """Return each one's maps of a layer, with their inputs."""
    if name in DENSE:
        return _dense(*DENSE[name][0], torch)
    kind, _, layout = name.rpartition(", ")
    return _pool(*POOLS[kind], layout, torch)


def _of_jax(forward: Callable[..., Any], given: tuple[Any, ...], g: Any) -> Calls:
    """Return the maps of a function, gradients by `jax.vjp`."""

    def gradients(g: Any, *given: Any) -> Any:
        return jax.vjp(forward, *given)[1](g)

    def both(g: Any, *given: Any) -> Any:
        y, pull = jax.vjp(forward, *given)
        return y, pull(g)

    compiled = {"gradients": jax.jit(gradients), "both": jax.jit(both)}
    whole = jax.jit(forward)
    return {
        "forward": lambda: whole(*given),
        **{k: functools.partial(call, g, *given) for k, call in compiled.items()},
    }


def _dense(n: int, features: int, neurons: int, torch: bool) -> dict[str, Calls]:
    rng = np.random.default_rng(0)
    sizes = [(n, features), (features, neurons), (neurons,), (n, neurons)]
    x, w, b, g = (rng.normal(size=size).astype("float32") for size in sizes)
    given = tuple(map(jax.numpy.asarray, (x, w, b)))
    layer = nn.Dense(neurons)

    def ours(x: Any, w: Any, b: Any) -> Any:
        return layer.apply({"weights": w, "bias": b}, x)

    def plain(x: Any, w: Any, b: Any) -> Any:
        return x @ w + b[None]

    weight = jax.numpy.asarray(g)
    found = {
        "jaxconv": _of_jax(ours, given, weight),
        "jax": _of_jax(plain, given, weight),
    }
    if torch:
        from torch import from_numpy
        from torch.nn.functional import linear

        ts = [from_numpy(x), from_numpy(w.T.copy()), from_numpy(b)]
        found["torch"] = _of_torch(linear, ts, from_numpy(g))
    return found


def _pool(
    sizes: tuple[int, int, int],
    window: int,
    strides: int,
    padding: int,
    layout: str,
    torch: bool,
) -> dict[str, Calls]:
    n, channels, size = sizes
    rng = np.random.default_rng(0)
    last = layout == "NHWC"
    shape = (n, size, size, channels) if last else (n, channels, size, size)
    x = np.maximum(rng.normal(size=shape), 0).astype("float32")  # zeros: ties
    space = (1, 2) if last else (2, 3)

    def along(value: Any, other: Any) -> tuple[Any, ...]:
        return tuple(value if axis in space else other for axis in range(4))

    def ours(x: Any) -> Any:
        return max_pool(x, window, strides=strides, padding=padding, channels_last=last)

    def plain(x: Any) -> Any:
        pads = along((padding, padding), (0, 0))
        moves = along(window, 1), along(strides, 1), pads
        return lax.reduce_window(x, -np.inf, lax.max, *moves)

    given = (jax.numpy.asarray(x),)
    out = jax.eval_shape(ours, *given).shape
    g = rng.normal(size=out).astype("float32")
    found = {
        "jaxconv": _of_jax(ours, given, jax.numpy.asarray(g)),
        "jax": _of_jax(plain, given, jax.numpy.asarray(g)),
    }
    if torch:
        from torch import from_numpy
        from torch.nn.functional import max_pool2d

        tensors = [from_numpy(a) for a in (x, g)]
        if last:
            tensors = [a.permute(0, 3, 1, 2) for a in tensors]
        found["torch"] = _of_torch(
            lambda x: max_pool2d(x, window, strides, padding), tensors[:1], tensors[1]
        )
    return found


def _of_torch(forward: Callable[..., Any], given: list[Any], g: Any) -> Calls:
    """Return PyTorch's maps. Its gradients include the forward map, as `both` does."""
    import torch

    leaves = [array.detach().requires_grad_() for array in given]

    def run() -> Any:
        with torch.no_grad():
            return forward(*given)

    def both() -> Any:
        y = forward(*leaves)
        return y, torch.autograd.grad(y, leaves, g)

    return {"forward": run, "gradients": both, "both": both}


def time_it(name: str, seconds: float, torch: bool) -> list[dict[str, Any]]:
    """Time the maps of a layer, in turn; a row for each."""
    from _timing import alternate

    calls, rows = contestants(name, torch), []
    for which in MAPS:
        maps = {who: own[which] for who, own in calls.items()}
        nothing: dict[str, Any] = {who: [()] for who in maps}
        timings = alternate(maps, nothing, seconds, jax.block_until_ready)
        ours = timings.pop("jaxconv")
        row = {"layer": name, "map": which, "jaxconv ms": ours.median}
        row |= {f"{who} ms": timing.median for who, timing in timings.items()}
        row |= {
            f"ratio to {who}": ours.times_faster_than(timing)
            for who, timing in timings.items()
        }
        rows.append(row)
    jax.clear_caches()
    return rows


def shown(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a table of Markdown: ms, and how many times faster."""
    who = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
    lines = ["| " + " | ".join(who) + " |", "|" + "---|" * len(who)]
    for row in rows:
        cells = (row.get(key, "") for key in who)
        texts = (f"{c:.2f}" if isinstance(c, float) else str(c) for c in cells)
        lines.append("| " + " | ".join(texts) + " |")
    return "\n".join(lines)
