"""What a model's layers are made of and cost, as data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxconv
from jaxconv import nn
from jaxconv.nn.describe import describe
from jaxconv.nn.products import count_multiply_adds
from jaxconv.nn.walk import walk
from tests.nn.windowed import conv, global_pool


def keeps_statistics():
    def init(key, shape):
        one = jnp.ones(shape[0])
        return shape, {"scale": one, "shift": one, "statistics": {"mean": one}}

    def apply(params, x, *, key=None):
        return x * params["scale"].reshape(1, -1, 1, 1)

    return nn.Layer(init, apply, "norm")


def paths(model, shape):
    return [step.path for step in walk(model, shape)]


# Walking.


def test_paths_read_as_the_model_does():
    block = nn.named("block1", nn.residual(nn.Conv2D(2, 3), shortcut=nn.Conv2D(2, 1)))
    model = nn.serial(nn.named("stage1", nn.serial(block)), nn.Flatten(), nn.Dense(3))
    assert paths(model, (1, 4, 4)) == [
        "stage1/block1/conv1",
        "stage1/block1/shortcut",
        "flatten1",
        "dense1",
    ]


def test_a_part_without_a_name_adds_nothing_to_the_path():
    grown = nn.dense_block(nn.serial(nn.Conv2D(2, 3)), nn.named("last", nn.ReLU()))
    assert paths(grown, (1, 4, 4)) == [
        "serial1/kept",
        "serial1/conv1",
        "last/kept",
        "last",
    ]


def test_paths_are_the_ways_to_the_params():
    model = nn.serial(
        nn.dense_block(nn.Conv2D(2, 3), nn.serial(nn.Conv2D(2, 1))),
        nn.residual(nn.Conv2D(5, 1), shortcut=nn.Conv2D(5, 1)),
    )
    _, params = nn.eval_shape(model, (1, 4, 4))
    for step in walk(model, (1, 4, 4)):
        found = params
        for name in step.path.split("/") if step.params else ():
            found = found[name]
        assert step.params in ({}, found)


def test_no_weight_is_drawn():
    def draw(key, shape, dtype):
        assert isinstance(key, jax.core.Tracer)
        return jnp.zeros(shape, dtype)

    model = nn.serial(
        nn.Flatten(), nn.Dense(40_960, weight_init=draw), nn.Dense(4, weight_init=draw)
    )
    assert describe(model, (256, 60, 60)).total.weights == 256 * 3600 * 40_960 + 163_840


def test_an_init_that_computes_with_numpy_is_described():
    def init(key, shape):
        filters = np.asarray(jax.random.normal(key, shape))
        return shape, {"weights": jnp.asarray(filters)}

    layer = nn.Layer(init, lambda params, x, *, key=None: x * params["weights"][None])
    assert describe(layer, (3,)).total.weights == 3


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            nn.serial(nn.named("stage1", nn.serial(nn.Dense(3)))),
            r"^stage1/dense1: Dense: input_shape must be",
        ),
        (
            nn.serial(nn.named("block1", nn.residual(nn.Conv2D(2, 3)))),
            r"^block1: residual: outputs that are added must have one shape",
        ),
        (nn.serial(nn.each(nn.ReLU())), r"^each1: give a tuple of 1.*got \(1, 4, 4\)"),
    ],
    ids=["a layer", "a sum", "each of an array"],
)
def test_an_error_begins_with_the_path(model, message):
    with pytest.raises(ValueError, match=message):
        describe(model, (1, 4, 4))


# Counting.


def test_weights_biases_statistics_and_neurons_are_told_apart():
    model = nn.serial(nn.Conv2D(3, 2, bias=True), keeps_statistics(), nn.ReLU())
    rows = describe(model, (2, 5, 4)).rows
    counts = [(r.weights, r.biases, r.statistics, r.neurons) for r in rows]
    assert counts == [(24, 3, 0, 60), (3, 3, 3, 60), (0, 0, 0, 0)]


def test_memory_is_that_of_outputs_that_are_not_the_input():
    rows = describe(nn.serial(nn.Conv2D(3, 2), nn.Linear(), nn.ReLU()), (2, 5, 4)).rows
    assert [row.activation_bytes for row in rows] == [240, 0, 240]


X = jax.ShapeDtypeStruct((2, 4, 9, 8), jnp.float32)
W = jax.ShapeDtypeStruct((2, 6, 3, 2), jnp.float32)
UP = jax.ShapeDtypeStruct((4, 3, 3, 2), jnp.float32)


def ours(x, w, **settings):
    return jaxconv.conv(x, w, groups=2, **settings)


def laxs(x, w):
    return lax.conv_general_dilated(
        x, jnp.swapaxes(w, 0, 1), (2, 1), "SAME", feature_group_count=2
    )


def looped(x, w):
    def body(carry, _):
        return carry + ours(x, w), None

    return lax.scan(body, ours(x, w), None, length=4)[0]


def chosen(x, w):
    return lax.cond(x.sum() > 0, lambda: ours(x, w), lambda: ours(x, w) + ours(x, w))


ONE = 2 * 6 * 9 * 8 * 2 * 3 * 2  # outputs times channels of a group times taps
PROGRAMS = {
    "a convolution": (ours, (X, W), ONE),
    "with strides": (lambda x, w: ours(x, w, strides=(2, 1)), (X, W), ONE * 5 // 9),
    "lax's": (laxs, (X, W), ONE * 5 // 9),
    "compiled": (jax.jit(ours), (X, W), ONE),
    "differentiable": (jax.checkpoint(ours), (X, W), ONE),
    "a loop": (looped, (X, W), 5 * ONE),
    "a choice: the dearest": (chosen, (X, W), 2 * ONE),
    "transposed: a product for each pixel and tap": (
        lambda x, w: jaxconv.conv_transpose(x, w, strides=2, groups=2),
        (X, UP),
        2 * 4 * 9 * 8 * 3 * 3 * 2,
    ),
    "transposed, as a convolution of a dilated input": (
        lambda x, w: ours(x, w, input_dilation=2, padding=2),
        (X, W),
        2 * 4 * 9 * 8 * 3 * 3 * 2,
    ),
    "a product": (
        lambda x, w: jnp.einsum("bchw,cokl->bohwkl", x, w),
        (X, jax.ShapeDtypeStruct((4, 5, 3, 2), jnp.float32)),
        2 * 9 * 8 * 4 * 5 * 3 * 2,
    ),
    "of each number alone": (lambda x: jax.nn.relu(2 * x), (X,), 0),
}


@pytest.mark.parametrize(
    ("function", "shapes", "expected"), PROGRAMS.values(), ids=PROGRAMS
)
def test_multiply_adds_of(function, shapes, expected):
    assert count_multiply_adds(jax.make_jaxpr(function)(*shapes)) == expected


def test_mobilenets_size_and_cost():
    widths = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
    widths += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    layers, channels = [conv(32, 3, strides=2), keeps_statistics()], 32
    for width, strides in widths:
        layers += [conv(channels, 3, strides=strides, groups=channels)]
        layers += [keeps_statistics(), conv(width, 1), keeps_statistics()]
        channels = width
    model = nn.serial(*layers, global_pool(), nn.Dense(1000))
    total = describe(model, (3, 224, 224)).total
    assert total.weights + total.biases == 4_231_976
    assert total.multiply_adds == 568_740_352


def test_a_layer_whose_program_cannot_be_read_has_no_number():
    def apply(params, x, *, key=None):
        return jnp.asarray(np.asarray(x) + 1)

    own = nn.Layer(lambda key, shape: (shape, {}), apply, "own")
    described = describe(nn.serial(own, nn.Dense(2)), (3,))
    assert [row.multiply_adds for row in described.rows] == [None, 6]
    assert described.total.multiply_adds == 6
    assert described.unknown[0].startswith("own1: TracerArrayConversionError: ")
