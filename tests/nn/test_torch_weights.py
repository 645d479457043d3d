"""Weights carried from PyTorch and back: their order, axes and names, and mistakes."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.nn.torch_weights import from_torch, to_torch
from jaxconv.nn.window import Window
from tests.nn.torch_layers import norm, transposed


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
