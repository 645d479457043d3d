"""Normalising layers: their formulas, statistics, gradients, types and shapes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.check import check_gradients
from jaxconv.nn.batch_norm import BatchNorm
from jaxconv.nn.local_response import LocalResponseNorm
from jaxconv.nn.normalization import GroupNorm, LayerNorm
from jaxconv.nn.standardize import weight_standardized
from tests.nn.draws import normals
from tests.tiers import fast

KEY = jax.random.key(0)
LAYERS = {
    "batch": BatchNorm(),
    "group": GroupNorm(2),
    "layer": LayerNorm(),
    "local response": LocalResponseNorm(3, alpha=0.5),
    "standardised filters": weight_standardized(nn.Conv2D(3, 2)),
}


def drawn(layer, shape):
    """Return params whose scale and shift, if any, are not 1 and 0."""
    _, params = layer.init(KEY, shape)
    for seed, name in enumerate(("scale", "shift"), 1):
        if name in params:
            params[name] = normals(*params[name].shape, seed=seed)
    return params


# Batch normalisation

X = jnp.array([[[1.0, 3.0], [2.0, 2.0]], [[5.0, 7.0], [4.0, 8.0]]])  # (n, c, pixels)
MEAN, VARIANCE = [4, 4], [5, 6]  # of each channel's four numbers, biased


def test_batch_norm_of_whole_numbers():
    layer = BatchNorm(momentum=0.25, epsilon=4.0)
    _, params = layer.init(KEY, (2, 2))
    params["scale"], params["shift"] = jnp.array([3.0, 1.0]), jnp.array([10.0, 0.0])
    y, after = layer.update(params, X)
    assert y[:, 0].tolist() == [[7, 9], [11, 13]]  # 3 / sqrt(5 + 4) is 1
    np.testing.assert_allclose(y[:, 1] ** 2, [[0.4, 0.4], [0, 1.6]], rtol=1e-6)
    statistics = after["statistics"]
    assert statistics["mean"].tolist() == [1, 1]
    expected = 0.75 + 0.25 * np.array(VARIANCE) * 4 / 3
    np.testing.assert_allclose(statistics["variance"], expected, rtol=1e-6)
    assert after["scale"] is params["scale"]


def test_batch_norm_infers_by_its_running_figures():
    layer = BatchNorm(epsilon=1.0)
    _, params = layer.init(KEY, (2, 2))
    params["statistics"] = {
        "mean": jnp.array([1.0, 2]),
        "variance": jnp.array([3.0, 8]),
    }
    y = layer.apply(params, X)
    np.testing.assert_allclose(y[0], [[0, 1], [0, 0]], rtol=1e-6)
    np.testing.assert_allclose(y[1, 1], [2 / 3, 2], rtol=1e-6)


def test_batch_norm_with_a_key_computes_what_update_does():
    layer = BatchNorm()
    params, x = drawn(layer, (2, 4, 3)), normals(5, 2, 4, 3)
    y, _ = layer.update(params, x)
    np.testing.assert_array_equal(y, layer.apply(params, x, key=KEY))
    jitted, _ = jax.jit(layer.update)(params, x, key=KEY)
    np.testing.assert_allclose(jitted, y, rtol=1e-5, atol=1e-6)


def test_batch_norm_keeps_its_digits_far_from_zero():
    """E[x²] - E[x]² of numbers near 1e4 has an error of 1e8 * 6e-8, six variances."""
    x = normals(64, 2, 8, 8) + 1e4
    layer = BatchNorm(epsilon=1e-12)
    _, params = layer.init(KEY, (2, 8, 8))
    y, _ = layer.update(params, x)
    exact = np.asarray(x, np.float64)
    exact -= exact.mean((0, 2, 3), keepdims=True)
    exact /= exact.std((0, 2, 3), keepdims=True)
    # Four units in the last place of 1e4: the mean's rounding, the same for all.
    np.testing.assert_allclose(y, exact, atol=4e-3)
    np.testing.assert_allclose(jnp.var(y, (0, 2, 3)), [1, 1], rtol=1e-5)


def test_batch_norm_takes_no_gradient_of_what_it_keeps():
    layer = BatchNorm()
    params, x = drawn(layer, (2, 4)), normals(3, 2, 4)

    def loss(params, x):
        _, after = layer.update(params, x)
        return sum(map(jnp.sum, jax.tree.leaves(after["statistics"])))

    assert not jax.grad(loss, argnums=1)(params, x).any()
    grads = jax.grad(lambda params: layer.apply(params, x).sum())(params)
    assert not any(leaf.any() for leaf in jax.tree.leaves(grads["statistics"]))


def test_models_update_and_split_their_statistics():
    block = nn.residual(nn.Conv2D(2, 3), BatchNorm())
    model = nn.serial(block, nn.serial(nn.Flatten(), nn.Dense(4), BatchNorm()))
    _, params = model.init(KEY, (2, 4, 3))
    x = normals(5, 2, 4, 3)
    y, after = jax.jit(functools.partial(nn.update, model))(params, x, key=KEY)
    np.testing.assert_allclose(y, model.apply(params, x, key=KEY), rtol=1e-5, atol=1e-6)
    learned, statistics = nn.split_statistics(after)
    assert len(jax.tree.leaves(statistics)) == 4
    assert "statistics" not in str([p for p, _ in jax.tree.leaves_with_path(learned)])
    features = x.copy()
    maps = block.parts[0][1].parts[0][1].apply(params["residual1"]["conv1"], features)
    mean = after["residual1"]["batch_norm1"]["statistics"]["mean"]
    np.testing.assert_allclose(mean, 0.1 * maps.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, learned, nn.split_statistics(params)[0])


# The others


def test_group_norm_of_whole_numbers():
    x = jnp.array([[1.0, 3, 5, 7], [2, 2, 0, 8]])  # groups of variance 1, 1 and 0, 16
    _, params = GroupNorm(2).init(KEY, (4,))
    params |= {"scale": jnp.array([1.0, 1, 10, 1]), "shift": jnp.array([0.0, 0, 0, 5])}
    y = GroupNorm(2, epsilon=1e-12).apply(params, x)
    np.testing.assert_allclose(y, [[-1, 1, -10, 6], [0, 0, -10, 6]], rtol=1e-6)


def test_layer_norm_of_whole_numbers():
    x = jnp.array([[[1.0, 2], [3, 8]]])  # channels 1, 3 and 2, 8 of two pixels
    layer = LayerNorm(epsilon=1e-12, shift=False)
    y = layer.apply({"scale": jnp.array([1.0, 2])}, x)
    np.testing.assert_allclose(y, [[[-1, -1], [2, 2]]], rtol=1e-6)


@pytest.mark.parametrize(("size", "sums"), [(3, [5, 14, 29, 25]), (2, [1, 5, 13, 25])])
def test_local_response_norm_adds_up_neighbours(size, sums):
    layer = LocalResponseNorm(size, alpha=float(size), beta=1.0, k=1.0)
    y = layer.apply({}, jnp.array([[1.0, 2, 3, 4]]))
    np.testing.assert_allclose(y[0], [1, 2, 3, 4] / (1 + np.array(sums)), rtol=1e-6)


def test_standardised_filters_have_mean_0_and_variance_1():
    layer = weight_standardized(nn.Conv2D(6, (3, 2), groups=2, bias=True))
    assert layer.name == "conv"
    _, params = layer.init(KEY, (4, 5, 5))
    x, filters = normals(2, 4, 5, 5), np.asarray(params["filters"])
    filters = filters - filters.mean((0, 2, 3), keepdims=True)
    filters /= np.sqrt(filters.var((0, 2, 3), keepdims=True) + 1e-6)
    plain = nn.Conv2D(6, (3, 2), groups=2, bias=True)
    expected = plain.apply({**params, "filters": jnp.array(filters)}, x)
    np.testing.assert_allclose(layer.apply(params, x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", fast(LAYERS, "batch"))
def test_gradients_of_normalisation(kind):
    layer = LAYERS[kind]
    params, x = drawn(layer, (4, 3, 2)), normals(3, 4, 3, 2)
    statistics = {name: params.pop(name) for name in ("statistics",) if name in params}

    def forward(params, x):
        return layer.apply({**params, **statistics}, x, key=KEY)

    report = check_gradients(forward, (params, x), entries=4)
    assert report.ok, str(report)


@pytest.mark.parametrize("layer", list(LAYERS.values())[:4], ids=list(LAYERS)[:4])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(layer, dtype):
    params, x = drawn(layer, (4, 3, 2)), normals(8, 4, 3, 2).astype(dtype)
    y = layer.apply(params, x, key=KEY)
    assert y.dtype == dtype
    expected = layer.apply(params, x.astype("float32"), key=KEY).astype(dtype)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 3, 2), (4, 3, 2, 2)])
@pytest.mark.parametrize("layer", list(LAYERS.values())[:4], ids=list(LAYERS)[:4])
def test_any_number_of_axes_is_normalised(layer, shape):
    output_shape, params = layer.init(KEY, shape)
    assert output_shape == shape
    for key in (None, KEY):
        assert layer.apply(params, jnp.ones((2, *shape)), key=key).shape == (2, *shape)


@pytest.mark.parametrize(
    "make", [BatchNorm, functools.partial(GroupNorm, 2), LayerNorm]
)
@pytest.mark.parametrize("scale", [True, False])
def test_scale_and_shift_are_learned_where_wanted(make, scale):
    layer = make(scale=scale, shift=not scale)
    _, params = layer.init(KEY, (4, 3))
    assert sorted(params.keys() - {"statistics"}) == ["scale" if scale else "shift"]
    assert layer.apply(params, normals(2, 4, 3)).shape == (2, 4, 3)
