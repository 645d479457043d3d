"""The table of a model's layers."""

import jax

from jaxconv import nn


def test_summary_of_the_chapters_model(capsys):
    nn.summary(nn.models.chapter5(), (1, 28, 28))
    assert capsys.readouterr().out == (
        "layer   output shape  weights  biases  neurons\n"
        "----------------------------------------------\n"
        "conv1   (25088,)          800       0   25,088\n"
        "dense1  (10,)         250,880      10       10\n"
        "----------------------------------------------\n"
        "total                 251,680      10   25,098\n"
    )


def test_a_dense_layer_of_32_has_as_many_weights_as_the_convolution_neurons(capsys):
    nn.summary(nn.Dense(32), (784,))
    row = capsys.readouterr().out.splitlines()[2]
    assert row.split() == ["dense", "(32,)", "25,088", "32", "32"]


def test_layers_that_learn_nothing_count_no_neurons(capsys):
    nn.summary(nn.serial(nn.Flatten(), nn.serial(nn.Tanh())), (1, 2, 3))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:4]]
    assert rows == [
        ["flatten1", "(6,)", "0", "0", "0"],
        ["serial1/tanh1", "(6,)", "0", "0", "0"],
    ]


def test_params_may_be_any_pytree(capsys):
    def init(key, input_shape):
        return input_shape, [jax.numpy.ones((2, 3)), {"bias": 1.0}]

    nn.summary(nn.Layer(init, lambda params, x, *, key=None: x, "odd"), (3,))
    assert capsys.readouterr().out.splitlines()[2].split()[2:] == ["6", "1", "3"]


def test_a_layer_of_ones_own_is_counted(capsys):
    def init(key, input_shape):
        return input_shape, {"scale": jax.numpy.ones(input_shape)}

    scale = nn.Layer(init, lambda params, x, *, key=None: x * params["scale"], "scale")
    nn.summary(nn.serial(scale), (3,))
    assert "scale1  (3,)                3       0        3" in capsys.readouterr().out
