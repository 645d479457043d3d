"""The table of a model's layers."""

import dataclasses

import jax
import jax.numpy as jnp

from jaxconv import nn
from jaxconv.nn.describe import describe
from jaxconv.nn.window import WHOLE_IMAGE


def test_summary_of_a_small_model(capsys):
    dense = [dataclasses.replace(nn.Dense(n), window=WHOLE_IMAGE) for n in (32, 10)]
    model = nn.serial(nn.Flatten(), *dense)
    nn.summary(model, (1, 28, 28))
    assert capsys.readouterr().out == (
        "layer     output shape  weights  biases  neurons    MACs  field  stride  "
        "memory\n"
        "-------------------------------------------------------------------------"
        "------\n"
        "flatten1  (784,)              0       0        0       0      1       1  "
        "3.14kB\n"
        "dense1    (32,)          25,088      32       32  25,088    all            "
        "128B\n"
        "dense2    (10,)             320      10       10     320    all             "
        "40B\n"
        "-------------------------------------------------------------------------"
        "------\n"
        "total                    25,408      42       42  25,408    all          "
        "3.30kB\n"
    )


def rows_of(printed):
    """Return the words of the table's rows."""
    return [line.split() for line in printed.splitlines()[2:]]


def test_the_chapters_model_has_few_weights_and_many_neurons(capsys):
    nn.summary(nn.models.chapter5(), (1, 28, 28))
    conv, dense, _, total = rows_of(capsys.readouterr().out)
    assert conv[:6] == ["conv1", "(25088,)", "800", "0", "25,088", "627,200"]
    assert dense[:6] == ["dense1", "(10,)", "250,880", "10", "10", "250,880"]
    assert total[:5] == ["total", "251,680", "10", "25,098", "878,080"]


def test_a_dense_layer_of_32_has_as_many_weights_as_the_convolution_neurons(capsys):
    nn.summary(nn.Dense(32), (784,))
    row = rows_of(capsys.readouterr().out)[0]
    assert row[:5] == ["dense", "(32,)", "25,088", "32", "32"]


def test_layers_that_learn_nothing_count_no_neurons(capsys):
    nn.summary(nn.serial(nn.Flatten(), nn.serial(nn.Tanh())), (1, 2, 3))
    rows = rows_of(capsys.readouterr().out)
    assert rows[0][:5] == ["flatten1", "(6,)", "0", "0", "0"]
    assert rows[1] == ["serial1/"]
    assert rows[2][:5] == ["tanh1", "(6,)", "0", "0", "0"]


def test_params_may_be_any_pytree(capsys):
    def init(key, input_shape):
        return input_shape, [jnp.ones((2, 3)), {"bias": 1.0}]

    nn.summary(nn.Layer(init, lambda params, x, *, key=None: x, "odd"), (3,))
    assert rows_of(capsys.readouterr().out)[0][2:5] == ["6", "1", "3"]


def test_a_layer_of_ones_own_is_counted(capsys):
    def init(key, input_shape):
        return input_shape, {"scale": jnp.ones(input_shape)}

    scale = nn.Layer(init, lambda params, x, *, key=None: x * params["scale"], "scale")
    nn.summary(nn.serial(scale), (3,))
    row = rows_of(capsys.readouterr().out)[0]
    assert row[:5] == ["scale1", "(3,)", "3", "0", "3"]


def test_the_text_of_a_description_is_what_summary_prints(capsys):
    nn.summary(nn.Dense(3), (4,))
    assert capsys.readouterr().out == f"{describe(nn.Dense(3), (4,))}\n"


def test_rows_stand_below_the_path_of_their_combination():
    block = nn.named("block1", nn.residual(nn.Conv2D(2, 3), nn.ReLU()))
    model = nn.serial(nn.named("stage1", nn.serial(block, nn.ReLU())), nn.Flatten())
    lines = str(describe(model, (2, 5, 5))).splitlines()
    assert [line.rstrip()[:15].rstrip() for line in lines[2:-2]] == [
        "stage1/block1/",
        "  conv1     (2,",
        "  relu1     (2,",
        "  shortcut  (2,",
        "stage1/",
        "  relu1     (2,",
        "flatten1    (50",
    ]


def test_statistics_have_a_column_only_if_there_are_any():
    def init(key, shape):
        mean = {"mean": jnp.zeros(shape)}
        return shape, {"shift": jnp.zeros(shape), "statistics": mean}

    keeping = nn.Layer(init, lambda params, x, *, key=None: x + params["shift"])
    head, _, row, *_ = str(describe(keeping, (7,))).splitlines()
    assert head.split()[3:6] == ["weights", "biases", "stats"]
    assert row.split()[2:5] == ["0", "7", "7"]
    assert "stats" not in str(describe(nn.Dense(3), (7,)))


def test_each_array_of_an_output_has_a_line():
    model = nn.parallel(nn.ReLU(), nn.Conv2D(2, 3, strides=2), join="tuple")
    text = str(describe(nn.serial(model, add_up()), (2, 4, 4)))
    assert "(2, 4, 4)" in text
    assert [line.split("  ")[0] for line in text.splitlines()[-4:-2]] == ["pair1", ""]
    assert text.splitlines()[-3].split() == ["(2,", "2,", "2)"]


def add_up():
    """Return a layer that takes a pair and returns a pair."""
    return nn.Layer(
        lambda key, shape: (shape, {}),
        lambda params, x, *, key=None: jax.tree.map(jnp.sin, x),
        "pair",
    )


def test_an_unknown_number_of_multiply_adds_is_explained_below_the_table():
    def apply(params, x, *, key=None):
        raise ValueError("only whole numbers")

    layer = nn.Layer(lambda key, shape: (shape, {}), apply, "lookup")
    lines = str(describe(layer, (3,))).splitlines()
    assert lines[2].split()[5] == "?"
    assert lines[-1] == "? lookup: ValueError: only whole numbers"
