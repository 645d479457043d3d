"""Mistakes with convolutional, dense and serial layers: each message names them."""

import jax
import jax.numpy as jnp
import pytest

from jaxconv import nn

KEY = jax.random.key(0)


def applied(layer, params, *shape):
    return lambda: layer.apply(params, jnp.zeros(shape))


DENSE = {"weights": jnp.zeros((4, 3)), "bias": jnp.zeros(3)}
MISTAKES = {
    "conv on a vector": (
        lambda: nn.Conv2D(4, 3).init(KEY, (784,)),
        r"Conv2D: input_shape must be \(channels, height, width\).*got \(784,\)",
    ),
    "conv with the batch in the shape": (
        lambda: nn.Conv2D(4, 3).init(KEY, (60, 1, 28, 28)),
        r"Conv2D: input_shape must be .*without the batch.*got \(60, 1, 28, 28\)",
    ),
    "conv on channels-last images": (
        applied(nn.Conv2D(4, 3), {"filters": jnp.zeros((1, 4, 3, 3))}, 2, 8, 8, 1),
        r"Conv2D: x has 8 channels .*Is x channels-last\?",
    ),
    "conv groups": (
        lambda: nn.Conv2D(4, 3, groups=2).init(KEY, (3, 8, 8)),
        r"Conv2D: groups must divide the input channels, got 2 groups and 3 channels",
    ),
    "conv groups of none": (
        lambda: nn.Conv2D(4, 3, groups=0),
        r"Conv2D: groups must be an int of at least 1, got 0",
    ),
    "conv on no channels": (
        lambda: nn.Conv2D(4, 3).init(KEY, (0, 8, 8)),
        r"with at least one channel, got \(0, 8, 8\)",
    ),
    "conv with one of two sizes": (
        lambda: nn.Conv2D(4, (3,)),
        r"Conv2D: param_size must be the filters' height and width.* got \(3,\)",
    ),
    "an activation with parameters": (
        lambda: nn.Dense(3, activation=nn.Dense(4)).init(KEY, (2,)),
        r"dense has parameters, so it cannot be the activation of dense",
    ),
    "an activation without its parentheses": (
        lambda: nn.Dense(3, activation=nn.Tanh),
        r"activation must be a layer such as Tanh\(\)",
    ),
    "dropout of no number": (lambda: nn.Dropout(None), r"keeping a unit.* got None"),
    "two layers of one name": (
        lambda: nn.serial(nn.elementwise(abs, "a1"), *[nn.elementwise(abs, "a")] * 11),
        r"serial: two layers would be called 'a11'",
    ),
    "conv channels": (
        lambda: nn.Conv2D(0, 3),
        r"Conv2D: out_channels must be an int of at least 1, got 0",
    ),
    "dense on an image": (
        lambda: nn.Dense(3).init(KEY, (1, 28, 28)),
        r"Dense: input_shape must be \(features,\).*Put Flatten\(\) before it",
    ),
    "dense on other features": (
        applied(nn.Dense(3), DENSE, 2, 5),
        r"Dense: x must be \(batch, 4 features\), got \(2, 5\)",
    ),
    "dropout of nothing kept": (
        lambda: nn.Dropout(0.0),
        r"Dropout: dropout must be the probability of keeping a unit.* got 0\.0",
    ),
    "dropout above 1": (lambda: nn.Conv2D(4, 3, dropout=20), r"got 20\. 1 keeps all"),
    "unknown weight_init": (
        lambda: nn.Dense(3, weight_init="xavier"),
        r'Dense: weight_init must be one of "glorot", .* got \'xavier\'',
    ),
    "unknown activation": (
        lambda: nn.Dense(3, activation="tanh"),
        r"Dense: activation must be a layer such as Tanh\(\).* got 'tanh'",
    ),
    "a class for a layer": (
        lambda: nn.serial(nn.Dense(3), nn.Tanh),
        r"serial: argument 1 must be a Layer, got <function Tanh",
    ),
    "another model's params": (
        applied(nn.serial(nn.Dense(3)), {"conv1": {}, "dense1": DENSE}, 2, 4),
        r"serial: params has entries \['conv1'\], but the layers are \['dense1'\]",
    ),
    "params missing": (
        applied(nn.serial(nn.Dense(3)), {}, 2, 4),
        r"Dense: params has no 'weights', only \[\]",
    ),
    "one-hot labels": (
        lambda: nn.softmax_cross_entropy(jnp.zeros((4, 10)), jnp.zeros((4, 10), int)),
        r"softmax_cross_entropy: logits must be .* got \(4, 10\) and \(4, 10\)",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(("call", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(call, message):
    with pytest.raises(ValueError, match=message):
        call()
