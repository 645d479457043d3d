"""Find which gradient checker finds which seeded bug, at several random points."""

import functools
import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.check.bilinear import check_bilinear
from jaxconv.check.calling import Map
from jaxconv.check.mutations import BUGS, Maps, W, X, with_bug

POINTS = 10
NO_BUG = "none"

Finder = Callable[[tuple[Map, Map, Map], int], bool]  # of the maps and a seed
Alarms = tuple[bool, ...]  # whether a checker raised one, at each of the points


class Kills(NamedTuple):
    """At which of POINTS random points each checker raised an alarm."""

    bug: str
    check_bilinear: Alarms
    check_grads: Alarms  # `jax.test_util.check_grads`
    gradcheck: Alarms | None  # `torch.autograd.gradcheck`; None without torch


def spread(right: Alarms | None, bugs: Iterable[Alarms | None]) -> str:
    """Say how many bugs are found at a point: the fewest and the most.

    Points where the checker raises an alarm at right maps too are left out; "-" stands
    for a checker that did not run.

    >>> spread((False, False, True), [(True, False, True), (True, True, True)])
    '1 to 2'
    """
    found = [alarms for alarms in bugs if alarms is not None]
    points = zip(right or (), *found, strict=False)
    counts = [sum(alarms) for false_alarm, *alarms in points if not false_alarm]
    if not counts:
        return "-"
    few, many = min(counts), max(counts)
    return f"{few}" if few == many else f"{few} to {many}"


def study(bugs: Mapping[str, Maps] = BUGS) -> Iterator[Kills]:
    """Run each checker on each bug, in the type it is made for.

    The first row is for right maps, where any alarm is false.
    """
    torch: Any = None
    if importlib.util.find_spec("torch"):
        torch = importlib.import_module("torch")
    every: dict[str, Maps] = {NO_BUG: {}, **bugs}
    for words, bug in every.items():
        used = with_bug(bug)
        yield Kills(
            words,
            _at_each_point(_check_bilinear_finds, used),
            _at_each_point(_check_grads_finds, used),
            torch and _at_each_point(functools.partial(_gradcheck_finds, torch), used),
        )


def _at_each_point(finds: Finder, maps: tuple[Map, Map, Map]) -> Alarms:
    return tuple(finds(maps, seed) for seed in range(POINTS))


def _check_bilinear_finds(maps: tuple[Map, Map, Map], seed: int) -> bool:
    return not check_bilinear(*maps, X, W, entries=10, seed=seed).ok


def _point(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=X), rng.normal(size=W)


def _check_grads_finds(maps: tuple[Map, Map, Map], seed: int) -> bool:
    from jax.test_util import check_grads

    output, input_grad, param_grad = maps
    function = jax.custom_vjp(output)
    function.defvjp(
        lambda x, w: (output(x, w), (x, w)),
        lambda saved, g: (input_grad(g, saved[1]), param_grad(saved[0], g)),
    )
    operands = [jnp.asarray(a, "float32") for a in _point(seed)]
    np.random.seed(seed)  # which check_grads draws its directions from
    try:
        check_grads(function, operands, order=1, modes=("rev",))
    except Exception:  # an assertion, or the refusal of a wrong shape
        return True
    return False


def _gradcheck_finds(torch: Any, maps: tuple[Map, Map, Map], seed: int) -> bool:
    output, input_grad, param_grad = maps

    def call(function: Map, a: Any, b: Any) -> Any:
        with jax.enable_x64(True):
            arrays = (jnp.asarray(t.detach().numpy()) for t in (a, b))
            return torch.from_numpy(np.array(function(*arrays)))

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            ctx.save_for_backward(x, w)
            return call(output, x, w)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, w = ctx.saved_tensors
            return call(input_grad, g, w), call(param_grad, x, g)

    operands = [torch.from_numpy(a).requires_grad_() for a in _point(seed)]
    try:
        torch.autograd.gradcheck(Function.apply, operands)
    except Exception:  # its own error, or the refusal of a wrong shape
        return True
    return False
