"""Seeded bugs in the three maps of a convolution, and who finds them.

The convolution is strided, dilated, padded unevenly and grouped; each bug changes one
of its maps, or both gradients, as an author might by mistake. A checker that passes
one of them passes a wrong gradient.
"""

import functools
import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxconv.check.bilinear import check_bilinear
from jaxconv.check.calling import Map
from jaxconv.conv.api import conv, conv_input_grad, conv_param_grad

Maps = dict[str, Map]
Finder = Callable[[tuple[Map, Map, Map], int], bool]  # of the maps and a seed

X, W = (3, 4, 6, 6), (2, 6, 3, 3)
FACTS = {
    "strides": (2, 1),
    "kernel_dilation": (1, 2),
    "padding": ((1, 0), (2, 1)),
    "groups": 2,
}


@functools.cache
def maps(**changed):
    """The three maps; the settings of the gradients may be changed."""
    facts = FACTS | changed

    def output(x, w):
        return conv(x, w, **facts)

    def input_grad(g, w):
        return conv_input_grad(g, w, input_shape=X, **facts)

    def param_grad(x, g):
        return conv_param_grad(x, g, kernel_shape=W, **facts)

    return tuple(jax.jit(f) for f in (output, input_grad, param_grad))


OUTPUT, INPUT_GRAD, PARAM_GRAD = maps()
NAMES = ("output", "input_grad", "param_grad")


def wrong_settings(**changed):
    """The gradients of a convolution with other settings."""
    _, input_grad, param_grad = maps(**changed)
    return {"input_grad": input_grad, "param_grad": param_grad}


def after(name, change):
    """A map whose result is changed."""
    real = dict(zip(NAMES, (OUTPUT, INPUT_GRAD, PARAM_GRAD), strict=True))[name]
    return {name: jax.jit(lambda a, b: change(real(a, b)))}


def before(name, change):
    """A map whose operands are changed."""
    real = dict(zip(NAMES, (OUTPUT, INPUT_GRAD, PARAM_GRAD), strict=True))[name]
    return {name: jax.jit(lambda a, b: real(*change(a, b)))}


def turned(w):
    """Turn filters by 180 degrees."""
    return jnp.flip(w, (2, 3))


def mixed(a):
    """The channels of two groups, dealt out in turn."""
    n, channels, *space = a.shape
    return a.reshape(n, 2, channels // 2, *space).swapaxes(1, 2).reshape(a.shape)


def only(n):
    """Keep one example."""
    return lambda a: jnp.zeros_like(a).at[n].set(a[n])


ELEMENT = {
    "output": (1, 4, 1, 2),
    "input_grad": (2, 1, 3, 4),
    "param_grad": (1, 2, 2, 0),
}
BUGS = {
    f"{name}: one element {words}": after(
        name, lambda a, at=ELEMENT[name], f=f: a.at[at].set(f(a[at]))
    )
    for name in NAMES
    for words, f in (
        ("2 % too large", lambda v: v * 1.02),
        ("one too large", lambda v: v + 1),
        ("in the last place", lambda v: jnp.nextafter(v, jnp.inf)),
        ("not written", lambda v: v * 0),
        ("of the wrong sign", lambda v: -v),
    )
}
BUGS |= {
    "gradients: padding sides swapped": wrong_settings(padding=((0, 1), (1, 2))),
    "gradients: padding off by one": wrong_settings(padding=((0, 1), (2, 1))),
    "gradients: padding off by one, other axis": wrong_settings(
        padding=((1, 0), (3, 0))
    ),
}
for _name in ("input_grad", "param_grad"):
    BUGS |= {
        f"{_name}: {words}": {_name: wrong_settings(**facts)[_name]}
        for words, facts in {
            "padding sides swapped": {"padding": ((0, 1), (1, 2))},
            "padding of the other axis": {"padding": ((1, 0), (1, 2))},
        }.items()
    }
    BUGS |= {
        f"{_name}: last two axes exchanged": after(_name, lambda a: a.swapaxes(2, 3)),
        f"{_name}: off by one": after(_name, lambda a: jnp.roll(a, 1, 3)),
        f"{_name}: turned by 180 degrees": after(_name, turned),
        f"{_name}: groups mixed": after(_name, mixed),
        f"{_name}: divided by the batch": after(_name, lambda a: a / 3),
        f"{_name}: squared": after(_name, lambda a: a * jnp.abs(a)),
        f"{_name}: a constant added": after(_name, lambda a: a + 1),
        f"{_name}: added up in bfloat16": after(
            _name, lambda a: a.astype("bfloat16").astype("float32")
        ),
    }
BUGS |= {
    "input_grad: of one example": before("input_grad", lambda g, w: (only(0)(g), w)),
    "param_grad: of one example": before("param_grad", lambda x, g: (x, only(0)(g))),
    "input_grad: filter not turned": before("input_grad", lambda g, w: (g, turned(w))),
    "input_grad: a tap dropped": before(
        "input_grad", lambda g, w: (g, w.at[..., 1, 0].set(0))
    ),
    "param_grad: a tap dropped": after("param_grad", lambda a: a.at[..., 1, 0].set(0)),
    "output: a tap dropped": before("output", lambda x, w: (x, w.at[..., 2, 2].set(0))),
    "output: not linear": after("output", lambda y: jnp.maximum(y, -20)),
    "output: of the batch turned round": after("output", lambda y: y[::-1]),
    "output: a nan is hidden": after("output", jnp.nan_to_num),
    "param_grad: of another shape": after("param_grad", lambda a: a.swapaxes(0, 1)),
    "param_grad: of another type": after("param_grad", lambda a: a.astype("float16")),
}


Alarms = tuple[bool, ...]  # whether a checker raised one, at each of the points


class Kills(NamedTuple):
    """At which of POINTS random points each checker raised an alarm."""

    bug: str
    check_bilinear: Alarms
    check_grads: Alarms  # `jax.test_util.check_grads`
    gradcheck: Alarms | None  # `torch.autograd.gradcheck`; None without torch


POINTS = 10
NO_BUG = "none"


def spread(right: Alarms | None, bugs: Iterable[Alarms | None]) -> str:
    """Say how many bugs are found at one point: from the fewest to the most.

    Points where the checker raises an alarm at right maps too say nothing, and are left
    out; "-" stands for a checker that did not run.

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


def with_bug(bug: Maps) -> tuple[Map, Map, Map]:
    """Return output, input_grad and param_grad, some replaced."""
    return (
        bug.get("output", OUTPUT),
        bug.get("input_grad", INPUT_GRAD),
        bug.get("param_grad", PARAM_GRAD),
    )


def study(bugs: Mapping[str, Maps] = BUGS) -> Iterator[Kills]:
    """Let each checker look for each bug, in the type it is made for.

    First at right maps, where finding anything is a false alarm.
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
