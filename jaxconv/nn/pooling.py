"""Pooling layers: the maximum or the mean of each window."""

from collections.abc import Callable, Sequence
from typing import Any

from jax import Array

from jaxconv.conv.api import Padding
from jaxconv.conv.arguments.settings import as_pads, per_axis
from jaxconv.conv.pooling.api import avg_pool, max_pool, windows_of
from jaxconv.nn._checks import check_array, check_shape, says_what_is_meant
from jaxconv.nn._memory import channels_first, channels_last
from jaxconv.nn.layer import Layer
from jaxconv.nn.window import WHOLE_IMAGE, Sizes, Window

_NAMES = {
    "pool_size": "window",
    "kernel_size": "window",
    "window_shape": "window",
    "kernel_shape": "window",
    "stride": "strides",
    "pad": "padding",
    "channels_last": "nothing: images are channels-first=",
    "data_format": "nothing: images are channels-first=",
}


@says_what_is_meant(**_NAMES)
def MaxPool(
    window: Sizes,
    *,
    strides: Sizes | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
) -> Layer:
    """Take the largest pixel of each window of (channels, *space) images.

    The arguments are those of `jaxconv.conv.pooling.api.max_pool`.

    Raises:
      ValueError: a setting is out of range, or the image is smaller than the window.
    """
    settings = {"strides": strides, "padding": padding, "ceil_mode": ceil_mode}
    return _pool("MaxPool", "max_pool", max_pool, window, settings)


@says_what_is_meant(**_NAMES)
def AvgPool(
    window: Sizes,
    *,
    strides: Sizes | None = None,
    padding: Padding = 0,
    count_include_pad: bool = True,
    ceil_mode: bool = False,
) -> Layer:
    """Take the mean of each window of (channels, *space) images.

    The arguments are those of `jaxconv.conv.pooling.api.avg_pool`.

    Raises:
      ValueError: a setting is out of range, or the image is smaller than the window.
    """
    settings = {
        "strides": strides,
        "padding": padding,
        "ceil_mode": ceil_mode,
        "count_include_pad": count_include_pad,
    }
    return _pool("AvgPool", "avg_pool", avg_pool, window, settings)


def GlobalAvgPool() -> Layer:
    """Take the mean of all pixels: (channels, *space) to (channels,)."""

    def init(key, input_shape):
        shape = check_shape("GlobalAvgPool", input_shape)
        _check_image("GlobalAvgPool", shape)
        return shape[:1], {}

    def apply(params, x, *, key=None):
        check_array("GlobalAvgPool", x)
        _check_image("GlobalAvgPool", x.shape[1:], x.shape)
        means = avg_pool(channels_last(x), x.shape[2:], channels_last=True)
        return means.reshape(x.shape[:2])

    return Layer(init, apply, "global_avg_pool", window=WHOLE_IMAGE)


def _pool(
    caller: str,
    name: str,
    pool: Callable[..., Array],
    window: Sizes,
    settings: dict[str, Any],
) -> Layer:
    """Return the layer that pools by `pool`; errors begin with `caller`."""
    _check_settings(caller, window, settings["strides"], settings["padding"])

    def check(shape: tuple[int, ...]) -> tuple[int, ...]:
        whole = windows_of(caller, shape, window, first=2, **settings)
        return whole.out

    def init(key, input_shape):
        shape = check_shape(caller, input_shape)
        _check_image(caller, shape)
        return (shape[0], *check((1, *shape))), {}

    def apply(params, x, *, key=None):
        check_array(caller, x)
        _check_image(caller, x.shape[1:], x.shape)
        check(x.shape)
        y = pool(channels_last(x), window, channels_last=True, **settings)
        return channels_first(y)

    strides = settings["strides"]
    seen = Window(window, window if strides is None else strides)
    return Layer(init, apply, name, window=seen)


def _check_settings(caller: str, window: Any, strides: Any, padding: Any) -> None:
    """Raise unless each setting is valid for some number of axes."""
    given = [s for s in (window, strides) if isinstance(s, Sequence)]
    axes = len(given[0]) if given else 1
    sizes = per_axis("window", window, axes, caller)
    steps = sizes if strides is None else per_axis("strides", strides, axes, caller)
    if given or isinstance(padding, int | str):
        as_pads(padding, sizes, sizes, steps, caller)


def _check_image(
    caller: str, shape: tuple[int, ...], whole: tuple[int, ...] | None = None
) -> None:
    """Raise unless `shape` is that of one image, with pixels."""
    if len(shape) < 2:
        what = "input_shape must be (channels, *space), without the batch"
        if whole is not None:
            what, shape = "x must be (batch, channels, *space)", whole
        raise ValueError(
            f"{caller}: {what}, got {shape}. Pool before Flatten() or flatten=True."
        )
    if 0 in shape[1:]:
        raise ValueError(
            f"{caller}: an image must have pixels, got {shape}. Pool less before."
        )
