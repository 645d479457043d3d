"""What a model's layers are made of and cost, as data."""

import dataclasses
from fractions import Fraction

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
from jaxconv.nn.window import WHOLE_IMAGE, Window


def conv(channels, size, **settings):
    """Return a convolution that says what its window is."""
    strides = settings.get("strides", 1)
    layer = nn.Conv2D(channels, size, **settings)
    return dataclasses.replace(layer, window=Window(size, strides))


def shaped(function, window=Window(1), name="shaped"):  # noqa: B008
    """Return a layer without params, its shape that of the function's output."""

    def init(key, shape):
        x = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
        return jax.eval_shape(function, x).shape[1:], {}

    def apply(params, x, *, key=None):
        return function(x)

    return nn.Layer(init, apply, name, window=window)


def pool(size, strides):
    def largest(x):
        window, steps = (1, 1, size, size), (1, 1, strides, strides)
        return lax.reduce_window(x, -jnp.inf, lax.max, window, steps, "SAME")

    return shaped(largest, Window(size, strides), "pool")


def upsample(factor):
    def repeated(x):
        return jnp.repeat(jnp.repeat(x, factor, 2), factor, 3)

    return shaped(repeated, Window(factor, factor, upsampling=True), "upsample")


def global_pool():
    return shaped(lambda x: x.mean((2, 3)), WHOLE_IMAGE, "global_pool")


def keeps_statistics():
    def init(key, shape):
        one = jnp.ones(shape[0])
        return shape, {"scale": one, "shift": one, "statistics": {"mean": one}}

    def apply(params, x, *, key=None):
        return x * params["scale"].reshape(1, -1, 1, 1)

    return nn.Layer(init, apply, "norm")


def paths(model, shape):
    return [step.path for step in walk(model, shape)]


def field(model, shape=(1, 64, 64)):
    """Return the field and the stride of the model's last layer."""
    total = describe(model, shape).total
    return total.receptive_field, total.stride


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


# Receptive fields.

FIELDS = {
    "a convolution": ([conv(1, 3)], 3, 1),
    "one after another": ([conv(1, 3), conv(1, 5)], 7, 1),
    "after a stride, further": ([conv(1, 3, strides=2), conv(1, 3)], 7, 2),
    "pooled": ([conv(1, 3), pool(2, 2), conv(1, 3)], 8, 2),
    "upsampled": ([upsample(2)], 1, Fraction(1, 2)),
    "three upsampled pixels are of two": ([upsample(2), conv(1, 3)], 2, Fraction(1, 2)),
    "pooled and upsampled": ([pool(2, 2), upsample(2)], 2, 1),
    "pooled, upsampled, convolved": ([pool(2, 2), upsample(2), conv(1, 3)], 4, 1),
}


@pytest.mark.parametrize(("layers", "size", "stride"), FIELDS.values(), ids=FIELDS)
def test_receptive_field_is(layers, size, stride):
    assert field(nn.serial(*layers)) == ((size,) * 2, (stride,) * 2)


@pytest.mark.parametrize("layers", [case[0] for case in FIELDS.values()], ids=FIELDS)
def test_receptive_field_is_the_most_pixels_that_any_output_depends_on(layers):
    model, found = nn.serial(*(uniform(layer) for layer in layers)), 0
    x = jax.random.uniform(jax.random.key(1), (1, 1, 24, 1)) + 1
    x = x * jnp.ones((1, 1, 1, 24))
    _, params = model.init(jax.random.key(0), (1, 24, 24))

    def line(column):  # moved only along one axis, and summed along the other
        return model.apply(params, column * jnp.ones((1, 1, 1, 24)))[0, 0].sum(1)

    # Pools take the largest: what an output may see is the union over many images.
    seen = 0
    for seed in range(6):
        image = jax.random.uniform(jax.random.key(seed), (1, 1, 24, 1)) + 1
        seen = seen | (np.asarray(jax.jacobian(line)(image))[:, 0, 0, :, 0] != 0)
    found = max(np.ptp(np.flatnonzero(row)) + 1 for row in seen)
    assert found == field(nn.serial(*layers))[0][0]


def uniform(layer):
    """Return the layer with filters of ones: no product is 0."""

    def init(key, shape):
        shape, params = layer.init(key, shape)
        return shape, jax.tree.map(jnp.ones_like, params)

    return dataclasses.replace(layer, init=init)


def test_branches_are_seen_by_the_larger_field():
    model = nn.parallel(conv(1, 3), conv(1, 7), nn.serial(conv(1, 3), conv(1, 3)))
    assert field(nn.serial(conv(1, 3), model, conv(1, 3))) == ((11, 11), (1, 1))


def test_a_branch_around_two_scales_is_seen_in_full():
    low = nn.serial(pool(2, 2), conv(1, 3), upsample(2))
    for branches in ((low, nn.Linear()), (nn.Linear(), low)):
        model = nn.serial(nn.parallel(*branches), conv(1, 3))
        assert field(model) == ((8, 8), (1, 1))


def test_each_array_of_a_pair_keeps_its_own_field():
    pair = nn.parallel(nn.Linear(), pool(2, 2), join="tuple")
    model = nn.serial(pair, nn.each(conv(1, 3), conv(1, 3)))
    rows = describe(model, (1, 8, 8)).rows
    assert [row.receptive_field[0] for row in rows] == [1, 2, 3, 6]


def test_axes_are_told_apart():
    layer = dataclasses.replace(nn.Conv2D(1, (3, 5)), window=Window((3, 5), (1, 2)))
    assert field(layer) == ((3, 5), (1, 2))


def test_dilated_taps_reach_further():
    layer = dataclasses.replace(nn.Conv2D(1, 3), window=Window(3, dilation=4))
    assert field(layer) == ((9, 9), (1, 1))


def test_flattened_features_keep_the_field_that_a_dense_layer_makes_whole():
    dense = dataclasses.replace(nn.Dense(2), window=WHOLE_IMAGE)
    rows = describe(nn.serial(conv(1, 3), nn.Flatten(), dense), (1, 5, 6)).rows
    fields = [row.receptive_field for row in rows]
    assert fields == [(3, 3), (3, 3), (None, None)]
    assert rows[-1].stride == (None, None)


@pytest.mark.exhaustive
def test_a_network_of_many_joined_scales_is_described_at_once():
    def octave():
        return nn.residual(nn.serial(pool(2, 2), conv(1, 3), upsample(2)))

    deep = nn.serial(*(octave() for _ in range(40)))
    assert field(deep)[0] == (1 + 5 + 39 * 6,) * 2


def test_the_layers_say_which_pixels_they_see():
    model = nn.serial(
        nn.Conv2D(2, 3, strides=2),
        nn.MaxPool(3, strides=1),
        nn.Depthwise(3, dilation=2),
        nn.ConvTranspose(2, 2, strides=2),
        nn.AvgPool(2),
        nn.Flatten(),
        nn.Dense(3),
    )
    rows = nn.describe(model, (1, 40, 40)).rows
    fields = [row.receptive_field for row in rows[:3]]
    assert fields == [(3, 3), (7, 7), (15, 15)]
    assert [row.stride for row in rows[:5]] == [
        (2, 2),
        (2, 2),
        (2, 2),
        (1, 1),
        (2, 2),
    ]
    assert rows[-1].receptive_field == (None, None)
