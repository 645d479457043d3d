"""Normalising layers: formulas, statistics, and what the others compute."""

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
from tests.tiers import fast

KEY = jax.random.key(0)
LAYERS = {
    "batch": BatchNorm(),
    "group": GroupNorm(2),
    "layer": LayerNorm(),
    "local response": LocalResponseNorm(3, alpha=0.5),
    "standardised filters": weight_standardized(nn.Conv2D(3, 2)),
}


def normals(*shape, seed=0):
    return jnp.array(np.random.default_rng(seed).normal(size=shape), jnp.float32)


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


# Other libraries


@pytest.mark.extras
@pytest.mark.parametrize("space", [(), (5,), (4, 3), (3, 2, 2)], ids=str)
def test_batch_norm_trains_as_pytorchs(space):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    kind = getattr(torch.nn, f"BatchNorm{max(1, len(space))}d")
    theirs = kind(3, momentum=0.3, dtype=torch.float64)
    sgd = torch.optim.SGD(theirs.parameters(), 0.1)
    with jax.enable_x64(True):
        ours = BatchNorm(momentum=0.3)
        params = jax.tree.map(
            lambda leaf: leaf.astype(jnp.float64), ours.init(KEY, (3, *space))[1]
        )

        def loss(learned, statistics, x, g):
            y, after = ours.update(nn.merge_statistics(learned, statistics), x)
            return (y * g).sum(), (y, after["statistics"])

        step = jax.jit(jax.value_and_grad(loss, argnums=(0, 2), has_aux=True))
        for i in range(20):
            x = rng.normal(i, 1 + i, (4, 3, *space))
            g = rng.normal(size=x.shape)
            learned, kept = nn.split_statistics(params)
            (_, (y, statistics)), (grads, x_grad) = step(
                learned, kept, jnp.array(x), jnp.array(g)
            )
            params = jax.tree.map(lambda p, d: p - 0.1 * d, learned, grads)
            params["statistics"] = statistics
            their_x = torch.tensor(x, requires_grad=True)
            their_y = theirs(their_x)
            sgd.zero_grad()
            (their_y * torch.tensor(g)).sum().backward()
            sgd.step()
            pairs = {
                "y": (y, their_y),
                "x's gradient": (x_grad, their_x.grad),
                "scale": (params["scale"], theirs.weight),
                "shift": (params["shift"], theirs.bias),
                "mean": (statistics["mean"], theirs.running_mean),
                "variance": (statistics["variance"], theirs.running_var),
            }
            for name, (mine, other) in pairs.items():
                np.testing.assert_allclose(
                    mine, other.detach().numpy(), rtol=1e-10, atol=1e-10, err_msg=name
                )
        theirs.eval()
        np.testing.assert_allclose(
            ours.apply(params, jnp.array(x)),
            theirs(torch.tensor(x)).detach().numpy(),
            rtol=1e-10,
            atol=1e-10,
        )


@pytest.mark.extras
def test_batch_norm_is_flaxs_but_for_the_running_variance():
    linen = pytest.importorskip("flax.linen")
    x = normals(4, 3, 5, 2)
    theirs = linen.BatchNorm(use_running_average=False, momentum=0.9, axis=1)
    variables = theirs.init(KEY, x)
    expected, changed = theirs.apply(variables, x, mutable=["batch_stats"])
    _, params = BatchNorm().init(KEY, (3, 5, 2))
    y, after = BatchNorm().update(params, x)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    mean, biased = changed["batch_stats"]["mean"], changed["batch_stats"]["var"]
    np.testing.assert_allclose(after["statistics"]["mean"], mean, rtol=1e-5, atol=1e-7)
    unbiased = 0.9 + (biased - 0.9) * 40 / 39
    np.testing.assert_allclose(after["statistics"]["variance"], unbiased, rtol=1e-5)


@pytest.mark.extras
@pytest.mark.parametrize("name", ["group", "one group", "pixel", "local response"])
def test_normalisation_is_pytorchs(name):
    torch = pytest.importorskip("torch")
    ours, theirs = {
        "group": (GroupNorm(2), torch.nn.GroupNorm(2, 4)),
        "one group": (GroupNorm(1), torch.nn.LayerNorm((4, 5, 3))),
        "pixel": (LayerNorm(), torch.nn.LayerNorm(4)),
        "local response": (
            LocalResponseNorm(3, alpha=0.3, beta=0.6, k=1.5),
            torch.nn.LocalResponseNorm(3, 0.3, 0.6, 1.5),
        ),
    }[name]
    _, params = ours.init(KEY, (4, 5, 3))
    x, g = normals(2, 4, 5, 3), normals(2, 4, 5, 3, seed=1)
    their_x = torch.tensor(np.asarray(x), requires_grad=True)
    last = name == "pixel"
    moved = their_x.movedim(1, -1) if last else their_x
    expected = theirs(moved).movedim(-1, 1) if last else theirs(moved)
    (expected * torch.tensor(np.asarray(g))).sum().backward()
    y, pull = jax.vjp(lambda x: ours.apply(params, x), x)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(pull(g)[0], their_x.grad.numpy(), rtol=1e-4, atol=1e-5)


# Errors


def applied(layer, *shape, params_of=(4, 3), **kwargs):
    def call():
        _, params = layer.init(KEY, params_of)
        return layer.apply(params, jnp.ones(shape), **kwargs)

    return call


MISTAKES = {
    "momentum of 0": (
        lambda: BatchNorm(momentum=0),
        r"BatchNorm: momentum must be .*0",
    ),
    "momentum above 1": (lambda: BatchNorm(momentum=1.5), r"at most 1, got 1\.5"),
    "momentum of True": (lambda: BatchNorm(momentum=True), r"momentum .*got True"),
    "epsilon of 0": (lambda: BatchNorm(epsilon=0), r"BatchNorm: epsilon must be a num"),
    "layer's epsilon": (lambda: LayerNorm(epsilon=-1), r"LayerNorm: epsilon .*got -1"),
    "group's epsilon": (lambda: GroupNorm(2, epsilon="x"), r"GroupNorm: epsilon .*'x'"),
    "no groups": (
        lambda: GroupNorm(0),
        r"GroupNorm: groups must be an int of at least",
    ),
    "groups do not divide": (
        lambda: GroupNorm(3).init(KEY, (4, 5, 5)),
        r"groups must divide the channels, got 3 groups and 4 channels \(axis 0 of",
    ),
    "groups do not divide x": (
        lambda: GroupNorm(3).apply({}, jnp.ones((2, 4))),
        r"got 3 groups and 4 channels \(axis 1 of \(2, 4\)\)",
    ),
    "a batch of one": (
        applied(BatchNorm(), 1, 4, 1, params_of=(4, 1), key=KEY),
        r"BatchNorm: training takes at least two numbers a channel, got 1 .*1, 4, 1",
    ),
    "other channels": (
        applied(BatchNorm(), 2, 3, 4),
        r"BatchNorm: x has 3 channels \(axis 1 of \(2, 3, 4\)\) but mean is of \(4,\)",
    ),
    "layer's other channels": (
        applied(LayerNorm(), 2, 3, 4),
        r"LayerNorm: x has 3 channels .* scale is of \(4,\)\. Is x channels-last",
    ),
    "an x without channels": (
        applied(GroupNorm(2), 4),
        r"GroupNorm: x must be \(batch, channels, \*space\).*got \(4,\)\. Write x",
    ),
    "a shape of none": (
        lambda: BatchNorm().init(KEY, ()),
        r"BatchNorm: input_shape must be \(channels, \*space\)",
    ),
    "params without statistics": (
        lambda: BatchNorm().apply({}, jnp.ones((2, 4))),
        r"BatchNorm: params has no 'mean', only \[\]",
    ),
    "x before params": (
        lambda: LayerNorm().apply(jnp.ones((2, 4)), {}),
        r"LayerNorm: params must be a dict",
    ),
    "standardised dense": (
        lambda: weight_standardized(nn.Dense(3)).init(KEY, (4,)),
        r"dense has no filters of its own, only \['bias', 'weights'\]",
    ),
    "standardised numbers": (
        lambda: weight_standardized(nn.Conv2D(3, 1)).init(KEY, (1, 4, 4)),
        r"one number for each of the output channels \(axis 1 of \(1, 3, 1, 1\)\)",
    ),
    "standardised function": (
        lambda: weight_standardized(jnp.tanh),
        r"weight_standardized: layer must be a Layer with filters",
    ),
    "a size of 0": (
        lambda: LocalResponseNorm(0),
        r"LocalResponseNorm: size must be an",
    ),
    "a beta of 0": (
        lambda: LocalResponseNorm(beta=0),
        r"beta must be a number above 0",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(("call", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_normalisation_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


WRONG_TYPES = {
    "whole numbers": (
        lambda: LayerNorm().apply({}, jnp.ones((2, 4), int)),
        r"LayerNorm: x must be of floating-point.*got int32\. Write x\.astype",
    ),
    "decay": (lambda: BatchNorm(decay=0.9), r"Write momentum=1 - decay for decay="),
    "eps": (lambda: BatchNorm(eps=1e-3), r"BatchNorm: .*Write epsilon= for eps="),
    "channels": (lambda: BatchNorm(64), r"the size of the input is for init"),
    "num_groups": (lambda: GroupNorm(num_groups=2), r"Write groups= for num_groups="),
    "key of 0": (
        lambda: BatchNorm().update({}, jnp.ones((2, 4)), key=0),
        r"BatchNorm: key must be a JAX random key",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(
    ("call", "message"), WRONG_TYPES.values(), ids=WRONG_TYPES.keys()
)
def test_a_wrong_type_in_normalisation_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()
