"""Seeded bugs in the three maps of a convolution.

The convolution is strided, dilated, padded unevenly and grouped; each bug changes one
of its maps, or both gradients, as an author might by mistake. A checker that passes
one of them passes a wrong gradient.
"""

import functools

import jax
import jax.numpy as jnp

from jaxconv.check.calling import Map
from jaxconv.conv.api import conv, conv_input_grad, conv_param_grad

Maps = dict[str, Map]

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
    """Interleave the channels of two groups."""
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


def with_bug(bug: Maps) -> tuple[Map, Map, Map]:
    """Return output, input_grad and param_grad, some replaced."""
    return (
        bug.get("output", OUTPUT),
        bug.get("input_grad", INPUT_GRAD),
        bug.get("param_grad", PARAM_GRAD),
    )
