"""The receptive field and stride that a description gives are those of the pixels."""

import dataclasses
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.nn.describe import describe
from jaxconv.nn.window import WHOLE_IMAGE, Window
from tests.nn.windowed import conv, pool, upsample


def field(model, shape=(1, 64, 64)):
    """Return the field and the stride of the model's last layer."""
    total = describe(model, shape).total
    return total.receptive_field, total.stride


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
