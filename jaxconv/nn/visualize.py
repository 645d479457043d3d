"""Figures of what a network has learned and what it looks at, by matplotlib.

Each function returns a matplotlib `Figure`, which `figure.savefig("filters.png")`
writes and a notebook shows; no window is opened and no global state is touched. Images
are (channels, height, width), without the batch. In figures of numbers with a sign,
red is positive, blue negative, and white zero.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxconv.conv.api import conv
from jaxconv.nn import kernels
from jaxconv.nn._checks import check_array, check_shape
from jaxconv.nn._figures import SIGNED, UNSIGNED, Figure, draw, grid, new_figure, pair
from jaxconv.nn.layer import Layer, Params, Shape


def filters(filters: Array | np.ndarray, *, channel: int | None = None) -> Figure:
    """Draw a convolution's filters (in, out, height, width), one panel for each output.

    Filters of 3 channels are drawn in colour, where grey is zero; others by the weights
    of one input channel. The first 64 are drawn. All panels have one scale.

    Args:
      filters: such as `params["conv1"]["filters"]`.
      channel: the input channel; None for colour, or the first where there is no
        colour.

    Raises:
      ValueError: `filters` has other axes, or no such channel.
    """
    check_array("filters", filters)
    w = np.asarray(filters, np.float32)
    if w.ndim != 4 or not w.size:
        raise ValueError(
            f"filters: filters must be (in, out, height, width), got {w.shape}. Take "
            "them from a convolution's params, as params['conv1']['filters']."
        )
    if channel is not None and not 0 <= channel < len(w):
        raise ValueError(
            f"filters: channel must be from 0 to {len(w) - 1}, got {channel} (axis 0 "
            f"of {w.shape} is the input's channels)."
        )
    scale = float(np.abs(w).max()) or 1.0
    if channel is None and len(w) == 3:
        colours = 0.5 + 0.5 * np.moveaxis(w, 0, -1) / scale
        return grid(list(colours), f"{_counted(w.shape[1], 'filter')} in colour")
    first = channel or 0
    title = f"{_counted(w.shape[1], 'filter')}, input channel {first} of {len(w)}"
    return grid(list(w[first]), title, SIGNED, (-scale, scale))


def feature_maps(layer: Layer, params: Params, image: Array | np.ndarray) -> Figure:
    """Draw each map of a layer's output for one image, beside the image.

    The first 64 maps are drawn, all on one scale.

    Raises:
      ValueError: `image` is not (channels, height, width), or the output has no maps.
    """
    x = _image("feature_maps", image)
    y = np.asarray(layer.apply(params, x[None]))[0]
    if y.ndim != 3:
        raise ValueError(
            f"feature_maps: the output of {layer.name} must be (maps, height, width), "
            f"got {y.shape}. Leave out what flattens it, and the layers after that."
        )
    scale = float(np.abs(y).max()) or 1.0
    title = f"{_counted(len(y), 'feature map')} of {y.shape[1]} x {y.shape[2]}"
    return grid(list(y), title, SIGNED, (-scale, scale), first=("image", _shown(x)))


def saliency(
    model: Layer, params: Params, image: Array | np.ndarray, label: int | None = None
) -> Figure:
    """Draw the magnitude of a logit's gradient at each pixel, beside the image.

    It shows which pixels change the logit most if they change a little, not which made
    it large. For an image in colour, the largest over the channels is drawn.

    Args:
      model: a model whose output is a vector of logits.
      params: its params.
      image: (channels, height, width).
      label: the class; None for the most likely one.

    Raises:
      ValueError: `image` is not an image, the output is not a vector, or `label` is
        not in it.

    Source: K. Simonyan, A. Vedaldi, A. Zisserman, arXiv:1312.6034, section 3.
    """
    x = _image("saliency", image)
    logits = model.apply(params, x[None])[0]
    if logits.ndim != 1:
        raise ValueError(
            f"saliency: the model's output must be (classes,), got {logits.shape}. Use "
            "a model that ends in Dense."
        )
    if label is not None and not 0 <= label < len(logits):
        raise ValueError(
            f"saliency: label must be from 0 to {len(logits) - 1}, got {label}. The "
            f"model has {len(logits)} classes."
        )
    chosen = int(jnp.argmax(logits)) if label is None else label
    slope = jax.grad(lambda x: model.apply(params, x[None])[0, chosen])(x)
    panels = {
        "image": _shown(x),
        f"|d logit {chosen} / d pixel|": jnp.abs(slope).max(0),
    }
    return pair(panels, "likeliest class" if label is None else "")


def receptive_field(
    model: Layer,
    params: Params,
    input_shape: Shape,
    position: Sequence[int] | None = None,
    *,
    images: int = 32,
    key: Array | None = None,
) -> Figure:
    """Draw which pixels reach one output of a model, and how much.

    The brightness of a pixel is the mean magnitude of the output's gradient there, over
    images of normal noise: the effective receptive field. The rectangle bounds the
    pixels that reach the output on any of them. ReLU and max pooling pass the gradient
    of some pixels only, so with few `images`, or with weights that are zero, it can be
    smaller than what the architecture allows; never larger.

    Args:
      model: the layer.
      params: its params.
      input_shape: (channels, height, width).
      position: the output's indices without the batch, such as (channel, row, column);
        None for the middle of each axis.
      images: how many images of noise.
      key: draws them; None for `jax.random.key(0)`.

    Raises:
      ValueError: `input_shape` is not an image's, or there is no such `position`.

    Source: W. Luo, Y. Li, R. Urtasun, R. Zemel, arXiv:1701.04128.
    """
    shape = check_shape("receptive_field", input_shape)
    if len(shape) != 3:
        raise ValueError(
            "receptive_field: input_shape must be (channels, height, width), without "
            f"the batch, got {input_shape}."
        )
    noise = jax.random.normal(
        jax.random.key(0) if key is None else key, (images, *shape)
    )
    output = jax.eval_shape(lambda x: model.apply(params, x), noise).shape[1:]
    place = tuple(size // 2 for size in output) if position is None else tuple(position)
    if len(place) != len(output) or not all(
        0 <= index < size for index, size in zip(place, output, strict=True)
    ):
        raise ValueError(
            f"receptive_field: position must be an index of the output, got {place}. "
            f"The output is {output}, without the batch."
        )

    def one_output(x: Array) -> Array:
        return model.apply(params, x)[(slice(None), *place)].sum()

    slopes = jnp.abs(jax.grad(one_output)(noise))
    field = np.asarray(slopes.mean(0).max(0))
    return _field_figure(field, _bounds(np.asarray(slopes.max((0, 1)))), place)


def classic(image: Array | np.ndarray) -> Figure:
    """Draw an image through the Laplacian, its relatives, a blur and a sharpening.

    The filters are those of `jaxconv.nn.kernels`, the convolution is `jaxconv.conv`
    without padding. A colour image is turned into grey first, by the channels' mean.
    Each detector has a scale of its own, which 1 % of its pixels exceed.

    Raises:
      ValueError: `image` is not (channels, height, width), or below 3 x 3 pixels.
    """
    x = _image("classic", image)
    if min(x.shape[1:]) < 3:
        raise ValueError(
            f"classic: image must be at least 3 x 3 pixels, got {x.shape[1:]} (axes 1 "
            f"and 2 of {x.shape}). The filters are 3 x 3."
        )
    grey = x.mean(0)[None, None]
    named = {**kernels.DETECTORS, **kernels.CHANGERS}
    maps = conv(grey, jnp.stack(list(named.values()))[None], padding="VALID")[0]
    panels: dict[str, Any] = {"image": (_shown(x), "gray", None)}
    limits = (float(grey.min()), float(grey.max()))
    for name, y in zip(named, np.asarray(maps), strict=True):
        most = float(np.percentile(np.abs(y), 99) or np.abs(y).max()) or 1.0
        signed = name in kernels.DETECTORS
        panels[name] = (y, SIGNED, (-most, most)) if signed else (y, "gray", limits)
    figure, axes = new_figure(3, 5, width=10, height=6.6)
    for axis, (name, (y, colours, scale)) in zip(axes, panels.items(), strict=False):
        draw(axis, y, colours, scale, name)
    figure.suptitle("The Laplacian and its relatives")
    return figure


def _image(caller: str, image: object) -> Array:
    """Return an image as a float32 array (channels, height, width)."""
    check_array(caller, image)
    x = jnp.asarray(image, jnp.float32)
    if x.ndim != 3 or not x.size:
        hint = {2: "Write image[None].", 4: "Take one of the batch, as images[0]."}
        raise ValueError(
            f"{caller}: image must be (channels, height, width), got {x.shape}. "
            f"{hint.get(x.ndim, '')}".rstrip()
        )
    if x.shape[-1] in (1, 3) and x.shape[0] not in (1, 3):
        raise ValueError(
            f"{caller}: image must be (channels, height, width), got {x.shape}. Is it "
            "channels-last? Move its last axis to the front."
        )
    return x


def _shown(x: Array) -> np.ndarray:
    """Return an image from 0 to 1, in colour if it has 3 channels."""
    pixels = np.asarray(x)
    pixels = (pixels - pixels.min()) / (np.ptp(pixels) or 1)
    return np.moveaxis(pixels, 0, -1) if len(pixels) == 3 else pixels.mean(0)


def _bounds(reached: np.ndarray) -> tuple[int, int, int, int]:
    """Return first row, first column, height and width of what is reached.

    The methods `fft` and `winograd` leave rounding errors where the gradient is zero,
    so a pixel counts if its gradient is at least a millionth of the largest.
    """
    rows, columns = np.nonzero(reached > 1e-6 * reached.max())
    if not len(rows):
        return 0, 0, 0, 0
    top, left = int(rows.min()), int(columns.min())
    return top, left, int(rows.max()) - top + 1, int(columns.max()) - left + 1


def _field_figure(
    field: np.ndarray, bounds: tuple[int, int, int, int], place: tuple[int, ...]
) -> Figure:
    """Draw the mean gradient, and the rectangle."""
    from matplotlib.patches import Rectangle

    top, left, height, width = bounds
    figure, (axis,) = new_figure(1, 1, width=5.5, height=5.5)
    title = f"{height} x {width} pixels reach output {place}"
    drawn = draw(axis, field, UNSIGNED, None, title)
    corner = (left - 0.5, top - 0.5)
    axis.add_patch(Rectangle(corner, width, height, fill=False, color="c", lw=2))
    figure.colorbar(drawn, ax=axis, label="mean |gradient|", shrink=0.8)
    return figure


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"
