"""Random right kernels: any convolution, in any of the styles that people write."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxconv.check.adapters import of_layer
from jaxconv.check.gallery.kernel import Kernel
from jaxconv.check.problems import problem, random_geometry
from jaxconv.conv.geometry import Geometry

_LAYOUTS = {  # how images and filters are stored; S: all axes of pixels
    None: ("NCS", "IOS"),
    "NCS/IOS": ("NCS", "IOS"),
    "NCS/OIS": ("NCS", "OIS"),
    "NSC/SIO": ("NSC", "SIO"),
    "CS/OIS": ("CS", "OIS"),
}
_MOST = 20_000  # products: larger ones take too long


def random_kernels(seed: int) -> Iterator[Kernel]:
    """Draw right kernels without end."""
    rng = np.random.default_rng(seed)
    while True:
        geometry = random_geometry(rng)
        products = np.prod(geometry.out_shape) * np.prod(geometry.w_shape)
        if geometry.space and products <= _MOST:
            yield _in_some_style(geometry, rng)


def _in_some_style(geometry: Geometry, rng: np.random.Generator) -> Kernel:
    form = list(_LAYOUTS)[rng.integers(len(_LAYOUTS))]
    if form == "CS/OIS":
        geometry = dataclasses.replace(geometry, n=1)
    letters = "DHW"[3 - len(geometry.space) :]
    images, filters = (part.replace("S", letters) for part in _LAYOUTS[form])
    maps = _Maps(geometry, images, filters)
    maps.wide = bool(rng.random() < 0.3)
    if rng.random() < 0.3:
        shape = [-1 if axis == "C" else 1 for axis in images]
        bias = rng.integers(-9, 10, geometry.out_shape[1]).reshape(shape)
        maps.bias = bias / 4 if rng.random() < 0.3 else bias
    if "N" in images and geometry.n > 1 and rng.random() < 0.2:
        maps.mean = True
    kernel = Kernel(
        name=problem(dataclasses.replace(geometry, channels_last=False)),
        x_shape=maps.shape(geometry.x_shape, images),
        w_shape=maps.shape(geometry.w_shape, filters, "IO"),
        output=maps.output,
        layout=None if form is None else f"{images}/{filters}",
        scale="batch" if maps.mean else None,
    )
    return dataclasses.replace(kernel, **_gradients(maps, int(rng.integers(5))))


def _gradients(maps: "_Maps", style: int) -> dict[str, Any]:
    """Return the gradients as two functions, one, one alone, or those of a layer."""
    if style == 0:
        return {"backward": maps.backward}
    if style == 1:
        return {"input_grad": maps.input_grad}
    if style == 2:
        return {"param_grad": maps.param_grad}
    if style == 3:
        output, backward = of_layer(lambda w: _Layer(maps, w))
        return {"output": output, "backward": backward}
    return {"input_grad": maps.input_grad, "param_grad": maps.param_grad}


class _Layer:
    """Keeps its input between `forward` and `backward`."""

    def __init__(self, maps: "_Maps", w: np.ndarray) -> None:
        self.maps, self.w = maps, w

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return self.maps.output(x, self.w)

    def backward(self, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.maps.backward(self.x, self.w, g)


class _Maps:
    """The three maps, tap by tap."""

    wide = False  # whether they return float64
    bias: Any = 0.0
    mean = False  # over the batch, of the filter gradient

    def __init__(self, geometry: Geometry, images: str, filters: str) -> None:
        self.geometry, self.images, self.filters = geometry, images, filters

    def output(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        dtype = self._dtype(x)
        padded, w = self._padded(self._first(x, self.images)), self._first_w(w)
        y = np.zeros(self._split(self.geometry.out_shape), dtype)
        for tap, at in self._taps():
            y += np.einsum("ngi...,igo->ngo...", padded[at], w[tap])
        y = y.reshape(self.geometry.out_shape)
        return self._back(y, self.images) + np.asarray(self.bias, dtype)

    def input_grad(self, g: np.ndarray, w: np.ndarray) -> np.ndarray:
        g, w = self._split_channels(self._first(g, self.images)), self._first_w(w)
        dx = np.zeros(self._padded_shape(), self._dtype(g))
        for tap, at in self._taps():
            dx[at] += np.einsum("ngo...,igo->ngi...", g, w[tap])
        pixels = np.zeros((*dx.shape[:3], *self.geometry.space), dx.dtype)
        inside, pixel = self._places()
        pixels[pixel] = dx[inside]
        return self._back(pixels.reshape(self.geometry.x_shape), self.images)

    def param_grad(self, x: np.ndarray, g: np.ndarray) -> np.ndarray:
        padded = self._padded(self._first(x, self.images))
        g = self._split_channels(self._first(g, self.images))
        ci, co = self.geometry.w_shape[:2]
        kernel, groups = self.geometry.kernel, self.geometry.groups
        dw = np.zeros((*kernel, ci, groups, co // groups), self._dtype(x))
        for tap, at in self._taps():
            part = padded[at].reshape(*padded.shape[:3], -1)
            flat = g.reshape(*g.shape[:3], -1)
            dw[tap] = np.einsum("ngip,ngop->igo", part, flat)
        dw = np.moveaxis(dw.reshape(*kernel, ci, co), (-2, -1), (0, 1))
        if self.mean:
            dw = dw / np.asarray(self.geometry.n, dw.dtype)
        return self._back(dw, self.filters, "IO")

    def backward(self, x: Any, w: Any, g: Any) -> tuple[np.ndarray, np.ndarray]:
        return self.input_grad(g, w), self.param_grad(x, g)

    def shape(self, shape: Any, letters: str, channels: str = "NC") -> tuple[int, ...]:
        """Return a shape in the order of a layout."""
        return self._back(np.empty(shape), letters, channels).shape

    def _dtype(self, array: np.ndarray) -> Any:
        return np.result_type(array.dtype, np.float64 if self.wide else np.float32)

    def _first(self, array: np.ndarray, letters: str) -> np.ndarray:
        """Return an image as (n, channels, *space)."""
        if "N" not in letters:
            array, letters = array[None], f"N{letters}"
        order = [letters.index(one) for one in self._order("NC", letters)]
        return np.asarray(array).transpose(order)

    def _first_w(self, w: np.ndarray) -> np.ndarray:
        """Return filters as (*kernel, ci, groups, co)."""
        order = [self.filters.index(one) for one in self._order("IO", self.filters)]
        w = np.moveaxis(np.asarray(w).transpose(order), (0, 1), (-2, -1))
        groups = self.geometry.groups
        return w.reshape(*w.shape[:-1], groups, w.shape[-1] // groups)

    def _back(
        self, array: np.ndarray, letters: str, channels: str = "NC"
    ) -> np.ndarray:
        """Return an array in the order of a layout."""
        order = self._order(channels, letters)
        if "N" in channels and "N" not in letters:
            array, order = array[0], order.replace("N", "")
        return array.transpose([order.index(one) for one in letters]).copy()

    @staticmethod
    def _order(channels: str, letters: str) -> str:
        return channels + "".join(one for one in "DHW" if one in letters)

    def _split(self, shape: Any) -> tuple[int, ...]:
        n, channels, *space = shape
        groups = self.geometry.groups
        return (n, groups, channels // groups, *space)

    def _split_channels(self, array: np.ndarray) -> np.ndarray:
        return array.reshape(self._split(array.shape))

    def _padded_shape(self) -> tuple[int, ...]:
        g = self.geometry
        axes = zip(g.space, g.input_dilation, g.padding, strict=True)
        lengths = [(size - 1) * gap + 1 + low + high for size, gap, (low, high) in axes]
        return (*self._split(g.x_shape)[:3], *lengths)

    def _places(self) -> tuple[Any, Any]:
        """Return where pixels lie in the padded image, and which of them do."""
        g, inside, pixels = self.geometry, [], []
        lengths = self._padded_shape()[3:]
        for axis, length in enumerate(lengths):
            at = np.arange(g.space[axis]) * g.input_dilation[axis] + g.padding[axis][0]
            there = np.flatnonzero((at >= 0) & (at < length))
            inside.append(at[there])
            pixels.append(there)
        lead = (slice(None),) * 3
        return (*lead, *np.ix_(*inside)), (*lead, *np.ix_(*pixels))

    def _padded(self, x: np.ndarray) -> np.ndarray:
        padded = np.zeros(self._padded_shape(), self._dtype(x))
        inside, pixel = self._places()
        padded[inside] = self._split_channels(x)[pixel]
        return padded

    def _taps(self) -> Iterator[tuple[Any, Any]]:
        """Return each tap, and where the pixels that it meets lie."""
        g = self.geometry
        for tap in np.ndindex(*g.kernel):
            axes = zip(tap, g.kernel_dilation, g.strides, g.out_shape[2:], strict=True)
            at = [slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, s, o in axes]
            yield tap, (slice(None), slice(None), slice(None), *at)
