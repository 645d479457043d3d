"""Wrong kernels: sums that lack terms, repeat them, or end up in the wrong place."""

import functools

import numpy as np

from jaxconv.check.gallery.blocks import correlate, gather, spread, windows
from jaxconv.check.gallery.wrong import wrong

X, W = (3, 2, 6, 5), (4, 2, 3, 2)
_wrong = functools.partial(wrong, x_shape=X, w_shape=W)


def _channels_assigned(g, w):
    for o in range(w.shape[0]):
        dx = spread(g[:, o : o + 1], w[o : o + 1])  # = in place of +=
    return dx


def _returns_early(x, g):
    dw = np.zeros(W, x.dtype)
    for n in range(len(x)):
        dw += gather(x[n : n + 1], g[n : n + 1])
        return dw  # one level too deep
    return dw


def _one_example(g, w):
    dx = np.zeros((len(g), *X[1:]), g.dtype)
    for n in range(len(g)):
        dx[n] = spread(g[n : n + 1], w)[0]
        return dx  # one level too deep
    return dx


def _both_of_one_example(x, w, g):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for n in range(len(x)):
        dx[n] = spread(g[n : n + 1], w)[0]
        dw += gather(x[n : n + 1], g[n : n + 1])
        return dx, dw  # one level too deep
    return dx, dw


def _windows_assigned(g, w):
    n, _, oh, ow = g.shape
    kh, kw = w.shape[2:]
    dx = np.zeros((n, *X[1:]), g.dtype)
    for i in range(oh):
        for j in range(ow):
            part = np.einsum("no,ocij->ncij", g[:, :, i, j], w)
            dx[:, :, i : i + kh, j : j + kw] = part  # = in place of +=
    return dx


def _indices_repeated(g, w):
    n, _, oh, ow = g.shape
    kh, kw = w.shape[2:]
    rows = np.arange(oh)[:, None, None, None] + np.arange(kh)[:, None]
    columns = np.arange(ow)[:, None, None] + np.arange(kw)
    dx = np.zeros((n, *X[1:]), g.dtype)
    parts = np.einsum("nohw,ocij->nchwij", g, w)
    dx[:, :, rows, columns] += parts  # counts each index once; np.add.at is meant
    return dx


def _never_cleared(x, g):
    view, dw = windows(x, W[2:]), np.zeros(W, x.dtype)
    total = 0.0  # belongs into the innermost loop
    for o, c, i, j in np.ndindex(W):
        total += (view[:, c, :, :, i, j] * g[:, o]).sum()
        dw[o, c, i, j] = total
    return dw


def _batch_added_up(g, w):
    total = spread(g, w).sum(axis=0)  # the gradient of one image is meant
    return np.array([total] * len(g))


def _channels_added_up(x, g):
    view, dw = windows(x, W[2:]), np.zeros(W, x.dtype)
    for c in range(W[1]):
        dw[:, c] = np.einsum("nchwij,nohw->oij", view, g)  # c is not used
    return dw


def _to_the_first(g, w):
    dx = np.zeros((len(g), *X[1:]), g.dtype)
    for n in range(len(g)):
        dx[0] += spread(g[n : n + 1], w)[0]  # dx[n] is meant
    return dx


def _last_row_left_out(x, g):
    dw = np.zeros(W, x.dtype)
    for i in range(g.shape[2] - 1):  # stops one row early
        for j in range(g.shape[3]):
            part = x[:, :, i : i + W[2], j : j + W[3]]
            dw += np.einsum("ncij,no->ocij", part, g[:, :, i, j])
    return dw


def _only_where_windows_begin(g, w):
    n, _, oh, ow = g.shape
    dx, whole = np.zeros((n, *X[1:]), g.dtype), spread(g, w)
    for i in range(oh):  # loops over outputs; all pixels are meant
        for j in range(ow):
            dx[:, :, i, j] = whole[:, :, i, j]
    return dx


G, GROUPED = 2, (4, 2, 3, 2)


def _grouped(x, w):
    xs, ws = np.split(x, G, axis=1), np.split(w, G)
    return np.concatenate([correlate(*pair) for pair in zip(xs, ws, strict=True)], 1)


def _grouped_input_grad(g, w):
    gs, ws = np.split(g, G, axis=1), np.split(w, G)
    return np.concatenate([spread(*pair) for pair in zip(gs, ws, strict=True)], 1)


def _one_group(x, g):
    xs, gs = np.split(x, G, axis=1), np.split(g, G, axis=1)
    per = GROUPED[0] // G
    for i in range(G):
        dw = np.zeros(GROUPED, x.dtype)  # belongs before the loop
        dw[i * per : (i + 1) * per] = gather(xs[i], gs[i])
    return dw


KERNELS = (
    _wrong(
        "channels assigned",
        "= for += over the output channels",
        "it is that of output channel 3 alone, as with = in place of +=",
        input_grad=_channels_assigned,
    ),
    _wrong(
        "returns early",
        "a return inside the loop over the batch, which is to be summed",
        "it is that of example 0 alone, as by a return inside the loop",
        param_grad=_returns_early,
    ),
    _wrong(
        "one example written",
        "a return inside the loop over the batch, one gradient for each",
        "only example 0 is written",
        input_grad=_one_example,
    ),
    _wrong(
        "both return early",
        "one example alone, in both gradients",
        "example 0",
        backward=_both_of_one_example,
    ),
    _wrong(
        "one group written",
        "the result is made anew in the loop over groups",
        "only group 1 is written",
        output=_grouped,
        input_grad=_grouped_input_grad,
        param_grad=_one_group,
        x_shape=(3, 4, 6, 5),
        w_shape=GROUPED,
    ),
    _wrong(
        "windows assigned",
        "= for += over windows that overlap",
        "windows that overlap overwrite each other",
        input_grad=_windows_assigned,
    ),
    _wrong(
        "indices repeated",
        "+= with repeated indices",
        "windows that overlap overwrite each other",
        input_grad=_indices_repeated,
    ),
    _wrong(
        "never cleared",
        "an accumulator set to 0 outside the loops",
        "an accumulator is never cleared",
        param_grad=_never_cleared,
    ),
    _wrong(
        "batch added up",
        "summed over the batch and copied",
        "summed over the batch and spread over it",
        input_grad=_batch_added_up,
    ),
    _wrong(
        "channels added up",
        "summed over the input channels, for each of them",
        "summed over the input channels and spread over",
        param_grad=_channels_added_up,
    ),
    _wrong(
        "all to the first",
        "all examples are written to index 0",
        "all of the batch is added up and written to index 0",
        input_grad=_to_the_first,
    ),
    _wrong(
        "last row left out",
        "the loop ends one row early",
        "index 3 of axis 2 of g is left out of the sum",
        param_grad=_last_row_left_out,
    ),
    _wrong(
        "only where windows begin",
        "results for some elements only",
        "only indices 0 to 3 of axis 2",
        input_grad=_only_where_windows_begin,
    ),
)
