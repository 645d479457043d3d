"""What the kernels of the gallery have in common, all of it right.

Images are (n, ci, h, w), filters (co, ci, kh, kw), as in most code outside JAX.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def windows(x, kernel):
    """Return all windows of an image: (n, ci, oh, ow, kh, kw)."""
    return sliding_window_view(x, kernel, axis=(2, 3))


def pad(x, size):
    """Pad the pixels of x by zeros at all sides."""
    return np.pad(x, ((0, 0), (0, 0), (size, size), (size, size)))


def correlate(x, w):
    """Return the output without padding."""
    return np.einsum("nchwij,ocij->nohw", windows(x, w.shape[2:]), w)


def correlate_padded(x, w):
    """Return the output with one pixel of padding."""
    return correlate(pad(x, 1), w)


def spread(g, w):
    """Return the gradient of `correlate` at x: the filter turned, g padded."""
    kh, kw = w.shape[2:]
    padded = np.pad(g, ((0, 0), (0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1)))
    turned = w[:, :, ::-1, ::-1]
    return np.einsum("nohwij,ocij->nchw", windows(padded, (kh, kw)), turned)


def gather(x, g):
    """Return the gradient of `correlate` at w."""
    return np.einsum("nchwij,nohw->ocij", windows(x, _kernel(x, g)), g)


def _kernel(x, g):
    return tuple(a - b + 1 for a, b in zip(x.shape[2:], g.shape[2:], strict=True))


def patches(x, g):
    """Return windows as rows, in the order (n, oh, ow); columns are (ci, kh, kw)."""
    view = windows(x, _kernel(x, g)).transpose(0, 2, 3, 1, 4, 5)
    return view.reshape(-1, int(np.prod(view.shape[3:])))
