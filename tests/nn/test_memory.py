"""Images lie channels-last in memory from one layer to the next."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.conv.methods import onednn_region
from jaxconv.nn.activations import _OF_EACH_NUMBER
from tests.tiers import fast

IMAGES = (8, 3, 52, 52)  # large enough for oneDNN
BETWEEN = {
    "batch norm": nn.BatchNorm(),
    "group norm": nn.GroupNorm(2),
    "layer norm": nn.LayerNorm(),
    "local response norm": nn.LocalResponseNorm(),
    "relu": nn.ReLU(),
    "relu6": nn.ReLU6(),
    "leaky relu": nn.LeakyReLU(),
    "elu": nn.ELU(),
    "gelu": nn.GELU(),
    "a function of jax.nn": nn.elementwise(jax.nn.mish),
    "residual": nn.residual(nn.Conv2D(8, 3)),
    "two sums": nn.residual(nn.residual(nn.Conv2D(8, 3)), nn.ReLU()),
    "concatenation": nn.dense_block(nn.Conv2D(8, 3)),
    "more channels": nn.PadChannels(16),
    "max pool": nn.MaxPool(3, strides=2),
    "average pool": nn.AvgPool(2),
    "upsampling": nn.Upsample(2),
    "dropout": nn.Dropout(0.5),
    "bias": nn.Conv2D(8, 3, bias=True),
    "depthwise": nn.Depthwise(3),
    "1x1": nn.Conv2D(8, 1),
    "a sum that is read twice": nn.serial(
        nn.residual(nn.residual(nn.Conv2D(8, 3))), nn.BatchNorm()
    ),
}
FAST = "group norm", "gelu", "a sum that is read twice", "concatenation", "upsampling"


@pytest.mark.skipif(
    onednn_region.unavailable("float32") is not None,
    reason="where oneDNN is not, some methods move images",
)
@pytest.mark.parametrize("layer", fast(BETWEEN, *FAST))
def test_no_image_moves_between_convolutions(layer):
    layer = BETWEEN[layer]
    model = nn.serial(
        nn.Conv2D(8, 3), layer, nn.Conv2D(8, 3), nn.GlobalAvgPool(), nn.Dense(10)
    )
    _, params = model.init(jax.random.key(0), IMAGES[1:])

    def loss(x, params):
        return model.apply(params, x, key=jax.random.key(1)).sum()

    given = jax.ShapeDtypeStruct(IMAGES, jnp.float32)
    program = jax.jit(jax.grad(loss)).lower(given, params).compile().as_text()
    assert moved(program) == {IMAGES}


def moved(program: str) -> set[tuple[int, ...]]:
    """Return the shapes of images, channels first, whose channels a program moves."""
    found = set()
    for sizes, axes in re.findall(
        r"= f32\[([\d,]+)\]\S* transpose\(.*dimensions={([\d,]+)}", program
    ):
        shape, order = (tuple(map(int, text.split(","))) for text in (sizes, axes))
        if order == (0, 2, 3, 1):
            found.add((shape[0], shape[3], *shape[1:3]))
        if order == (0, 3, 1, 2):
            found.add(shape)
    return found


def test_layers_say_that_images_lie_channels_last():
    layer = nn.Conv2D(8, 3)
    _, params = layer.init(jax.random.key(0), IMAGES[1:])
    program = str(jax.make_jaxpr(layer.apply)(params, jnp.zeros(IMAGES)))
    assert "channels_last=True" in program
    assert "channels_last=False" not in program


def test_a_function_of_several_numbers_sees_channels_first():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4, 5)), jnp.float32)
    layer = nn.elementwise(lambda x: jax.nn.softmax(x, axis=1))
    y = layer.apply({}, x)
    np.testing.assert_array_equal(y, jax.nn.softmax(x, axis=1))


@pytest.mark.parametrize("function", _OF_EACH_NUMBER)
def test_these_functions_are_of_each_number(function):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, 5)), jnp.float32)
    one_by_one = jnp.stack([function(value) for value in x.ravel()]).reshape(x.shape)
    np.testing.assert_allclose(function(x), one_by_one, rtol=2e-6)
