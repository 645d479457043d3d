"""Combinations: what flows where, the names of their parts, and errors with a path."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn

KEY = jax.random.key(0)
X = jnp.arange(2.0 * 2 * 3 * 4).reshape(2, 2, 3, 4)


def times(factor, name="times"):
    return nn.elementwise(lambda x: factor * x, name)


def counting(start=0.0):
    """A layer that counts in its statistics how often it was updated."""

    def init(key, input_shape):
        return input_shape, {"statistics": {"count": jnp.float32(start)}}

    def apply(params, x, *, key=None):
        return x + params["statistics"]["count"]

    def update(params, x, *, key=None):
        count = params["statistics"]["count"] + 1
        return x + count, {"statistics": {"count": count}}

    return nn.Layer(init, apply, "counting", update=update)


def paths(params):
    return [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, _ in jax.tree_util.tree_leaves_with_path(params)
    ]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.parallel(times(2), times(3)), 5 * X),
        (
            nn.parallel(times(2), times(3), join="concatenate"),
            np.concatenate([2 * X, 3 * X], axis=1),
        ),
        (nn.residual(times(2), times(3)), 7 * X),
        (nn.residual(times(2), shortcut=times(-1)), X),
        (
            nn.dense_block(times(2), times(3)),
            np.concatenate([X, 2 * X, 3 * X, 6 * X], axis=1),
        ),
        (nn.residual(), 2 * X),
    ],
    ids=["sum", "concatenate", "residual", "shortcut", "dense_block", "nothing"],
)
def test_what_flows_where(layer, expected):
    shape, params = layer.init(KEY, X.shape[1:])
    y = jax.jit(layer.apply)(params, X)
    np.testing.assert_array_equal(y, expected)
    assert y.shape[1:] == shape


def test_a_tuple_goes_through_each():
    both = nn.serial(
        nn.parallel(times(2), nn.Flatten(), join="tuple"), nn.each(times(3), times(5))
    )
    shape, params = both.init(KEY, X.shape[1:])
    assert shape == ((2, 3, 4), (24,))
    first, second = both.apply(params, X)
    np.testing.assert_array_equal(first, 6 * X)
    np.testing.assert_array_equal(second, 5 * nn.Flatten().apply({}, X))


def test_the_path_of_a_parameter_reads_as_the_model_does():
    block = nn.residual(nn.Conv2D(4, 3), nn.Conv2D(4, 3), shortcut=nn.Conv2D(4, 1))
    grown = nn.dense_block(nn.Conv2D(1, 3), nn.serial(nn.Conv2D(1, 3)))
    model = nn.serial(
        nn.named("stage1", nn.serial(nn.named("block1", block))), grown, nn.Dense(3)
    )
    with pytest.raises(ValueError, match=r"^dense1: Dense: .* got \(6, 6, 5\)"):
        model.init(KEY, (1, 6, 5))
    model = nn.serial(nn.named("stage1", nn.serial(nn.named("block1", block))), grown)
    assert paths(model.init(KEY, (1, 6, 5))[1]) == [
        "dense_block1/conv1/filters",
        "dense_block1/serial1/conv1/filters",
        "stage1/block1/conv1/filters",
        "stage1/block1/conv2/filters",
        "stage1/block1/shortcut/filters",
    ]


def test_an_error_names_the_path_of_the_layer():
    model = nn.serial(nn.named("stage2", nn.serial(nn.residual(nn.Conv2D(2, 3)))))
    _, params = model.init(KEY, (2, 6, 5))
    params["stage2"]["residual1"]["conv1"] = {}
    with pytest.raises(ValueError, match=r"^stage2/residual1/conv1: Conv2D: params"):
        model.apply(params, jnp.ones((1, 2, 6, 5)))
    with pytest.raises(ValueError, match=r"^stage2/residual1/conv1: Conv2D: params"):
        jax.jit(model.apply)(params, jnp.ones((1, 2, 6, 5)))


def test_parts_draw_other_weights_and_drop_other_units():
    _, params = nn.parallel(nn.Dense(4), nn.Dense(4)).init(KEY, (4,))
    assert not jnp.array_equal(params["dense1"]["weights"], params["dense2"]["weights"])
    drops = nn.parallel(nn.Dropout(0.5), nn.Dropout(0.5), join="tuple")
    first, second = drops.apply({}, jnp.ones((10, 100)), key=KEY)
    assert not jnp.array_equal(first, second)


COMBINATIONS = {
    "serial": (nn.serial(counting(), counting()), ["counting1", "counting2"]),
    "parallel": (nn.parallel(counting(), counting()), ["counting1", "counting2"]),
    "residual": (nn.residual(counting(), counting()), ["counting1", "counting2"]),
    "shortcut": (nn.residual(counting(), shortcut=counting()), ["counting1"]),
    "dense_block": (nn.dense_block(counting(), counting()), ["counting1", "counting2"]),
    "named": (nn.serial(nn.named("a", counting())), ["a"]),
    "nested": (nn.serial(nn.serial(counting())), ["serial1"]),
}


@pytest.mark.parametrize(
    ("model", "names"), COMBINATIONS.values(), ids=COMBINATIONS.keys()
)
def test_update_brings_all_statistics_up_to_date(model, names):
    _, params = model.init(KEY, (2, 3, 4))
    before = jax.tree.map(np.asarray, params)
    y, after = jax.jit(model.update)(params, X)
    assert set(names) <= set(after)
    assert set(map(float, jax.tree.leaves(after))) == {1.0}
    jax.tree.map(np.testing.assert_array_equal, params, before)
    np.testing.assert_array_equal(y, model.apply(after, X))


def test_a_model_without_statistics_has_no_update_and_nn_update_serves_it():
    model = nn.serial(nn.Dropout(0.5), nn.Flatten())
    assert model.update is None
    y, params = nn.update(model, {}, X, key=KEY)
    np.testing.assert_array_equal(y, model.apply({}, X, key=KEY))
    assert params == {}


def test_update_hands_keys_on_as_apply_does():
    model = nn.serial(nn.Dropout(0.5), counting(-1.0), nn.Dropout(0.5))
    _, params = model.init(KEY, (2, 3, 4))
    y, after = model.update(params, X, key=KEY)
    np.testing.assert_array_equal(y, model.apply(after, X, key=KEY))


def test_statistics_are_split_off_and_merged_again():
    _, params = nn.serial(nn.Dense(3), counting(), nn.serial(counting())).init(
        KEY, (4,)
    )
    learned, statistics = nn.split_statistics(params)
    assert paths(learned) == ["dense1/bias", "dense1/weights"]
    assert len(paths(statistics)) == 2
    merged = nn.merge_statistics(learned, statistics)
    assert jax.tree.structure(merged) == jax.tree.structure(params)
    jax.tree.map(np.testing.assert_array_equal, merged, params)


def test_eval_shape_draws_nothing():
    def weight_init(key, shape, dtype):
        assert isinstance(key, jax.core.Tracer)
        return jnp.zeros(shape, dtype)

    model = nn.serial(nn.Conv2D(4, 3, flatten=True, weight_init=weight_init))
    shape, params = nn.eval_shape(model, (2, 6, 5))
    assert shape == (120,)
    assert params["conv1"]["filters"] == jax.ShapeDtypeStruct((2, 4, 3, 3), "float32")


dense = nn.Dense(3)
MISTAKES = {
    "a name twice": (
        lambda: nn.serial(nn.named("a", dense), nn.named("a", dense)),
        r"serial: two layers would be called 'a'.*named\(name, layer\)",
    ),
    "a name that a number makes": (
        lambda: nn.parallel(dense, nn.named("dense1", dense)),
        r"parallel: two layers would be called 'dense1'",
    ),
    "shortcut in the body": (
        lambda: nn.residual(nn.named("shortcut", dense)),
        r"residual: a layer is named 'shortcut'",
    ),
    "shapes that cannot be added": (
        lambda: nn.residual(dense).init(KEY, (4,)),
        r"residual: .*one shape, got the layers \(3,\), shortcut \(4,\).*shortcut=",
    ),
    "shapes that cannot be concatenated": (
        lambda: nn.parallel(nn.Flatten(), nn.Linear(), join="concatenate").init(
            KEY, (2, 3)
        ),
        r"parallel: .*axis 0, .*, only, got flatten1 \(6,\), linear1 \(2, 3\)",
    ),
    "one array for two layers": (
        lambda: nn.each(dense, dense).init(KEY, (4,)),
        r"each: give a tuple of 2, one for each layer, got \(4,\)",
    ),
    "an array in place of a tuple": (
        lambda: nn.each(nn.Linear(), nn.Linear()).apply({}, X),
        r"each: give a tuple of 2, .*got an array of float32 and shape \(2, 2, 3, 4\)",
    ),
    "another way to join": (
        lambda: nn.parallel(dense, join="add"),
        r'parallel: join must be "sum", "concatenate" or "tuple", got \'add\'',
    ),
    "parallel of nothing": (lambda: nn.parallel(), r"parallel: give at least one"),
    "parallel of a list": (
        lambda: nn.parallel([dense]),
        r"parallel: argument 0 .*Write parallel\(\*layers\), with an asterisk",
    ),
    "a shortcut that is no layer": (
        lambda: nn.residual(dense, shortcut=nn.Conv2D),
        r"residual: argument 0 must be a Layer.*Write Conv2D\(",
    ),
    "named the other way round": (
        lambda: nn.named(dense, "head"),
        r"named: name must be a text .*Write named\(name, layer\)",
    ),
    "a path as name": (lambda: nn.named("a/b", dense), r"without a slash"),
    "unknown params": (
        lambda: nn.parallel(dense).apply({"dense2": {}}, X),
        r"parallel: params has entries \['dense2'\], but the layers are \['dense1'\]",
    ),
}


@pytest.mark.parametrize(("call", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_said(call, message, our_errors):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_layer_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        dense.name = "other"
