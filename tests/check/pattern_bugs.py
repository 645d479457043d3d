"""Bugs of the maps in `small_maps`, by what they must be recognised as.

A bug takes a `Source` and returns the wrong result.
"""

import jax.numpy as jnp
import numpy as np

from tests.check.small_maps import X


def operands(change):
    """A bug in the operands of a map."""
    return lambda source: source.trial.maps[source.name](*change(*arguments(source)))


def arguments(source):
    keys = {"output": "xw", "input_grad": "gw", "param_grad": "xg"}[source.name]
    return [source.trial.operands[key] for key in keys]


def result(change):
    """A bug in the result of a map."""
    return lambda source: change(source.right)


def at(index, part, like):
    wrong = np.zeros_like(like)
    wrong[index] = part
    return wrong


def inside(a, index):
    """Only what is inside is written."""
    return at(index, a[index], a)


def shifted(a, down, right, edge=7):
    wrong = np.roll(a, (down, right), (2, 3))
    wrong[:, :, :down], wrong[:, :, :, :right] = edge, edge
    return wrong


def overwritten(source):
    g, w = arguments(source)
    wrong = np.zeros(X)
    for i, j in np.ndindex(g.shape[2:]):
        part = np.einsum("no,coij->ncij", g[:, :, i, j], w)
        wrong[:, :, i : i + 3, j : j + 2] = part
    return wrong


def alone(axis, index):
    """Keep one index of the second operand."""

    def change(a, b):
        kept = (slice(None),) * axis + (index,)
        return a, inside(b, kept)

    return change


def scaled(a, index, factor):
    wrong = a.copy()
    wrong[index] *= factor
    return wrong


BUGS = {  # map -> words -> bug
    "output": {
        "input channel 0 of x is taken for all": operands(
            lambda x, w: (np.broadcast_to(x[:, :1], x.shape), w)
        ),
        "it is reshaped where it should be transposed, which mixes the batch with the "
        "output channels": result(
            lambda y: y.transpose(1, 0, 2, 3).reshape(y.shape)
        ),
        "the input channels are not summed: it is that of input channel 1 alone, as "
        "with = in place of +=": operands(lambda x, w: (x, inside(w, 1))),
        "tap (1, 0) is left out": operands(
            lambda x, w: (x, w * at((..., 1, 0), 1, w) * -1 + w)
        ),
        "the filter is turned once too often": operands(
            lambda x, w: (x, np.flip(w, (2, 3)))
        ),
        "something is added that depends on the output channels alone": result(
            lambda y: y + np.arange(1, 5)[:, None, None]
        ),
        "only output channel 0 is written": result(lambda y: inside(y, np.s_[:, 0])),
    },
    "input_grad": {
        "the filter is reshaped where it should be transposed, which mixes the input "
        "channels with the output channels": operands(
            lambda g, w: (g, w.transpose(1, 0, 2, 3).reshape(w.shape))
        ),
        "the filter is reshaped where it should be transposed, which mixes the output "
        "channels with the taps": operands(
            lambda g, w: (g, w.transpose(0, 2, 3, 1).reshape(w.shape))
        ),
        "it is reshaped where it should be transposed, which mixes the pixels": result(
            lambda dx: dx.transpose(0, 1, 3, 2).reshape(dx.shape)
        ),
        "it is that of output channel 3 alone, as with =": operands(
            lambda g, w: (inside(g, np.s_[:, 3]), w)
        ),
        "only example 0 is written (": result(lambda dx: inside(dx, 0)),
        "example 2 is not written (": result(lambda dx: inside(dx, np.s_[:2])),
        "only indices 1 to 4 of axis 2 at indices 1 to 3 of axis 3 are written": result(
            lambda dx: inside(dx, np.s_[:, :, 1:-1, 1:-1])
        ),
        "only indices 0, 2, 4 of axis 2 are written": result(
            lambda dx: inside(dx, np.s_[:, :, ::2])
        ),
        "only 2 of 180 elements are written: (0, 1, 2, 3), (2, 0, 5, 4)": result(
            lambda dx: inside(dx, ([0, 2], [1, 0], [2, 5], [3, 4]))
        ),
        "it is summed over the batch and spread over it": result(
            lambda dx: np.broadcast_to(dx.sum(0), dx.shape)
        ),
        "it is averaged over the input channels and spread over it": result(
            lambda dx: np.broadcast_to(dx.mean(1, keepdims=True), dx.shape)
        ),
        "it is summed over the pixels and spread over it": result(
            lambda dx: np.broadcast_to(dx.sum((2, 3), keepdims=True), dx.shape)
        ),
        "all of the batch is added up and written to index 0": result(
            lambda dx: at(0, dx.sum(0), dx)
        ),
        "all of the input channels is added up and written to the last": result(
            lambda dx: at(np.s_[:, -1], dx.sum(1), dx)
        ),
        "what belongs to example 2 is written to example 0, and nothing else": result(
            lambda dx: at(0, dx[2], dx)
        ),
        "what belongs to example 0 is written to every index of the batch": result(
            lambda dx: np.broadcast_to(dx[0], dx.shape)
        ),
        "an accumulator is never cleared along the pixels: each": result(
            lambda dx: dx.reshape(3, 2, -1).cumsum(2).reshape(dx.shape)
        ),
        "windows that overlap overwrite each other": overwritten,
        "it is off by +1 along axes 2 and 3": result(lambda dx: shifted(dx, 1, 1, 0)),
        "off by +1 along axes 2 and 3, edges aside, as if the padding were cut": result(
            lambda dx: shifted(dx, 1, 1)
        ),
        "off by +2 along axis 2 and +1 along axis 3, edges aside": result(
            lambda dx: shifted(dx, 2, 1)
        ),
        "off by +1 along axis 3, edges aside, as by padding that is not meant for an "
        "even filter (2 taps)": result(lambda dx: shifted(dx, 0, 1)),
        "g is reshaped where it should be transposed, which mixes the batch with the "
        "pixels": operands(
            lambda g, w: (
                np.moveaxis(g.transpose(2, 3, 0, 1).reshape(3, 4, 4, 4), 3, 1), w
            )
        ),
        "it is stored in int8, which is too short": result(
            lambda dx: dx.astype(np.int8).astype(float)
        ),
        "its absolute value is taken": result(np.abs),
        "it is cut off below -99 and above 50": result(
            lambda dx: np.clip(dx, -99, 50)
        ),
        "it is rounded to bfloat16": result(
            lambda dx: dx.astype(jnp.bfloat16).astype(float)
        ),
        "-5 is added, at index 4 of axis 3 only": result(
            lambda dx: dx + at((..., 4), -5, dx)
        ),
        "it is 2 times what it should be, at index 0 of axis 2 only": result(
            lambda dx: scaled(dx, np.s_[:, :, 0], 2)
        ),
        "it is 0.0625 times what it should be: divided by 16, the number of output "
        "pixels": result(lambda dx: dx / 16),
    },
    "param_grad": {
        "it is that of example 0 alone, as by a return inside the loop": operands(
            alone(0, 0)
        ),
        "it is that of example 1 alone": operands(alone(0, 1)),
        "example 2 is left out of the sum": operands(
            lambda x, g: (x, inside(g, np.s_[:2]))
        ),
        "index 3 of axis 2 of g is left out of the sum": operands(
            lambda x, g: (x, inside(g, np.s_[:, :, :3]))
        ),
        "example 1 is counted twice": operands(
            lambda x, g: (x, scaled(g, 1, 2))
        ),
        "an accumulator is never cleared along the batch": operands(
            lambda x, g: (x, g * np.array([3, 2, 1])[:, None, None, None])
        ),
        "it is that of example 2 and index 3 of axis 2 of g and index 3 of axis 3 "
        "of g alone": operands(lambda x, g: (x, inside(g, np.s_[2, :, 3, 3]))),
        "g is reshaped where it should be transposed, which mixes the batch with the "
        "output channels": operands(
            lambda x, g: (x, g.reshape(4, 3, 4, 4).swapaxes(0, 1))
        ),
        "x is off by +1 along axis 2": operands(
            lambda x, g: (shifted(x, 1, 0, 0), g)
        ),
        "it does not depend on x": operands(lambda x, g: (np.ones_like(x), g)),
        "x is summed over the batch before it is multiplied": operands(
            lambda x, g: (np.broadcast_to(x.sum(0), x.shape), g)
        ),
        "example 2 of g is taken for all": operands(
            lambda x, g: (x, np.broadcast_to(g[2], g.shape))
        ),
        "divided by 3, the batch size": result(lambda dw: dw / 3),
        "multiplied by 3, the batch size": result(lambda dw: dw * 3),
        "3, the batch size, is added to every element": result(lambda dw: dw + 3),
        "0.5 is added to every element": result(lambda dw: dw + 0.5),
        "axis 2 of g runs backwards": operands(lambda x, g: (x, g[:, :, ::-1])),
        "axes 2 and 3 of g are exchanged": operands(
            lambda x, g: (x, g.swapaxes(2, 3))
        ),
        "tap (2, 1) is left out": result(lambda dw: dw - at((..., 2, 1), 1, dw) * dw),
        "an accumulator is never cleared along the input channels, ": result(
            lambda dw: dw.cumsum().reshape(dw.shape)
        ),
        "it is reshaped where it should be transposed, which mixes the input channels "
        "with the output channels and the taps": result(
            lambda dw: dw.transpose(1, 2, 3, 0).reshape(dw.shape)
        ),
        "it is reshaped where it should be transposed, which mixes the input channels "
        "with the output channels": result(
            lambda dw: dw.transpose(1, 0, 2, 3).reshape(dw.shape)
        ),
    },
    "groups: param_grad": {
        "only group 0 is written": result(lambda dw: inside(dw, np.s_[:, :2])),
        "what belongs to group 1 is written to group 0": result(
            lambda dw: at(np.s_[:, :2], dw[:, 2:], dw)
        ),
    },
    "groups: input_grad": {
        "groups are mixed along axis 1": result(
            lambda dx: dx.reshape(3, 2, 2, 6, 5).swapaxes(1, 2).reshape(dx.shape)
        ),
        "all of the groups is added up and written to index 0": result(
            lambda dx: at(np.s_[:, :2], dx[:, :2] + dx[:, 2:], dx)
        ),
    },
}  # fmt: skip
