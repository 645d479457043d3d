"""Each network learns 64 images by heart: to 100 %, as inference sees them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxconv import nn
from jaxconv.nn import models
from tests.nn.models.overfitting import UNOPTIMISED, steps_to_overfit
from tests.tiers import fast

MODELS = {  # of the large ones, narrow relatives with all their kinds of layers
    "lenet5": (models.lenet5(4), (1, 28, 28)),
    "lenet5 relu max": (
        models.lenet5(4, activation=jax.nn.relu, pooling="max"),
        (1, 28, 28),
    ),
    "alexnet_small": (models.alexnet_small(4), (1, 16, 16)),
    "resnet": (models.resnet(8, 4, width=8), (1, 12, 12)),
    "resnet50": (models.resnet50(4, width=4), (3, 32, 32)),  # octave_resnet50's blocks
    "densenet": (models.densenet(10, growth=6, num_classes=4), (1, 12, 12)),
    "mobilenet": (models.mobilenet(0.25, 4), (3, 32, 32)),
    "octave_resnet": (models.octave_resnet(8, 4, width=8), (1, 12, 12)),
    "board_tower": (models.board_tower(2, 16, 3, 4), (3, 7, 7)),
}


@pytest.mark.parametrize("name", fast(MODELS, "lenet5 relu max"))
def test_a_model_learns_64_images_by_heart(name):
    model, shape = MODELS[name]
    rate = 5e-4 if name == "alexnet_small" else 3e-3  # dropout hinders large steps
    assert steps_to_overfit(model, shape, learning_rate=rate) <= 400


@pytest.mark.exhaustive
def test_alexnet_trains_a_step(rng):
    """Of its full size: the loss of an image falls along the gradient."""
    model, key = models.alexnet(10), jax.random.key(0)
    init = jax.jit(
        lambda key: model.init(key, (3, 227, 227))[1], compiler_options=UNOPTIMISED
    )
    params = init(key)
    x = jnp.asarray(rng.standard_normal((1, 3, 227, 227), np.float32))

    def loss_of(params):
        return nn.softmax_cross_entropy(model.apply(params, x, key=key), jnp.array([3]))

    loss, grads = jax.jit(jax.value_and_grad(loss_of))(params)
    assert all(jnp.any(leaf != 0) for leaf in jax.tree.leaves(grads))
    params = optax.tree.add_scale(params, -1e-4, grads)
    assert jax.jit(loss_of)(params) < loss
