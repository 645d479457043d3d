"""Wrong kernels: results that depend on earlier calls, or on memory not their own."""

import functools

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from jaxconv.check.gallery.blocks import gather, patches
from jaxconv.check.gallery.wrong import wrong

X, W = (2, 3, 5, 6), (4, 3, 3, 3)
_wrong = functools.partial(wrong, x_shape=X, w_shape=W)
LINE, TAPS = (2, 3, 6), (4, 3, 3)


class _Remembers:
    """Keeps the patches of the images it saw first."""

    rows = None

    def param_grad(self, x, g):
        if self.rows is None:
            self.rows = patches(x, g)
        gs = g.transpose(1, 0, 2, 3).reshape(g.shape[1], -1)
        return (gs @ self.rows).reshape(W)


class _Accumulates:
    """Adds each gradient to those before, as for an optimiser that clears them."""

    dw = 0.0

    def param_grad(self, x, g):
        self.dw = self.dw + gather(x, g)
        return self.dw


class _ReadsOn:
    """Reads rows of a buffer that is longer than the image; the rest is of before."""

    def __init__(self):
        self.buffer = np.zeros(64)

    def output(self, x, w):
        y = np.zeros((len(x), *w.shape[:1], x.shape[2]), x.dtype)
        for n in range(len(x)):
            for c in range(w.shape[1]):
                row = self._stored(x[n, c])
                for p in range(w.shape[2]):
                    part = row[p : p + y.shape[2]]  # goes 2 beyond the image
                    y[n] += w[:, c, p, None] * part
        return y

    def _stored(self, row):
        self.buffer = np.concatenate([row, self.buffer])[:64]
        return self.buffer.copy()


def _line_input_grad(g, w):
    dx = np.zeros((len(g), w.shape[1], g.shape[2]), g.dtype)
    for p in range(w.shape[2]):
        dx[:, :, p:] += np.einsum("noi,oc->nci", g, w[:, :, p])[:, :, : g.shape[2] - p]
    return dx


def _line_param_grad(x, g):
    longer = np.pad(x, ((0, 0), (0, 0), (0, 2)))
    view = sliding_window_view(longer, 3, axis=2)
    return np.einsum("ncip,noi->ocp", view, g)


def _past_the_end(x, taps):
    """Return one window for each pixel; the last two go past the end."""
    step = x.strides[0]
    return as_strided(x, (len(x), taps), (step, step))  # len(x) - taps + 1 is meant


def _signal(x, w):
    return _past_the_end(x, len(w)) @ w


def _signal_input_grad(g, w):
    return np.convolve(g, w)[: len(g)]


def _signal_param_grad(x, g):
    return _past_the_end(x, 3).T @ g


KERNELS = (
    _wrong(
        "remembers its images",
        "patches kept from the first call",
        "does not depend on x",
        param_grad=_Remembers().param_grad,
    ),
    _wrong(
        "accumulates",
        "gradients added to those of earlier calls",
        "another result for the same arguments",
        param_grad=_Accumulates().param_grad,
    ),
    _wrong(
        "buffer not cleared",
        "reads what is left in a buffer from before",
        "another result for the same arguments",
        output=_ReadsOn().output,
        input_grad=_line_input_grad,
        param_grad=_line_param_grad,
        x_shape=LINE,
        w_shape=TAPS,
        layout="NCW/OIW",
    ),
    _wrong(
        "past the end",
        "windows past the array's end, in the gradient, too",
        "it reads memory before or beyond an argument",
        output=_signal,
        input_grad=_signal_input_grad,
        param_grad=_signal_param_grad,
        x_shape=(8,),
        w_shape=(3,),
        layout=None,
    ),
)
