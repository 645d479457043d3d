"""The layers that `bench.py` times, and how each contestant computes their maps."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import lax

import jaxconv
from jaxconv.check.problems import parse_problem
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import ALGORITHMS, refusal

MAPS = ("output", "input_grad", "param_grad", "all three")
Maps = dict[str, Callable[..., Any]]  # each takes x, w and g

# The convolution as `jaxconv.check.problems` writes it, and whether --quick has it.
LAYERS: dict[str, tuple[str, bool]] = {
    "first layer 5x5": ("mb60ic1ih28oc32kh5ph2", True),
    "MobileNet's first 3x3": ("mb8ic3ih224oc32kh3sh2ph1", False),
    "ResNet's first 7x7": ("mb8ic3ih224oc64kh7sh2ph3", False),
    "LeNet's second 5x5": ("mb60ic32ih14oc64kh5ph2", False),
    "dense 3x3, 64": ("mb32ic64ih32oc64kh3ph1", True),
    "dense 3x3, 128": ("mb32ic128ih16oc128kh3ph1", False),
    "dense 3x3, 256": ("mb32ic256ih8oc256kh3ph1", False),
    "strided 3x3, 64": ("mb32ic64ih32oc128kh3sh2ph1", True),
    "1x1, 128": ("mb32ic128ih16oc128kh1", True),
    "depthwise 3x3": ("g64mb32ic64ih32oc64kh3ph1", True),
    "depthwise 5x5": ("g64mb32ic64ih32oc64kh5ph2", False),
    "depthwise 7x7": ("g96mb32ic96ih28oc96kh7ph3", False),
    "depthwise 3x3, strided": ("g64mb32ic64ih32oc64kh3sh2ph1", False),
    "groups 8": ("g8mb32ic128ih16oc128kh3ph1", True),
    "groups 32": ("g32mb32ic128ih16oc128kh3ph1", False),
    "dilated 2": ("mb32ic64ih32oc64kh3dh1ph2", False),
    "patchify 16/16": ("mb8ic3ih224oc192kh16sh16", False),
    "depthwise 31x31": ("g32mb4ic32ih32oc32kh31ph15", False),
    "transposed, stride 2": ("mb32ic64ih16oc64kh4zh1ph2", True),
    "1-D, 9 taps": ("mb8ic32iw16000oc32kw9pw4", False),
    "3-D 3x3x3": ("mb4ic32id16oc32kd3pd1", False),
    "dense 3x3, batch 1": ("mb1ic64ih32oc64kh3ph1", False),
    "dense 3x3, batch 128": ("mb128ic64ih32oc64kh3ph1", False),
    "depthwise 3x3, batch 1": ("g64mb1ic64ih32oc64kh3ph1", False),
    "per-example filter gradients": ("mb32ic32ih16oc32kh3ph1", False),
}
PER_EXAMPLE = "per-example filter gradients"


@dataclasses.dataclass(frozen=True)
class Layer:
    """One convolution in one layout."""

    name: str
    geometry: Geometry
    layout: str  # NCHW, filters IOHW; or NHWC, filters HWIO

    @property
    def key(self) -> str:
        """Name and layout."""
        return f"{self.name}, {self.layout}"

    def operands(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw x, w and g, in float32 and in the layout."""
        g = self.geometry
        shapes = {"x": g.x_shape, "w": g.w_shape, "g": g.out_shape}
        drawn = {k: rng.normal(size=s).astype("float32") for k, s in shapes.items()}
        if self.layout == "NHWC":
            drawn = {
                k: np.moveaxis(a, (0, 1), (-2, -1))
                if k == "w"
                else np.moveaxis(a, 1, -1)
                for k, a in drawn.items()
            }
        return {k: np.ascontiguousarray(a) for k, a in drawn.items()}


def layers(quick: bool) -> list[Layer]:
    """Return the suite: all layers in NCHW, those with several channels in NHWC too."""
    return [
        Layer(name, parse_problem(line), layout)
        for layout in ("NCHW", "NHWC")
        for name, (line, in_quick) in LAYERS.items()
        if not quick or (in_quick and layout == "NCHW")
    ]


def maps_of(layer: Layer) -> tuple[str, ...]:
    """Return which maps of a layer are timed."""
    return ("param_grad",) if layer.name == PER_EXAMPLE else MAPS


def contestants(layer: Layer, methods: bool) -> dict[str, Maps]:
    """Return each contestant's maps: jaxconv, lax, PyTorch; each method if asked."""
    found = {
        "jaxconv": _of_jax(layer, jaxconv.conv_general_dilated),
        "lax": _of_jax(layer, lax.conv_general_dilated),
    }
    if methods and layer.layout == "NCHW":
        served = [
            name
            for name in ALGORITHMS
            if name != "loops" and refusal(name, layer.geometry, "float32") is None
        ]
        found |= {name: _of_method(layer, name) for name in served}
    return found


def _of_jax(layer: Layer, convolution: Callable[..., Any]) -> Maps:
    """Return the maps of a function with lax's arguments, gradients by `jax.vjp`."""
    g = layer.geometry
    axes = len(g.space)
    if layer.layout == "NCHW":
        x_spec, w_spec = tuple(range(axes + 2)), (1, 0, *range(2, axes + 2))
    else:
        x_spec = (0, axes + 1, *range(1, axes + 1))
        w_spec = (axes + 1, axes, *range(axes))
    numbers = lax.ConvDimensionNumbers(x_spec, w_spec, x_spec)
    settings = g.strides, g.padding, g.input_dilation, g.kernel_dilation, numbers

    def forward(x: Any, w: Any) -> Any:
        return convolution(x, w, *settings, g.groups)

    return _differentiated(layer, forward)


def _of_method(layer: Layer, method: str) -> Maps:
    g = layer.geometry
    return _differentiated(
        layer,
        functools.partial(
            jaxconv.conv,
            strides=g.strides,
            padding=g.padding,
            input_dilation=g.input_dilation,
            kernel_dilation=g.kernel_dilation,
            groups=g.groups,
            method=method,  # type: ignore[arg-type]
        ),
    )


def _differentiated(layer: Layer, forward: Callable[..., Any]) -> Maps:
    def all_three(x: Any, w: Any, g: Any) -> Any:
        y, pull = jax.vjp(forward, x, w)
        return y, *pull(g)

    def param_grad(x: Any, w: Any, g: Any) -> Any:
        return jax.vjp(lambda w: forward(x, w), w)[1](g)[0]

    if layer.name == PER_EXAMPLE:

        def each(x: Any, w: Any, g: Any) -> Any:
            return jax.vmap(lambda x, g: param_grad(x[None], w, g[None]))(x, g)

        return {"param_grad": jax.jit(each)}
    return {
        "output": jax.jit(lambda x, w, g: forward(x, w)),
        "input_grad": jax.jit(
            lambda x, w, g: jax.vjp(lambda x: forward(x, w), x)[1](g)[0]
        ),
        "param_grad": jax.jit(param_grad),
        "all three": jax.jit(all_three),
    }


def of_torch(layer: Layer) -> tuple[Maps, Callable[[np.ndarray, str], Any]]:
    """Return PyTorch's maps, and what turns an operand into its tensor."""
    import torch

    g = layer.geometry
    space = len(g.space)
    forward_padding = [low for low, _ in g.padding]
    transposed = any(d > 1 for d in g.input_dilation)
    if transposed:  # PyTorch's is a convolution over a dilated input, filters turned
        reach = [(k - 1) * d for k, d in zip(g.kernel, g.kernel_dilation, strict=True)]
        forward_padding = [r - p for r, p in zip(reach, forward_padding, strict=True)]
    strides = g.input_dilation if transposed else g.strides
    settings = (
        strides,
        forward_padding,
        g.kernel_dilation,
        transposed,
        [0] * space,
        g.groups,
    )

    def tensor(array: np.ndarray, name: str) -> Any:
        found = torch.from_numpy(array)
        if layer.layout == "NHWC" and name == "w":
            channels = (-2, -1) if transposed else (-1, -2)
            found = found.permute(*channels, *range(space))
        elif layer.layout == "NHWC":
            found = found.movedim(-1, 1)
        elif not transposed and name == "w":
            found = found.transpose(0, 1).contiguous()
        if layer.layout == "NHWC" and name == "w" and space == 2:
            found = found.contiguous(memory_format=torch.channels_last)
        return found

    def backward(x: Any, w: Any, g: Any, mask: list[bool]) -> Any:
        return torch.ops.aten.convolution_backward(g, x, w, None, *settings, mask)

    def output(x: Any, w: Any, g: Any) -> Any:
        return torch.ops.aten.convolution(x, w, None, *settings)

    maps = {
        "output": output,
        "input_grad": lambda x, w, g: backward(x, w, g, [True, False, False]),
        "param_grad": lambda x, w, g: backward(x, w, g, [False, True, False]),
        "all three": lambda x, w, g: (
            output(x, w, g),
            backward(x, w, g, [True, True, False]),
        ),
    }
    if layer.name == PER_EXAMPLE:
        return {}, tensor
    return maps, tensor
