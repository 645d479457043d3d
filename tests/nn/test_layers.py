"""Each layer's shapes, parameters and values, and the loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv
from jaxconv import nn
from tests.reference import integers

KEY = jax.random.key(0)
LAYERS = {
    "conv": (nn.Conv2D(4, 3), (2, 6, 5)),
    "conv, rectangular": (nn.Conv2D(4, (3, 2), padding="VALID"), (2, 6, 5)),
    "conv, strided": (nn.Conv2D(4, 3, strides=(2, 3), padding=1), (2, 7, 6)),
    "conv, grouped": (nn.Conv2D(6, 3, groups=2, bias=True), (4, 6, 5)),
    "conv, all at once": (
        nn.Conv2D(4, 3, activation=nn.ReLU(), dropout=0.5, flatten=True, bias=True),
        (2, 6, 5),
    ),
    "dense": (nn.Dense(3), (7,)),
    "dense, all at once": (nn.Dense(3, activation=jnp.tanh, dropout=0.5), (7,)),
    "flatten": (nn.Flatten(), (2, 3, 4)),
    "dropout": (nn.Dropout(0.8), (2, 3)),
    "sigmoid": (nn.Sigmoid(), (5,)),
    "tanh": (nn.Tanh(), (5,)),
    "relu": (nn.ReLU(), (5,)),
    "linear": (nn.Linear(), (5,)),
    "serial": (nn.serial(nn.Conv2D(4, 3, flatten=True), nn.Dense(3)), (2, 6, 5)),
    "serial of nothing": (nn.serial(), (4,)),
    "nested serial": (nn.serial(nn.serial(nn.Dense(3)), nn.serial(nn.Dense(2))), (4,)),
    "chapter5": (nn.models.chapter5(), (1, 28, 28)),
}


@pytest.mark.parametrize("key", [None, KEY], ids=["inference", "training"])
@pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=LAYERS.keys())
def test_apply_keeps_the_shape_that_init_promised(layer, shape, key):
    init, apply = layer
    output_shape, params = init(KEY, shape)
    y = jax.jit(apply)(params, jnp.ones((3, *shape)), key=key)
    assert y.shape == (3, *output_shape)


@pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=LAYERS.keys())
def test_params_are_float32_arrays_and_nothing_else(layer, shape):
    _, params = layer.init(KEY, shape)
    assert all(leaf.dtype == "float32" for leaf in jax.tree.leaves(params))


def test_params_have_readable_names():
    model = nn.serial(nn.Conv2D(4, 3, bias=True), nn.Conv2D(2, 3, flatten=True))
    _, params = nn.serial(model, nn.Tanh(), nn.Dense(3)).init(KEY, (1, 6, 5))
    names = [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, _ in jax.tree_util.tree_leaves_with_path(params)
    ]
    assert names == [
        "dense1/bias",
        "dense1/weights",
        "serial1/conv1/bias",
        "serial1/conv1/filters",
        "serial1/conv2/filters",
    ]


def test_same_key_same_params():
    first, second = (nn.models.chapter5().init(KEY, (1, 28, 28)) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_layers_of_one_kind_get_different_weights():
    _, params = nn.serial(nn.Dense(4), nn.Dense(4)).init(KEY, (4,))
    assert not jnp.array_equal(params["dense1"]["weights"], params["dense2"]["weights"])


def test_conv_is_the_engines(rng):
    layer = nn.Conv2D(6, (3, 2), strides=(2, 1), padding=1, groups=2, bias=True)
    _, params = layer.init(KEY, (4, 7, 6))
    filters, bias = integers(rng, (2, 6, 3, 2)), integers(rng, (6,))
    params = {"filters": jnp.array(filters), "bias": jnp.array(bias)}
    x = jnp.array(integers(rng, (3, 4, 7, 6)))
    expected = jaxconv.conv(
        x, params["filters"], strides=(2, 1), padding=1, groups=2, method="loops"
    )
    expected += bias[None, :, None, None]
    np.testing.assert_array_equal(layer.apply(params, x), expected)


def test_conv_uses_the_method_it_is_given():
    layer = nn.Conv2D(4, 3, method="loops")
    _, params = layer.init(KEY, (2, 6, 5))
    jaxpr = str(jax.make_jaxpr(layer.apply)(params, jnp.ones((3, 2, 6, 5))))
    assert "method=loops" in jaxpr


@pytest.mark.parametrize(("neurons", "turned"), [(3, True), (40, False)])
def test_weights_of_few_neurons_are_turned_for_their_gradient(neurons, turned):
    layer = nn.Dense(neurons)
    _, params = layer.init(KEY, (4,))
    gradient = jax.grad(lambda params: layer.apply(params, jnp.ones((2, 4))).sum())
    assert ("optimization_barrier" in str(jax.make_jaxpr(gradient)(params))) == turned


@pytest.mark.parametrize("neurons", [3, 40])
def test_dense_multiplies_and_adds(neurons, rng):
    layer = nn.Dense(neurons)
    weights, bias = integers(rng, (4, neurons)), integers(rng, (neurons,))
    x = integers(rng, (5, 4))
    params = {"weights": jnp.array(weights), "bias": jnp.array(bias)}
    np.testing.assert_array_equal(layer.apply(params, jnp.array(x)), x @ weights + bias)


def test_flatten_goes_pixel_by_pixel_as_flax_does():
    x = jnp.arange(24.0).reshape(2, 3, 2, 2)
    flat = nn.Flatten().apply({}, x)
    assert flat[1].tolist() == [12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23]
    np.testing.assert_array_equal(flat, jnp.moveaxis(x, 1, -1).reshape(2, -1))
    np.testing.assert_array_equal(nn.Flatten().apply({}, flat), flat)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Sigmoid(), [0.119202922, 0.5, 0.880797078]),
        (nn.Tanh(), [-0.964027580, 0.0, 0.964027580]),
        (nn.ReLU(), [0.0, 0.0, 2.0]),
        (nn.Linear(), [-2.0, 0.0, 2.0]),
    ],
    ids=lambda case: getattr(case, "name", ""),
)
def test_activation(layer, expected):
    y = layer.apply({}, jnp.array([[-2.0, 0.0, 2.0]]))
    np.testing.assert_allclose(y[0], expected, rtol=1e-6)


def test_activation_follows_the_weights():
    layer = nn.Dense(1, activation=jax.nn.relu)
    params = {"weights": -jnp.ones((2, 1)), "bias": jnp.zeros(1)}
    assert layer.apply(params, jnp.ones((1, 2))).item() == 0


def test_chapter5_is_the_chapters_model(rng):
    """32 filters of 5 x 5, tanh, flat features, ten linear outputs."""
    model = nn.models.chapter5()
    _, params = model.init(KEY, (1, 28, 28))
    x = jnp.array(integers(rng, (2, 1, 28, 28)))
    maps = jaxconv.conv(x, params["conv1"]["filters"])
    assert maps.shape == (2, 32, 28, 28)
    features = jnp.moveaxis(jnp.tanh(maps), 1, -1).reshape(2, -1)
    expected = features @ params["dense1"]["weights"]
    np.testing.assert_array_equal(model.apply(params, x), expected)


def test_chapter5_begins_with_glorot_weights_and_no_bias():
    _, params = nn.models.chapter5().init(KEY, (1, 28, 28))
    # Relative deviations of the variance: sqrt(2 / 800) = 5 % and sqrt(2 / 250880).
    assert jnp.var(params["conv1"]["filters"]) == pytest.approx(2 / 825, rel=0.25)
    assert jnp.var(params["dense1"]["weights"]) == pytest.approx(2 / 25098, rel=0.02)
    assert not params["dense1"]["bias"].any()


def test_chapter5_keeps_four_in_five_units():
    """Ten units of value 1, each seen by an output of its own: kept ones are scaled."""
    model = nn.models.chapter5()
    _, params = model.init(KEY, (1, 28, 28))
    params["conv1"]["filters"] = jnp.full((1, 32, 5, 5), 100.0)
    params["dense1"]["weights"] = jnp.eye(25088, 10)
    keys, image = jax.random.split(KEY, 100), jnp.ones((1, 1, 28, 28))
    units = jax.vmap(lambda key: model.apply(params, image, key=key))(keys)
    assert np.unique(units).tolist() == [0, SCALE]
    # Six standard deviations: 6 * sqrt(0.16 / 1000) < 0.076.
    assert abs(jnp.mean(units > 0) - 0.8) < 0.076


def test_chapter5_uses_the_method_it_is_given():
    model = nn.models.chapter5(method="loops")
    _, params = model.init(KEY, (1, 28, 28))
    jaxpr = str(jax.make_jaxpr(model.apply)(params, jnp.ones((1, 1, 28, 28))))
    assert "method=loops" in jaxpr


@pytest.mark.parametrize("layer", [nn.Conv2D(4, 3, bias=True), nn.Dense(4)])
def test_biases_begin_at_zero(layer):
    _, params = layer.init(KEY, (2, 6, 5) if layer.name == "conv" else (7,))
    assert params["bias"].tolist() == [0, 0, 0, 0]


# Dropout

SCALE = float(np.float32(2**32 / round(0.8 * 2**32)))


def test_dropout_keeps_four_in_five_and_their_mean():
    x = jnp.ones((100, 1000))
    y = nn.Dropout(0.8).apply({}, x, key=KEY)
    assert set(np.unique(y).tolist()) == {0.0, SCALE}
    # Six standard deviations of 100,000 draws at 0.8: 6 * sqrt(0.16 / 1e5) < 0.0076.
    assert abs(jnp.mean(y > 0) - 0.8) < 0.0076


def test_dropout_drops_units_and_steps_independently():
    """Neighbours, a row and halves apart; and with the next keys: all pairs agree."""
    x = jnp.ones((1000, 1000))
    keys = [KEY, *(jax.random.fold_in(KEY, step) for step in range(3))]
    kept, *others = (nn.Dropout(0.8).apply({}, x, key=key).ravel() > 0 for key in keys)
    shifted = [jnp.roll(kept, by) for by in (1, 2, 4, 1000, 2**16, 500_000)]
    for other in shifted + others:
        # Six standard deviations of a million draws at 0.64: 6 * sqrt(0.23 / 1e6).
        assert abs(jnp.mean(kept & other) - 0.64) < 0.0029


def test_dropout_keeps_the_mean_at_any_probability():
    x = jnp.ones(999_999)  # an odd number of draws
    for keep_prob in (1e-3, 0.3, 0.5):
        y = nn.Dropout(keep_prob).apply({}, x, key=KEY)
        spread = ((1 / keep_prob - 1) / x.size) ** 0.5
        assert abs(jnp.mean(y) - 1) < 6 * spread


def test_dropout_is_the_identity_without_a_key():
    x = jnp.ones((3, 4))
    np.testing.assert_array_equal(nn.Dropout(0.5).apply({}, x), x)


@pytest.mark.parametrize(
    "layer", [nn.Dense(1000, dropout=0.5), nn.Conv2D(1, 1, dropout=0.5)]
)
def test_a_layers_own_dropout_is_applied(layer):
    shape = (1,) if layer.name == "dense" else (1, 25, 40)
    _, params = layer.init(KEY, shape)
    kept = jnp.mean(layer.apply(params, jnp.ones((1, *shape)), key=KEY) != 0)
    assert 0.4 < kept < 0.6


def test_dropout_drops_the_gradient_too():
    x = jnp.ones((3, 50))
    drop = nn.Dropout(0.5)
    grad = jax.grad(lambda x: drop.apply({}, x, key=KEY).sum())(x)
    np.testing.assert_array_equal(grad, drop.apply({}, x, key=KEY))


def test_two_dropouts_of_a_model_drop_different_units():
    model = nn.serial(nn.Dropout(0.5), nn.Dropout(0.5))
    y = model.apply({}, jnp.ones((10, 1000)), key=KEY)
    kept = jnp.mean(y > 0)
    assert 0.2 < kept < 0.3  # a quarter passes both; a half would pass the same twice


def test_a_dropout_within_a_layer_drops_other_units_than_the_layers_own():
    layer = nn.Dense(10000, activation=nn.Dropout(0.5), dropout=0.5)
    params = {"weights": jnp.ones((1, 10000)), "bias": jnp.zeros(10000)}
    kept = jnp.mean(layer.apply(params, jnp.ones((1, 1)), key=KEY) > 0)
    assert 0.22 < kept < 0.28  # a quarter passes both; a half would pass the same twice


# Loss


def test_loss_of_equal_logits_is_log_of_the_classes():
    loss = nn.softmax_cross_entropy(jnp.zeros((4, 10)), jnp.arange(4))
    assert loss == pytest.approx(np.log(10), rel=1e-6)


def test_loss_is_the_mean_over_the_batch():
    logits, labels = jnp.array([[0.0, 3.0], [1.0, -1.0]]), jnp.array([1, 1])
    each = [np.log(1 + np.exp(-3)), np.log(1 + np.exp(2))]
    loss = nn.softmax_cross_entropy(logits, labels)
    assert loss == pytest.approx(np.mean(each), rel=1e-6)
