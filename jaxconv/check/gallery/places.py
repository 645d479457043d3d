"""Wrong kernels: right values in wrong places, or scaled."""

import functools

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jaxconv.check.gallery.blocks import (
    correlate,
    correlate_padded,
    gather,
    pad,
    patches,
    spread,
    windows,
)
from jaxconv.check.gallery.wrong import wrong

X, W = (2, 3, 5, 6), (4, 3, 3, 3)
_wrong = functools.partial(wrong, x_shape=X, w_shape=W)


def _not_turned(g, w):
    padded = pad(g, 2)
    return np.einsum("nohwij,ocij->nchw", windows(padded, (3, 3)), w)


def _filter_reshaped(g, w):
    co, ci, kh, kw = w.shape
    backwards = w.reshape(ci, co, kh, kw)[:, :, ::-1, ::-1]  # transpose is meant
    return correlate(pad(g, 2), backwards)


def _result_reshaped(x, g):
    co = g.shape[1]
    rows = patches(x, g)
    dw = rows.T @ g.transpose(0, 2, 3, 1).reshape(-1, co)  # (ci * kh * kw, co)
    return dw.reshape(W)  # dw.T.reshape(W) is meant


def _batch_mixed(x, g):
    rows = patches(x, g)  # in the order (n, oh, ow)
    gs = g.transpose(1, 2, 3, 0).reshape(g.shape[1], -1)  # in the order (oh, ow, n)
    return (gs @ rows).reshape(W)


def _channels_reshaped(x, g):
    rows = patches(x, g)
    gs = g.reshape(g.shape[1], -1)  # transpose(1, 0, 2, 3) is meant before
    return (gs @ rows).reshape(W)


def _mean(x, g):
    return gather(x, g) / len(x)


def _both_means(x, w, g):
    return spread(g, w) / len(x), gather(x, g) / len(x)


def _batch_size_added(x, g):
    dw = np.full(W, len(x), x.dtype)  # np.zeros(W) is meant
    dw += gather(x, g)
    return dw


def _cut_at_one_side(g, w):
    return spread(g, w)[:, :, :-2, :-2]  # [:, :, 1:-1, 1:-1] is meant


def _padded_param_grad(x, g):
    return gather(pad(x, 1), g)


def _same(x, w):
    """Return as many outputs as pixels, whatever the filter's size."""
    h, width = x.shape[2:]
    return correlate(pad(x, w.shape[2] // 2), w)[:, :, :h, :width]


def _same_turned(g, w):
    backwards = w.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    return _same(g, backwards)  # right for odd filters


def _same_param_grad(x, g):
    larger = np.pad(g, ((0, 0), (0, 0), (0, 1), (0, 1)))
    return gather(pad(x, 1), larger)


def _last(x, w):
    """Channels last, one pixel of padding; filters are (kh, kw, ci, co)."""
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return np.einsum("nhwcij,ijco->nhwo", sliding_window_view(x, (3, 3), (1, 2)), w)


def _last_input_grad(g, w):
    g = np.pad(g, ((0, 0), (2, 2), (2, 2), (0, 0)))
    turned = w[::-1, ::-1]
    dx = np.einsum("nhwoij,ijco->nhwc", sliding_window_view(g, (3, 3), (1, 2)), turned)
    return dx[..., 1:-1, 1:-1]  # [:, 1:-1, 1:-1] is meant


def _last_param_grad(x, g):
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return np.einsum("nhwcij,nhwo->ijco", sliding_window_view(x, (3, 3), (1, 2)), g)


KERNELS = (
    _wrong(
        "filter not turned",
        "the filter is not turned by 180 degrees",
        "the filter is turned once too often or not at all",
        input_grad=_not_turned,
    ),
    _wrong(
        "filter reshaped",
        "reshape for transpose, of the filter",
        "the filter is reshaped where it should be transposed",
        input_grad=_filter_reshaped,
    ),
    _wrong(
        "result reshaped",
        "reshape for transpose, of the result",
        "it is reshaped where it should be transposed",
        param_grad=_result_reshaped,
    ),
    _wrong(
        "batch mixed with pixels",
        "rows of one product in another order",
        "which mixes the batch with the pixels",
        param_grad=_batch_mixed,
    ),
    _wrong(
        "batch mixed with channels",
        "reshape for transpose, of g",
        "g is reshaped where it should be transposed, which mixes the batch with",
        param_grad=_channels_reshaped,
    ),
    _wrong(
        "mean over the batch",
        "divided by the batch size",
        "divided by 2, the batch size",
        param_grad=_mean,
    ),
    _wrong(
        "both means",
        "both gradients divided by the batch size",
        "divided by 2, the batch size",
        backward=_both_means,
    ),
    _wrong(
        "batch size added",
        "the accumulator begins at the batch size",
        "2, the batch size, is added to every element",
        param_grad=_batch_size_added,
    ),
    _wrong(
        "cut at one side",
        "the padding is cut off at one side",
        "off by +1 along axes 2 and 3, edges aside",
        output=correlate_padded,
        input_grad=_cut_at_one_side,
        param_grad=_padded_param_grad,
    ),
    _wrong(
        "even filter",
        "padding that is right for odd filters",
        "as by padding that is not meant for an even filter (2 taps)",
        output=_same,
        input_grad=_same_turned,
        param_grad=_same_param_grad,
        w_shape=(4, 3, 2, 2),
    ),
    _wrong(
        "cut from the wrong axes",
        "channels last, padding cut as if they were first",
        "as if the padding were cut from the wrong axes",
        output=_last,
        input_grad=_last_input_grad,
        param_grad=_last_param_grad,
        x_shape=(2, 5, 6, 3),
        w_shape=(3, 3, 3, 4),
        layout="NHWC/HWIO",
    ),
)
