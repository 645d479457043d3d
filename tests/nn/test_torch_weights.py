"""Weights carried from PyTorch and back."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.conv.transpose import conv_transpose
from jaxconv.nn.torch_weights import from_torch, to_torch
from jaxconv.nn.window import Window


def norm(epsilon=1e-5):
    """Normalise by running statistics, as batch normalisation does at inference."""

    def init(key, shape):
        one, zero = jnp.ones(shape[0]), jnp.zeros(shape[0])
        statistics = {"mean": zero, "variance": one}
        return shape, {"scale": one, "shift": zero, "statistics": statistics}

    def apply(params, x, *, key=None):
        def wide(v):
            return v.reshape(1, -1, *(1,) * (x.ndim - 2))

        mean, variance = (wide(params["statistics"][k]) for k in ("mean", "variance"))
        y = (x - mean) * jax.lax.rsqrt(variance + epsilon)
        return y * wide(params["scale"]) + wide(params["shift"])

    return nn.Layer(init, apply, "norm")


def transposed(out_channels, size, strides, *, groups=1):
    def init(key, shape):
        filters = jnp.ones((shape[0], out_channels // groups, size, size))
        params = {"filters": filters, "bias": jnp.zeros(out_channels)}
        y = jax.eval_shape(apply, params, jax.ShapeDtypeStruct((1, *shape), "float32"))
        return y.shape[1:], params

    def apply(params, x, *, key=None):
        w, b = params["filters"], params["bias"]
        y = conv_transpose(x, w, strides=strides, padding=1, groups=groups)
        return y + b.reshape(1, -1, 1, 1)

    window = Window(size, strides, upsampling=True)
    return nn.Layer(init, apply, "conv_transpose", window=window)


def arrays(*shapes):
    """Return PyTorch's names and arrays of shapes."""
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes}


MODEL = nn.serial(nn.Conv2D(4, (3, 2), bias=True), nn.Flatten(), nn.Dense(5))
SHAPE = (2, 3, 3)
STATE = arrays(
    ("0.weight", (4, 2, 3, 2)),
    ("0.bias", (4,)),
    ("2.weight", (5, 36)),
    ("2.bias", (5,)),
)


def test_filters_exchange_their_first_axes():
    params = from_torch(MODEL, STATE, SHAPE)
    expected = STATE["0.weight"].swapaxes(0, 1)
    np.testing.assert_array_equal(params["conv1"]["filters"], expected)


@pytest.mark.parametrize(
    "flatten",
    [
        nn.serial(nn.Conv2D(4, (3, 2), bias=True, flatten=True), nn.Tanh()),
        nn.serial(nn.Conv2D(4, (3, 2), bias=True), nn.Flatten(), nn.Tanh()),
    ],
    ids=["in the convolution", "a layer"],
)
def test_rows_after_flatten_go_from_channels_to_pixels(flatten):
    params = from_torch(nn.serial(flatten, nn.Dense(5)), STATE, SHAPE)
    expected = STATE["2.weight"].reshape(5, 4, 3, 3).transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(params["dense1"]["weights"], expected.reshape(36, 5))


def test_rows_are_permuted_once_and_biases_never():
    model = nn.serial(nn.Flatten(), nn.Dense(8), nn.Dense(8))
    state = arrays(
        ("a.weight", (8, 8)), ("a.bias", (8,)), ("b.weight", (8, 8)), ("b.bias", (8,))
    )
    params = from_torch(model, state, (2, 2, 2))
    np.testing.assert_array_equal(params["dense1"]["bias"], state["a.bias"])
    np.testing.assert_array_equal(params["dense2"]["weights"], state["b.weight"].T)
    rows = state["a.weight"].T.reshape(2, 4, 8).swapaxes(0, 1).reshape(8, 8)
    np.testing.assert_array_equal(params["dense1"]["weights"], rows)


def test_statistics_follow_scale_and_shift_and_the_counter_is_left_out():
    names = ("weight", "bias", "running_mean", "running_var")
    state = {**arrays(*((f"bn.{n}", (3,)) for n in names))}
    state["bn.num_batches_tracked"] = np.array(7)
    params = from_torch(norm(), state, (3, 2, 2))
    found = (params["scale"], params["shift"], *params["statistics"].values())
    for ours, name in zip(found, names, strict=True):
        np.testing.assert_array_equal(ours, state[f"bn.{name}"])


def test_a_normalisation_of_flattened_images_is_permuted_too():
    names = ("weight", "bias", "running_mean", "running_var")
    state = arrays(*((n, (12,)) for n in names))
    params = from_torch(nn.serial(nn.Flatten(), norm()), state, (2, 2, 3))
    expected = state["running_var"].reshape(2, 6).T.ravel()
    found = params["norm1"]["statistics"]["variance"]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("window", [Window(2, 2, upsampling=True), Window(1)])
def test_transposed_filters_stay_as_they_are(window):
    state = arrays(("weight", (4, 4, 2, 2)), ("bias", (4,)))
    layer = dataclasses.replace(transposed(4, 2, 2), window=window)
    params = from_torch(nn.named("up", layer), state, (4, 5, 5))
    np.testing.assert_array_equal(params["filters"], state["weight"])


def test_params_are_those_that_init_returns():
    params = from_torch(MODEL, STATE, SHAPE)
    _, expected = MODEL.init(jax.random.key(0), SHAPE)
    assert jax.tree.structure(params) == jax.tree.structure(expected)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(params)} == {"float32"}


def test_a_shortcut_comes_after_the_layers_that_it_goes_around():
    model = nn.residual(nn.Conv2D(3, 1), shortcut=nn.Conv2D(3, 1))
    state = arrays(("conv.weight", (3, 2, 1, 1)), ("down.weight", (3, 2, 1, 1)))
    params = from_torch(model, state, (2, 4, 4))
    np.testing.assert_array_equal(
        params["shortcut"]["filters"], state["down.weight"].swapaxes(0, 1)
    )


def test_to_torch_is_the_reverse_with_the_names_given():
    found = to_torch(MODEL, from_torch(MODEL, STATE, SHAPE), SHAPE, like=STATE)
    assert list(found) == list(STATE)
    for name, value in STATE.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].flags.writeable
        assert found[name].flags.c_contiguous


def test_to_torch_names_entries_after_paths():
    model = nn.serial(nn.named("stage1", nn.serial(nn.Conv2D(3, 1), norm())))
    _, params = model.init(jax.random.key(0), (2, 4, 4))
    assert list(to_torch(model, params, (2, 4, 4))) == [
        "stage1.conv1.weight",
        "stage1.norm1.weight",
        "stage1.norm1.bias",
        "stage1.norm1.running_mean",
        "stage1.norm1.running_var",
    ]


def test_to_torch_sets_the_counter_to_zero_in_its_place():
    names = ("weight", "bias", "running_mean", "running_var")
    like = {**arrays(*((n, (3,)) for n in names)), "num_batches_tracked": np.array(7)}
    _, params = norm().init(jax.random.key(0), (3, 2))
    found = to_torch(norm(), params, (3, 2), like=like)
    assert list(found) == list(like)
    assert found["num_batches_tracked"] == 0


def changed(**entries):
    """Return the state dict with some entries changed; None leaves one out."""
    state = STATE | {name.replace("_", ".", 1): v for name, v in entries.items()}
    return {name: value for name, value in state.items() if value is not None}


MISTAKES = {
    "filters of another size": (
        MODEL,
        changed(**{"0_weight": np.ones((4, 2, 5, 5))}),
        r"conv1/filters \(2, 4, 3, 2\) must be a weight of shape \(4, 2, 3, 2\) in "
        r"PyTorch, got '0.weight' of shape \(4, 2, 5, 5\)\. Modules must be defined",
    ),
    "a convolution without its bias": (
        MODEL,
        changed(**{"0_bias": None}),
        r"conv1/bias \(4,\) must be a bias .* got '2.weight' .*and the other none\?",
    ),
    "a bias where the model has none": (
        nn.serial(nn.Conv2D(4, (3, 2)), norm()),
        STATE,
        r"norm1/scale \(4,\) must be a weight .* got '0.bias' .*and the other none\?",
    ),
    "too few": (
        MODEL,
        changed(**{"2_weight": None, "2_bias": None}),
        r"the model has 4 arrays, .* 2: nothing is left for dense1/weights \(36, 5\), "
        r"dense1/bias \(5,\)",
    ),
    "too many": (
        MODEL,
        STATE | {"3.weight": np.ones(3)},
        r"the model has 4 arrays, .* 5: the model has no place for 3.weight\.",
    ),
    "a module": (MODEL, object(), r"state_dict must be a dict .*network.state_dict"),
    "a checkpoint": (
        MODEL,
        {"state_dict": STATE, "epoch": 3},
        r"state_dict must have arrays only, .* Give state_dict\['state_dict'\]",
    ),
    "two flattened images side by side": (
        nn.serial(
            nn.parallel(nn.Flatten(), nn.Flatten(), join="concatenate"), nn.Dense(2)
        ),
        {},
        r"dense1 reads an output made of flattened images",
    ),
    "a flattened image and a pooled one": (
        nn.serial(
            nn.parallel(
                nn.Flatten(),
                nn.Layer(
                    lambda key, shape: ((2,), {}),
                    lambda params, x, *, key=None: x.mean((2, 3)),
                ),
                join="concatenate",
            ),
            nn.Dense(2),
        ),
        {},
        r"dense1 reads flattened images joined with something else",
    ),
    "a part of a flattened image": (
        nn.serial(
            nn.Flatten(),
            nn.Layer(
                lambda key, shape: ((4,), {}), lambda params, x, *, key=None: x[:, :4]
            ),
            nn.Dense(2),
        ),
        {},
        r"dense1 reads an output made of flattened images: how PyTorch orders",
    ),
    "a layer of one's own after Flatten": (
        nn.serial(
            nn.Flatten(),
            nn.Layer(
                lambda key, shape: (shape, {"gain": jnp.ones(shape)}),
                lambda params, x, *, key=None: x * params["gain"],
                "gain",
            ),
        ),
        {},
        r"gain1 reads flattened images, and has params of its own",
    ),
    "a layer that flattens and more": (
        nn.serial(
            nn.Layer(
                lambda key, shape: ((8,), {}),
                lambda params, x, *, key=None: 2 * x.reshape(x.shape[0], 8),
                "doubled",
            ),
            nn.Dense(2),
        ),
        {},
        r"doubled1 flattens images, and does more",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(("model", "state", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mismatch_names_both_sides(model, state, message):
    shape = (2, 2, 2) if not state else SHAPE
    with pytest.raises(ValueError, match="^from_torch: " + message):
        from_torch(model, state, shape)


@pytest.mark.usefixtures("our_errors")
def test_to_torch_of_another_models_params_names_the_leaf():
    _, params = MODEL.init(jax.random.key(0), (2, 4, 4))
    message = r"to_torch: params must have (36, 5) at dense1/weights"
    with pytest.raises(ValueError, match=re.escape(message)):
        to_torch(MODEL, params, SHAPE)


def as_tensors(found):
    torch = pytest.importorskip("torch")
    return {name: torch.from_numpy(value) for name, value in found.items()}


def check_equal(model, network, shape):
    """Compare outputs with PyTorch's weights, and PyTorch's with ours carried back."""
    torch = pytest.importorskip("torch")
    network.eval()
    x = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(x)).numpy()
        state = network.state_dict()
        params = from_torch(model, state, shape)
        y = model.apply(params, jnp.asarray(x))
        np.testing.assert_allclose(y, expected, atol=1e-5)

        _, fresh = model.init(jax.random.key(3), shape)
        back = to_torch(model, fresh, shape, like=state)
        network.load_state_dict(as_tensors(back))
        y = model.apply(fresh, jnp.asarray(x))
        np.testing.assert_allclose(y, network(torch.from_numpy(x)).numpy(), atol=1e-5)


@pytest.mark.extras
def test_a_network_with_statistics_and_two_dense_layers():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 6, 3, stride=2, padding=1, bias=False),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(),
        torch.nn.Conv2d(6, 6, 3, padding=1, groups=6),
        torch.nn.Flatten(),
        torch.nn.Linear(96, 7),
        torch.nn.BatchNorm1d(7),
        torch.nn.Tanh(),
        torch.nn.Linear(7, 4),
    )
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        (network(torch.randn(5, 2, 8, 8) + 1) ** 2).mean().backward()
        optimiser.step()
    model = nn.serial(
        nn.Conv2D(6, 3, strides=2, padding=1),
        norm(),
        nn.ReLU(),
        nn.Conv2D(6, 3, groups=6, bias=True),
        nn.Flatten(),
        nn.Dense(7),
        norm(),
        nn.Tanh(),
        nn.Dense(4),
    )
    check_equal(model, network, (2, 8, 8))


@pytest.mark.extras
def test_a_residual_block_and_a_transposed_convolution():
    torch = pytest.importorskip("torch")

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = torch.nn.Conv2d(3, 5, 3, stride=2, padding=1)
            self.conv2 = torch.nn.Conv2d(5, 5, 3, padding=1, bias=False)
            self.downsample = torch.nn.Conv2d(3, 5, 1, stride=2)
            self.up = torch.nn.ConvTranspose2d(5, 5, 4, stride=2, padding=1)

        def forward(self, x):
            y = self.conv2(torch.relu(self.conv1(x)))
            return self.up(torch.relu(y + self.downsample(x)))

    torch.manual_seed(0)
    body = (nn.Conv2D(5, 3, strides=2, padding=1, bias=True), nn.ReLU())
    shortcut = nn.Conv2D(5, 1, strides=2, padding=0, bias=True)
    model = nn.serial(
        nn.residual(*body, nn.Conv2D(5, 3), shortcut=shortcut),
        nn.ReLU(),
        transposed(5, 4, 2),
    )
    check_equal(model, Block(), (3, 8, 6))


@pytest.mark.extras
def test_tensors_of_bfloat16_are_read():
    torch = pytest.importorskip("torch")
    network = torch.nn.Linear(3, 2).bfloat16()
    params = from_torch(nn.Dense(2), network.state_dict(), (3,))
    expected = network.weight.detach().float().numpy().T
    np.testing.assert_array_equal(params["weights"], expected)
