"""Convolutions with a seeded bug, as an author might write them, for the checker.

Each is three functions over eight numbers and three weights, unless `x_shape` and
`w_shape` say otherwise; `jnp` and `np` are there. A bug is one change to right code.
"""

from typing import NamedTuple


class Example(NamedTuple):
    """What a menu calls it, and the code."""

    title: str
    source: str


LINE = """\
def output(x, w):
    return sum(w[p] * x[p : p + 6] for p in range(3))


def input_grad(g, w):
    padded = jnp.pad(g, 2)
    return sum(w[2 - p] * padded[p : p + 8] for p in range(3))


def param_grad(x, g):
    return jnp.stack([jnp.vdot(g, x[p : p + 6]) for p in range(3)])
"""
STRIDE = """\
def output(x, w):
    return sum(w[p] * x[p : p + 6 : 2] for p in range(3))


def input_grad(g, w):
    spread = jnp.zeros(6).at[::2].set(g)
    padded = jnp.pad(spread, 2)
    return sum(w[2 - p] * padded[p : p + 8] for p in range(3))


def param_grad(x, g):
    return jnp.stack([jnp.vdot(g, x[p : p + 6 : 2]) for p in range(3)])
"""
BATCH = """\
x_shape, w_shape = (4, 8), (3,)


def output(x, w):
    return sum(w[p] * x[:, p : p + 6] for p in range(3))


def input_grad(g, w):
    padded = jnp.pad(g, ((0, 0), (2, 2)))
    return sum(w[2 - p] * padded[:, p : p + 8] for p in range(3))


def param_grad(x, g):
    return jnp.stack([jnp.vdot(g, x[:, p : p + 6]) for p in range(3)])
"""
IMAGE = """\
x_shape, w_shape = (5, 6), (3, 3)
taps = [(p, q) for p in range(3) for q in range(3)]


def output(x, w):
    return sum(w[p, q] * x[p : p + 3, q : q + 4] for p, q in taps)


def input_grad(g, w):
    padded = jnp.pad(g, 2)
    return sum(w[2 - p, 2 - q] * padded[p : p + 5, q : q + 6] for p, q in taps)


def param_grad(x, g):
    sums = [jnp.vdot(g, x[p : p + 3, q : q + 4]) for p, q in taps]
    return jnp.stack(sums).reshape(3, 3)
"""


def _bug(title: str, right: str, before: str, after: str) -> Example:
    """Return right code with one place changed."""
    assert right.count(before) == 1, f"{title}: {before!r} is not there once."
    return Example(title, right.replace(before, after))


EXAMPLES: dict[str, Example] = {
    "right": Example("no bug", LINE),
    "not-turned": _bug(
        "input gradient: the filter is not turned", LINE, "w[2 - p]", "w[p]"
    ),
    "padding": _bug(
        "input gradient: padded off by one",
        LINE,
        "jnp.pad(g, 2)",
        "jnp.pad(g, (1, 3))",
    ),
    "tap": _bug(
        "image: a weight is left out of the input gradient",
        IMAGE,
        "q : q + 6] for p, q in taps)",
        "q : q + 6] for p, q in taps[:-1])",
    ),
    "shifted": _bug(
        "filter gradient: off by one",
        LINE,
        "jnp.vdot(g, x[p : p + 6])",
        "jnp.vdot(g, jnp.roll(x, 1)[p : p + 6])",
    ),
    "backwards": _bug(
        "image: the filter gradient is turned",
        IMAGE,
        "stack(sums)",
        "stack(sums[::-1])",
    ),
    "halved": _bug(
        "image: the filter gradient is half of what it should be",
        IMAGE,
        "reshape(3, 3)",
        "reshape(3, 3) / 2",
    ),
    "element": _bug(
        "input gradient: one number is too large",
        LINE,
        "for p in range(3))\n\n\ndef param_grad",
        "for p in range(3)).at[5].add(1)\n\n\ndef param_grad",
    ),
    "bilinear": _bug(
        "output: not linear, as it is cut off at 0",
        LINE,
        "return sum(w[p] * x[p : p + 6] for p in range(3))",
        "return jnp.maximum(sum(w[p] * x[p : p + 6] for p in range(3)), 0)",
    ),
    "stride": _bug(
        "stride 2: the gradient is put into the wrong places",
        STRIDE,
        "at[::2].set(g)",
        "at[:3].set(g)",
    ),
    "batch": _bug(
        "batch of 4: the filter gradient is that of one",
        BATCH,
        "jnp.vdot(g, x[:, p : p + 6])",
        "jnp.vdot(g[0], x[0, p : p + 6])",
    ),
    "image": _bug(
        "image: the filter is not turned", IMAGE, "w[2 - p, 2 - q]", "w[p, q]"
    ),
    "exchanged": _bug(
        "image: rows and columns of the filter gradient exchanged",
        IMAGE,
        "reshape(3, 3)",
        "reshape(3, 3).T",
    ),
}
