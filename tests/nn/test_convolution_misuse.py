"""Mistakes with layers that have filters: each message says what to write instead."""

import jax
import jax.numpy as jnp
import pytest

from jaxconv import nn

KEY = jax.random.key(0)


def applied(layer, shape, *x_shape):
    def call():
        _, params = layer.init(KEY, shape)
        return layer.apply(params, jnp.zeros(x_shape))

    return call


CONV = nn.Conv2D(4, 3)
MISTAKES = {
    "other channels": (
        applied(CONV, (1, 8, 8), 2, 3, 8, 8),
        r"^Conv2D: x has 3 channels \(axis 1 of \(2, 3, 8, 8\)\) but the filters, "
        r"\(1, 4, 3, 3\), take 1\. Was the layer initialised for this input shape\?",
    ),
    "channels-last": (
        applied(CONV, (1, 8, 8), 2, 8, 8, 1),
        r"^Conv2D: .* Is x channels-last\? Move its last axis to 1",
    ),
    "other channels, depthwise": (
        applied(nn.Depthwise(3, multiplier=2), (4, 8, 8), 2, 3, 8, 8),
        r"^Depthwise: x has 3 channels .*\(1, 8, 3, 3\), take 4\.",
    ),
    "other channels, transposed": (
        applied(nn.ConvTranspose(2, 3), (4, 8, 8), 2, 3, 8, 8),
        r"^ConvTranspose: x has 3 channels .*\(4, 2, 3, 3\), take 4\.",
    ),
    "other channels, separable": (
        applied(nn.Separable(2, 3), (4, 8, 8), 2, 3, 8, 8),
        r"^depthwise: Separable: x has 3 channels .*\(1, 4, 3, 3\), take 4\.",
    ),
    "one image": (
        applied(CONV, (1, 8, 8), 1, 8, 8),
        r"^Conv2D: x must be \(batch, channels, height, width\), got shape \(1, 8, 8\)"
        r"\. Is the batch axis missing\? x\[None\]",
    ),
    "flat images": (applied(CONV, (1, 8, 8), 2, 64), r"^Conv2D: x .*initialised for"),
    "filters of another layer": (
        lambda: CONV.apply({"filters": jnp.ones((1, 4, 5, 5))}, jnp.ones((2, 1, 8, 8))),
        r"^Conv2D: params\['filters'\] must have the shape \(1, 4, 3, 3\), got "
        r"\(1, 4, 5, 5\)",
    ),
    "filters of fewer axes": (
        lambda: CONV.apply({"filters": jnp.ones((1, 4, 3))}, jnp.ones((2, 1, 8, 8))),
        r"^Conv2D: params\['filters'\] .*got \(1, 4, 3\)",
    ),
    "an image that is too small": (
        applied(nn.Conv2D(4, 5, padding="VALID"), (1, 8, 8), 2, 1, 4, 8),
        r"^Conv2D: the filter is larger than the padded x along axis 2",
    ),
    "params of one part": (
        lambda: nn.Separable(2, 3).apply({"filters": 0}, jnp.ones((1, 2, 4, 4))),
        r"^Separable: params has entries \['filters'\], but the layers are \['depth",
    ),
    "x before params": (
        lambda: nn.Separable(2, 3).apply(jnp.ones((1, 2, 4, 4)), {}),
        r"^Separable: params must be a dict.*Are params and x exchanged\?",
    ),
    # Shapes
    "a sequence without channels": (
        lambda: nn.Conv1D(4, 3).init(KEY, (100,)),
        r"^Conv1D: input_shape must be \(channels, width\).* got \(100,\)\. Put the "
        "number of channels first",
    ),
    "a flat image": (
        lambda: nn.Conv(4, 3).init(KEY, (784,)),
        r"^Conv: input_shape must be \(channels, \*space\).*Are the images flat\?",
    ),
    "fewer axes than sizes": (
        lambda: nn.Conv(4, (3, 3, 3)).init(KEY, (1, 8, 8)),
        r"^Conv: input_shape must be \(channels, depth, height, width\), .*Put the",
    ),
    "a batch of volumes": (
        lambda: nn.Conv3D(4, 3).init(KEY, (2, 1, 8, 8, 8)),
        r"^Conv3D: .*Leave out the first axis",
    ),
    "groups that do not divide the input": (
        lambda: nn.ConvTranspose(6, 3, groups=3).init(KEY, (4, 8, 8)),
        r"^ConvTranspose: groups must divide the input channels, got 3 groups and 4 "
        r"channels \(axis 0 of \(4, 8, 8\)\)",
    ),
    "traced sizes": (
        lambda: jax.eval_shape(CONV.init, KEY, (1, 8, 8)),
        r"^Conv2D: input_shape .*JAX traces the sizes: .*functools\.partial",
    ),
    # Settings, at once
    "groups that do not divide the output": (
        lambda: nn.Conv3D(4, 3, groups=3),
        r"^Conv3D: groups must divide out_channels, got 3 groups and 4 channels",
    ),
    "the same, transposed": (
        lambda: nn.ConvTranspose(4, 3, groups=3),
        r"^ConvTranspose: groups must divide out_channels",
    ),
    "two sizes of three": (
        lambda: nn.Conv3D(4, (3, 3)),
        r"^Conv3D: param_size must be the filters' depth, height and width",
    ),
    "no sizes": (lambda: nn.Depthwise(()), r"^Depthwise: param_size .*got \(\)"),
    "a multiplier of none": (
        lambda: nn.Separable(4, 3, multiplier=0),
        r"^Separable: multiplier must be an int of at least 1, got 0",
    ),
    "strides": (
        lambda: nn.Conv2D(4, 3, strides=(1, 2, 3)),
        r"^Conv2D: strides must be .*2 spatial axes, got \(1, 2, 3\)",
    ),
    "dilation": (
        lambda: nn.Conv2D(4, 3, dilation=0),
        r"^Conv2D: dilation must be an int of at least 1.*got 0",
    ),
    "padding": (lambda: nn.Conv2D(4, 3, padding="same "), r"^Conv2D: padding must be"),
    "padding_mode": (
        lambda: nn.Depthwise((3, 3), padding_mode="mirror"),
        r"^Depthwise: padding_mode must be one of .* got 'mirror'",
    ),
    "method": (
        lambda: nn.Separable(4, (3, 3), method="gemm"),
        r"^Separable: method must be one of .* got 'gemm'",
    ),
    "a name as PyTorch's padding": (
        lambda: nn.ConvTranspose(4, (3, 3), padding="SAME"),
        r"^ConvTranspose: padding with convention=\"torch\" must be",
    ),
    "settings of an unknown number of axes": (
        lambda: nn.Conv(4, 3, strides=(1, 2)).init(KEY, (1, 8)),
        r"^Conv: strides must be .*1 spatial axes, got \(1, 2\)",
    ),
    "output_padding": (
        lambda: nn.ConvTranspose(4, 3, strides=2, output_padding=2).init(KEY, (1, 4)),
        r"^ConvTranspose: output_padding adds 2 pixels to the 9 on axis 2",
    ),
    "weight_init": (
        lambda: nn.Conv(4, 3, weight_init="kaiming"),
        r'^Conv: weight_init must be one of "glorot", "he", "lecun", "standard", or',
    ),
    "an initializer without its parentheses": (
        lambda: nn.Conv1D(4, 3, weight_init=jax.nn.initializers.he_normal).init(
            KEY, (2, 8)
        ),
        r"^Conv1D: weight_init must return an array of shape \(3, 2, 4\), got "
        r"<function init>\. Are its own parentheses missing",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(("call", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_and_mended(call, message):
    with pytest.raises(ValueError, match=message):
        call()


OTHER_NAMES = {
    "Flax's kernel_dilation": (
        lambda: nn.Conv(4, 3, kernel_dilation=2),
        r"Conv: .*Write dilation= for kernel_dilation=",
    ),
    "Keras's dilation_rate": (
        lambda: nn.Conv1D(4, 3, dilation_rate=2),
        r"Conv1D: .*Write dilation= for dilation_rate=",
    ),
    "PyTorch's in_channels": (
        lambda: nn.Conv3D(4, 3, in_channels=2),
        r"Conv3D: .*Write init\(key, input_shape=\(in_channels, \.\.\.\)\) for in_chan",
    ),
    "Keras's depth_multiplier": (
        lambda: nn.Depthwise(3, depth_multiplier=2),
        r"Depthwise: .*Write multiplier= for depth_multiplier=",
    ),
    "Keras's depthwise_initializer": (
        lambda: nn.Separable(4, 3, depthwise_initializer="he"),
        r"Separable: .*Write weight_init= for depthwise_initializer=",
    ),
    "Flax's transpose_kernel": (
        lambda: nn.ConvTranspose(4, 3, transpose_kernel=True),
        r'ConvTranspose: .*Write convention="lax" for transpose_kernel=',
    ),
    "Haiku's w_init": (
        lambda: nn.Dense(4, w_init="he"),
        r"Dense: .*Write weight_init= for w_init=",
    ),
    "channels of a depthwise layer": (
        lambda: nn.Depthwise(16, 3),
        r"Depthwise: .*By position it takes param_size; the size of the input is for",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(
    ("call", "message"), OTHER_NAMES.values(), ids=OTHER_NAMES.keys()
)
def test_another_librarys_name_is_known(call, message):
    with pytest.raises(TypeError, match=message):
        call()
