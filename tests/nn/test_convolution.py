"""Layers with filters: of any number of axes, transposed, depthwise, separable."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv
from jaxconv import nn
from jaxconv.check import check_gradients
from tests.reference import integers
from tests.tiers import fast

KEY = jax.random.key(0)


def with_integers(layer, shape, rng):
    """Return whole-numbered params of the layer, and a batch of 3."""
    params = jax.eval_shape(lambda key: layer.init(key, shape)[1], KEY)
    params = jax.tree.map(lambda p: jnp.array(integers(rng, p.shape)), params)
    return params, jnp.array(integers(rng, (3, *shape)))


# Each layer with a bias, and what the engine does with its filters.
SLIDING = {
    "1-D": (
        nn.Conv1D(6, 3, padding="CAUSAL", dilation=2, groups=2, bias=True),
        (4, 7),
        {"padding": "CAUSAL", "kernel_dilation": 2, "groups": 2},
    ),
    "2-D": (
        nn.Conv2D(4, (3, 2), strides=(2, 1), padding_mode=("reflect", "circular")),
        (2, 6, 5),
        {"strides": (2, 1), "padding_mode": ("reflect", "circular")},
    ),
    "3-D": (
        nn.Conv3D(4, (2, 1, 3), strides=(1, 2, 1), dilation=(1, 1, 2), bias=True),
        (2, 3, 4, 5),
        {"strides": (1, 2, 1), "kernel_dilation": (1, 1, 2)},
    ),
    "any, by the sizes": (
        nn.Conv(4, (3, 2), padding=((1, 0), 2), bias=True),
        (2, 6, 5),
        {"padding": ((1, 0), 2)},
    ),
    "any, by the input": (nn.Conv(4, 2, padding=1), (2, 2, 3, 2, 3), {"padding": 1}),
    "depthwise": (
        nn.Depthwise(
            (3, 2), multiplier=2, strides=2, padding_mode="reflect", bias=True
        ),
        (3, 6, 5),
        {"strides": 2, "padding_mode": "reflect", "groups": 3},
    ),
}


@pytest.mark.parametrize("name", fast(SLIDING, "1-D", "3-D", "depthwise"))
def test_a_layer_is_the_engines_convolution(name, rng):
    layer, shape, settings = SLIDING[name]
    params, x = with_integers(layer, shape, rng)
    expected = jaxconv.conv(x, params["filters"], **settings, method="loops")
    if "bias" in params:
        expected += params["bias"].reshape(-1, *(1,) * len(shape[1:]))[None]
    np.testing.assert_array_equal(layer.apply(params, x), expected)
    assert layer.init(KEY, shape)[0] == expected.shape[1:]


TRANSPOSED = {
    "torch": {
        "strides": 2,
        "padding": 1,
        "output_padding": 1,
        "dilation": (1, 2),
        "groups": 2,
    },
    "lax": {"convention": "lax", "strides": (2, 1), "padding": "SAME"},
    "keras": {"convention": "keras", "padding": "SAME", "output_padding": 0},
    "onnx": {"convention": "onnx", "padding": "SAME_LOWER", "strides": 2},
}


@pytest.mark.parametrize("name", fast(TRANSPOSED, "torch", "lax"))
def test_a_transposed_layer_is_the_engines(name, rng):
    settings = TRANSPOSED[name]
    layer = nn.ConvTranspose(6, (3, 2), **settings, bias=True)
    params, x = with_integers(layer, (4, 3, 5), rng)
    expected = jaxconv.conv_transpose(x, params["filters"], **settings, method="loops")
    expected += params["bias"].reshape(1, 6, 1, 1)
    np.testing.assert_array_equal(layer.apply(params, x), expected)
    assert layer.init(KEY, (4, 3, 5))[0] == expected.shape[1:]


def test_a_transposed_layer_of_any_axes():
    shape, params = nn.ConvTranspose(2, 3, strides=2).init(KEY, (4, 5))
    assert shape == (2, 11)
    assert params["filters"].shape == (4, 2, 3)


def test_maps_of_a_channel_are_neighbours(rng):
    layer = nn.Depthwise(1, multiplier=2)
    x = jnp.array(integers(rng, (3, 2, 4, 5)))
    y = layer.apply({"filters": jnp.ones((1, 4, 1, 1))}, x)
    np.testing.assert_array_equal(y, jnp.repeat(x, 2, axis=1))


def test_separable_is_depthwise_then_pointwise(rng):
    layer = nn.Separable(5, (3, 2), multiplier=2, strides=(2, 1), bias=True)
    params, x = with_integers(layer, (3, 6, 5), rng)
    maps = jaxconv.conv(x, params["depthwise"]["filters"], strides=(2, 1), groups=3)
    expected = jaxconv.conv(maps, params["pointwise"]["filters"])
    expected += params["pointwise"]["bias"].reshape(1, 5, 1, 1)
    np.testing.assert_array_equal(layer.apply(params, x), expected)
    names = [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, _ in jax.tree_util.tree_leaves_with_path(params)
    ]
    assert names == ["depthwise/filters", "pointwise/bias", "pointwise/filters"]


def test_the_method_is_passed_on():
    for layer in (
        nn.ConvTranspose(4, 3, method="taps"),
        nn.Separable(4, 3, method="taps"),
        nn.Conv1D(4, 3, method="taps"),
    ):
        shape = (2, 6) if layer.name == "conv" else (2, 6, 5)
        _, params = layer.init(KEY, shape)
        program = str(jax.make_jaxpr(layer.apply)(params, jnp.ones((1, *shape))))
        assert "method=taps" in program
        assert "method=auto" not in program


MAKES = {
    "any": (functools.partial(nn.Conv, 4, 3), (2, 6, 5)),
    "1-D": (functools.partial(nn.Conv1D, 4, 3), (2, 6)),
    "3-D": (functools.partial(nn.Conv3D, 4, 3), (2, 3, 4, 5)),
    "transposed": (functools.partial(nn.ConvTranspose, 4, 3), (2, 6, 5)),
    "depthwise": (functools.partial(nn.Depthwise, 3, multiplier=2), (2, 6, 5)),
    "separable": (functools.partial(nn.Separable, 4, 3), (2, 6, 5)),
}


@pytest.mark.parametrize("name", fast(MAKES, "1-D", "separable"))
def test_the_chapters_arguments_serve_all(name):
    make, shape = MAKES[name]
    layer = make(activation=nn.ReLU(), dropout=0.5, flatten=True)
    output_shape, params = layer.init(KEY, shape)
    plain_shape, _ = make().init(KEY, shape)
    x = jax.random.normal(KEY, (3, *shape))
    y = layer.apply(params, x)
    expected = jax.nn.relu(make().apply(params, x))
    assert output_shape == (np.prod(plain_shape),)
    np.testing.assert_array_equal(y, nn.Flatten().apply({}, expected))
    kept = jnp.mean(layer.apply(params, x, key=KEY)[y > 0] > 0)
    assert 0.3 < kept < 0.7


@pytest.mark.parametrize(
    "name", fast(("conv", "transposed", "separable"), "transposed", "separable")
)
def test_gradients_hold(name, rng):
    layer, shape = {
        "conv": (nn.Conv1D(2, 2, groups=2, padding_mode="reflect", bias=True), (2, 3)),
        "transposed": (nn.ConvTranspose(2, 2, strides=2, groups=2, bias=True), (2, 3)),
        "separable": (nn.Separable(2, 2, dilation=2, bias=True), (2, 3)),
    }[name]
    params, x = with_integers(layer, shape, rng)
    report = check_gradients(layer.apply, (params, x), order=1)
    assert report.ok, report


# Initialisation


def he(fan_in):
    return 2 / fan_in


VARIANCES = {  # 5 x 5 filters, 32 channels in, 64 out
    "glorot": ("glorot", 1, 2 / (25 * 32 + 25 * 64)),
    "he": ("he", 1, he(25 * 32)),
    "lecun": ("lecun", 1, 1 / (25 * 32)),
    "he_normal()": (jax.nn.initializers.he_normal(), 1, he(25 * 32)),
    "glorot_uniform()": (
        jax.nn.initializers.glorot_uniform(),
        1,
        2 / (25 * 32 + 25 * 64),
    ),
    "he, grouped": ("he", 4, he(25 * 8)),
    "he_normal(), grouped": (jax.nn.initializers.he_normal(), 4, he(25 * 8)),
}
KINDS = {"conv": nn.Conv2D, "transposed": nn.ConvTranspose}


@pytest.mark.parametrize(
    "case",
    fast(
        [f"{kind}: {name}" for kind, name in itertools.product(KINDS, VARIANCES)],
        "conv: glorot",
        "conv: he",
        "conv: lecun",
        "conv: he_normal()",
        "transposed: he, grouped",
        "transposed: he_normal(), grouped",
    ),
)
def test_weights_have_the_variance_that_their_fans_give(case):
    kind, name = case.split(": ")
    weight_init, groups, expected = VARIANCES[name]
    layer = KINDS[kind](64, 5, weight_init=weight_init, groups=groups)
    _, params = layer.init(KEY, (32, 6, 6))
    # At least 12,800 draws: a relative deviation of sqrt(2 / 12800) = 1.3 %.
    assert jnp.var(params["filters"]) == pytest.approx(expected, rel=0.06)


def test_dense_weights_have_the_variance_that_their_fans_give():
    for weight_init in ("he", jax.nn.initializers.he_normal()):
        _, params = nn.Dense(400, weight_init=weight_init).init(KEY, (100,))
        assert jnp.var(params["weights"]) == pytest.approx(2 / 100, rel=0.04)


def coded(key, shape, dtype):
    """Draw no numbers but the index of each place, of which `shape` has ten at most."""
    places = [
        10**i * jnp.arange(n).reshape(-1, *(1,) * i)
        for i, n in enumerate(reversed(shape))
    ]
    return functools.reduce(jnp.add, jnp.broadcast_arrays(*places)).astype(dtype)


def test_an_initializer_sees_jaxs_order_of_axes():
    _, params = nn.Conv2D(4, (3, 2), weight_init=coded, groups=2).init(KEY, (6, 5, 7))
    assert params["filters"].shape == (3, 4, 3, 2)
    assert params["filters"][2, 3, 1, 0] == 1023  # (height, width, in, out)


def test_an_initializer_sees_groups_of_a_transposed_layer_as_of_any():
    layer = nn.ConvTranspose(4, (3, 2), weight_init=coded, groups=2)
    _, params = layer.init(KEY, (6, 5, 7))
    assert params["filters"].shape == (6, 2, 3, 2)
    # Input 4 is the second one of group 1, whose output 0 is output 2 of all.
    assert params["filters"][4, 0, 1, 0] == 1012


def test_named_weights_are_the_same_numbers_as_ever():
    _, params = nn.Conv2D(3, 2).init(KEY, (2, 4, 5))
    draw = jax.nn.initializers.glorot_normal(in_axis=0, out_axis=1)
    expected = draw(KEY, (2, 3, 2, 2), jnp.float32)
    np.testing.assert_array_equal(params["filters"], expected)


def test_params_are_float32_whatever_an_initializer_draws():
    def ones(key, shape, dtype):
        return np.ones(shape, int)

    _, dense = nn.Dense(3, weight_init=ones).init(KEY, (2,))
    _, conv = nn.Conv1D(3, 2, weight_init=ones).init(KEY, (2, 4))
    assert dense["weights"].dtype == conv["filters"].dtype == "float32"


def test_no_weight_is_drawn_for_shapes_alone():
    model = nn.serial(
        nn.Conv2D(2**16, 3, bias=True, weight_init="he"),
        nn.Depthwise(3, weight_init=jax.nn.initializers.he_normal()),
        nn.ConvTranspose(2**16, 3, groups=4, weight_init="lecun"),
        nn.Separable(2**16, 3, flatten=True, weight_init="standard"),
        nn.Dense(2**16),
    )
    init = functools.partial(model.init, input_shape=(2**16, 8, 8))
    _, params = jax.eval_shape(init, KEY)
    assert params["conv1"]["filters"].shape == (2**16, 2**16, 3, 3)
    assert params["dense1"]["weights"].shape == (100 * 2**16, 2**16)


# Mistakes


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
