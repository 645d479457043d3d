"""Right kernels in the styles that people write: none may raise an alarm."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jaxconv.check.adapters import of_layer
from jaxconv.check.gallery.blocks import correlate, gather, patches, spread
from jaxconv.check.gallery.kernel import Kernel

X, W = (3, 2, 6, 5), (4, 2, 3, 2)


class _Layer:
    """Keeps its patches between forward and backward; a product of matrices."""

    def __init__(self, w):
        self.w = w

    def forward(self, x):
        n, _, h, width = x.shape
        co, _, kh, kw = self.w.shape
        oh, ow = h - kh + 1, width - kw + 1
        self.shape = x.shape
        self.rows = patches(x, np.empty((n, co, oh, ow)))
        y = self.rows @ self.w.reshape(co, -1).T
        return y.reshape(n, oh, ow, co).transpose(0, 3, 1, 2)

    def backward(self, g):
        n, co, oh, ow = g.shape
        kh, kw = self.w.shape[2:]
        gs = g.transpose(0, 2, 3, 1).reshape(-1, co)
        self.dw = (gs.T @ self.rows).reshape(self.w.shape)
        parts = (gs @ self.w.reshape(co, -1)).reshape(n, oh, ow, -1, kh, kw)
        dx = np.zeros(self.shape, g.dtype)
        for i in range(kh):
            for j in range(kw):
                part = parts[..., i, j].transpose(0, 3, 1, 2)
                dx[:, :, i : i + oh, j : j + ow] += part
        return dx


def _last(x, w):
    """Channels last, stride 2; filters are (kh, kw, ci, co)."""
    kh, kw, _, co = w.shape
    oh, ow = (x.shape[1] - kh) // 2 + 1, (x.shape[2] - kw) // 2 + 1
    y = np.zeros((len(x), oh, ow, co), x.dtype)
    for i in range(oh):
        for j in range(ow):
            part = x[:, 2 * i : 2 * i + kh, 2 * j : 2 * j + kw]
            y[:, i, j] = np.tensordot(part, w, axes=3)
    return y


def _last_backward(x, w, g):
    kh, kw = w.shape[:2]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(g.shape[1]):
        for j in range(g.shape[2]):
            at = slice(None), slice(2 * i, 2 * i + kh), slice(2 * j, 2 * j + kw)
            dx[at] += np.tensordot(g[:, i, j], w, axes=(1, 3))
            dw += np.einsum("nijc,no->ijco", x[at], g[:, i, j])
    return dx, dw


def _one_image(x, w):
    """One image (ci, h, w) at a time, padded so that it keeps its size."""
    co, _, kh, kw = w.shape
    x = np.pad(x, ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2)))
    y = np.zeros((co, x.shape[1] - kh + 1, x.shape[2] - kw + 1), x.dtype)
    for o, i, j in np.ndindex(y.shape):
        y[o, i, j] = np.sum(x[:, i : i + kh, j : j + kw] * w[o])
    return y


def _one_image_input_grad(g, w):
    return _one_image(g, w.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1])


def _one_image_param_grad(x, g):
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    view = sliding_window_view(padded, g.shape[1:], (1, 2))  # (ci, kh, kw, h, w)
    return np.einsum("cijhw,ohw->ocij", view, g)


def _in_float64(function):
    def call(a, b):
        return function(np.asarray(a, np.float64), np.asarray(b, np.float64))

    return call


_BIAS = np.arange(1.0, 5.0)


def _with_bias(x, w):
    return correlate(x, w) + _BIAS[:, None, None].astype(x.dtype)


def _backward(x, w, g):
    """Both gradients in one pass over the taps."""
    oh, ow = g.shape[2:]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i, j in np.ndindex(w.shape[2:]):
        part = x[:, :, i : i + oh, j : j + ow]
        dw[:, :, i, j] = np.tensordot(g, part, axes=([0, 2, 3], [0, 2, 3]))
        dx[:, :, i : i + oh, j : j + ow] += np.einsum("nohw,oc->nchw", g, w[..., i, j])
    return dx, dw


def _depthwise(x, w):
    """One filter for each channel, dilated by 2; filters are (channels, 1, taps)."""
    length = x.shape[2] - 2 * (w.shape[2] - 1)
    return sum(w[:, :, p] * x[..., 2 * p : 2 * p + length] for p in range(3))


def _depthwise_backward(x, w, g):
    dx, dw, length = np.zeros_like(x), np.zeros_like(w), g.shape[2]
    for p in range(3):
        at = slice(2 * p, 2 * p + length)
        dx[..., at] += w[:, :, p] * g
        dw[:, 0, p] = (x[..., at] * g).sum((0, 2))
    return dx, dw


_OUTPUT, _LAYER_BACKWARD = of_layer(_Layer)

KERNELS = (
    Kernel(
        name="layer with state",
        output=_OUTPUT,
        backward=_LAYER_BACKWARD,
        x_shape=X,
        w_shape=W,
    ),
    Kernel(
        name="channels last",
        output=_last,
        backward=_last_backward,
        x_shape=(2, 7, 8, 3),
        w_shape=(3, 2, 3, 4),
        layout="NHWC/HWIO",
    ),
    Kernel(
        name="one image",
        output=_one_image,
        input_grad=_one_image_input_grad,
        param_grad=_one_image_param_grad,
        x_shape=(2, 5, 4),
        w_shape=(3, 2, 3, 3),
        layout="CHW/OIHW",
    ),
    Kernel(
        name="in float64",
        output=_in_float64(correlate),
        input_grad=_in_float64(spread),
        param_grad=_in_float64(gather),
        x_shape=X,
        w_shape=W,
    ),
    Kernel(
        name="with a bias",
        output=_with_bias,
        input_grad=spread,
        param_grad=gather,
        x_shape=X,
        w_shape=W,
    ),
    Kernel(
        name="both in one pass",
        output=correlate,
        backward=_backward,
        x_shape=X,
        w_shape=W,
    ),
    Kernel(
        name="depthwise",
        output=_depthwise,
        backward=_depthwise_backward,
        x_shape=(2, 3, 9),
        w_shape=(3, 1, 3),
        layout="NCW/OIW",
    ),
)
