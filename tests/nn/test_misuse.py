"""What new users write by mistake: each message says what to write instead."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn

KEY = jax.random.key(0)
KEYS = jax.random.split(KEY, 3)
X = jnp.ones((2, 4))
PARAMS = {"weights": jnp.zeros((4, 3)), "bias": jnp.zeros(3)}
LOGITS = jnp.zeros((3, 4))
MODEL = nn.serial(nn.Dense(3), nn.Dropout(0.5))
MODEL_PARAMS = {"dense1": PARAMS}


def pair():
    return (lambda key, shape: (shape, {}), lambda params, x, *, key=None: x)


def loss(labels):
    return lambda: nn.softmax_cross_entropy(LOGITS, labels)


MISTAKES = {
    # Layers without their parentheses, and other things in place of a layer.
    "conv with nn.ReLU": (
        lambda: nn.Conv2D(4, 3, activation=nn.ReLU),
        r"Conv2D: activation must be .*got <function ReLU>\. Write ReLU\(\)\.",
    ),
    "dense with nn.Flatten": (
        lambda: nn.Dense(3, activation=nn.Flatten),
        r"Dense: activation must be .*Write Flatten\(\)\.",
    ),
    "dense with nn.Dense": (
        lambda: nn.Dense(3, activation=nn.Dense),
        r"Dense: activation must be .*Write Dense\(neurons\)\.",
    ),
    "an activation's name": (
        lambda: nn.Dense(3, activation="relu"),
        r"got 'relu'\. Write ReLU\(\)\.",
    ),
    "serial of nn.ReLU": (
        lambda: nn.serial(nn.Dense(3), nn.ReLU),
        r"serial: argument 1 must be a Layer, .*Write ReLU\(\)\.",
    ),
    "serial of nn.Conv2D": (
        lambda: nn.serial(nn.Conv2D),
        r"Write Conv2D\(out_channels, param_size\)\.",
    ),
    "serial of nn.Layer": (
        lambda: nn.serial(nn.Layer),
        r"Write Layer\(init, apply\)",
    ),
    "serial of a list": (
        lambda: nn.serial([nn.Dense(3), nn.ReLU()]),
        r"got \[<Layer dense>, <Layer relu>\]\. Write serial\(\*layers\)",
    ),
    "serial of a generator": (
        lambda: nn.serial(nn.Dense(3) for _ in range(2)),
        r"Write serial\(\*layers\)",
    ),
    "serial of init and apply": (
        lambda: nn.serial(pair()),
        r"Write Layer\(init, apply\)",
    ),
    "serial of a function": (
        lambda: nn.serial(jnp.tanh),
        r"Write elementwise\(function\)",
    ),
    "elementwise of nn.ReLU": (
        lambda: nn.elementwise(nn.ReLU),
        r"elementwise: function must take an array.*Write ReLU\(\)\.",
    ),
    "elementwise of a layer": (
        lambda: nn.elementwise(nn.ReLU()),
        r"It is a layer already",
    ),
    "elementwise of another shape": (
        lambda: nn.elementwise(lambda x: x.sum(0)).apply({}, X),
        r"elementwise: the function must keep the shape \(2, 4\), got \(4,\)",
    ),
    "an initializer without its parentheses": (
        lambda: nn.Dense(3, weight_init=jax.nn.initializers.he_normal).init(KEY, (4,)),
        r"Dense: weight_init must return an array of shape \(4, 3\).*parentheses",
    ),
    "dropout of True": (lambda: nn.Dropout(True), r"got True\. 1 keeps all"),
    "a number of units of True": (lambda: nn.Dense(True), r"neurons .*got True"),
    # input_shape
    "a number as shape": (
        lambda: nn.Dense(3).init(KEY, 4),
        r"Dense: input_shape must be a tuple.*got 4\. Write \(4,\)",
    ),
    "a number as serial's shape": (
        lambda: MODEL.init(KEY, 4),
        r"serial: input_shape must be a tuple",
    ),
    "a number as an activation's shape": (
        lambda: nn.ReLU().init(KEY, 4),
        r"relu: input_shape must be a tuple",
    ),
    "an array as shape": (
        lambda: nn.Flatten().init(KEY, X),
        r"Flatten: .*got an array of float32 and shape \(2, 4\)\. Write x\.shape\[1:\]",
    ),
    "the key as shape": (
        lambda: nn.ReLU().init((4,), KEY),
        r"The key comes first",
    ),
    "None for the batch": (
        lambda: nn.Conv2D(4, 3).init(KEY, (None, 1, 8, 8)),
        r"Conv2D: .*Every size is an int",
    ),
    "images without channels": (
        lambda: nn.Conv2D(4, 3).init(KEY, (28, 28)),
        r"got \(28, 28\)\. Put the number of channels first",
    ),
    "images with the batch": (
        lambda: nn.Conv2D(4, 3).init(KEY, (60, 1, 28, 28)),
        r"Leave out the first axis, the batch",
    ),
    # params and x
    "x before params": (
        lambda: MODEL.apply(X, MODEL_PARAMS),
        r"serial: params must be a dict.*Are params and x exchanged\?",
    ),
    "a layer's x before params": (
        lambda: nn.Dense(3).apply(X, PARAMS),
        r"Dense: params must be a dict.*Are params and x exchanged\?",
    ),
    "all that init returns": (
        lambda: MODEL.apply(((3,), MODEL_PARAMS), X),
        r"output_shape, params = init\(key, input_shape\)",
    ),
    "no params": (lambda: MODEL.apply(None, X), r"got None\. Write apply\(params, x\)"),
    "a list as x": (
        lambda: nn.Dense(3).apply(PARAMS, [[1.0, 2, 3, 4]]),
        r"Dense: x must be an array.*Use jnp\.asarray",
    ),
    "a scalar flattened": (
        lambda: nn.Flatten().apply({}, jnp.ones(())),
        r"Flatten: x must have a batch axis",
    ),
    # summary
    "a list summed up": (
        lambda: nn.summary([nn.Dense(3)], (4,)),
        r"summary: model must be a Layer.*serial\(\*layers\)",
    ),
    "summary of a shape that is none": (
        lambda: nn.summary(MODEL, 4),
        r"summary: input_shape must be a tuple",
    ),
    # labels
    "a label too large": (
        loss(jnp.array([0, 4, 1])),
        r"labels must lie in 0 \.\. 3.*axis 1 of \(3, 4\).*got 4 at index 1",
    ),
    "a negative label": (loss(np.array([0, 1, -1])), r"got -1 at index 2"),
    "labels from 1": (loss(np.array([1, 2, 4], np.uint8)), r"subtract 1"),
    "known labels under jit": (
        lambda: jax.jit(lambda x: nn.softmax_cross_entropy(x, np.arange(3) + 2))(
            LOGITS
        ),
        r"got 4 at index 2",
    ),
    "labels in a column": (loss(jnp.zeros((3, 1), int)), r"got \(3, 4\) and \(3, 1\)"),
    "no rows": (
        lambda: nn.softmax_cross_entropy(jnp.zeros((0, 4)), jnp.zeros(0, int)),
        r"neither of them empty",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(("call", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_and_mended(call, message):
    with pytest.raises(ValueError, match=message):
        call()


WRONG_TYPES = {
    "init(0)": (
        lambda: MODEL.init(0, (4,)),
        r"serial: key .*Write jax\.random\.key\(0\)",
    ),
    "a layer's init(7)": (
        lambda: nn.Conv2D(4, 3).init(7, (1, 5, 5)),
        r"Conv2D: key .*got 7\. Write jax\.random\.key\(7\)",
    ),
    "init(None)": (lambda: nn.Dense(3).init(None, (4,)), r"Dense: key .*got None"),
    "init of many keys": (lambda: MODEL.init(KEYS, (4,)), r"got 3 keys.*jax\.vmap"),
    "init(shape, key)": (
        lambda: nn.Dense(3).init((4,), KEY),
        r"Are key and input_shape exchanged\?",
    ),
    "apply(key=0)": (
        lambda: MODEL.apply(MODEL_PARAMS, X, key=0),
        r"serial: key must be a JAX random key, got 0",
    ),
    "a layer's apply(key=0)": (
        lambda: nn.Dense(3).apply(PARAMS, X, key=0),
        r"Dense: key must be a JAX random key",
    ),
    "dropout's apply(key=True)": (
        lambda: nn.Dropout(0.5).apply({}, X, key=True),
        r"Dropout: key .*got True",
    ),
    "labels of floats": (loss(jnp.zeros(3)), r"labels\.astype\('int32'\)"),
    "logits of ints": (
        lambda: nn.softmax_cross_entropy(jnp.zeros((3, 4), int), jnp.zeros(3, int)),
        r"logits\.astype\('float32'\)",
    ),
    # Arguments of other libraries
    "stride": (lambda: nn.Conv2D(4, 3, stride=2), r"Conv2D: .*Write strides= for str"),
    "kernel_size": (lambda: nn.Conv2D(4, kernel_size=3), r"Write param_size= for"),
    "a misspelt argument": (lambda: nn.Dense(4, activaton=None), r"Write activation="),
    "an unheard-of argument": (
        lambda: nn.Dense(4, x=1),
        r"The arguments are neurons, ",
    ),
    "PyTorch's channels": (
        lambda: nn.Conv2D(1, 32, 5),
        r"By position it takes out_channels, param_size; the size of the input is for",
    ),
    "an activation by position": (
        lambda: nn.Dense(10, nn.ReLU()),
        r"By position it takes neurons.*Name the others: activation=",
    ),
    "a rate of dropout": (
        lambda: nn.Dropout(rate=0.2),
        r"Dropout: .*Write dropout=1 - rate for rate=",
    ),
    "a layer called": (
        lambda: MODEL(MODEL_PARAMS, X),
        r"serial: .*Write layer\.apply\(params, x\)",
    ),
    "no filter size": (lambda: nn.Conv2D(4), r"Give param_size\."),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(
    ("call", "message"), WRONG_TYPES.values(), ids=WRONG_TYPES.keys()
)
def test_a_wrong_type_is_named_and_mended(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_that_only_a_compiled_loss_sees_makes_it_nan(label):
    """Even a negative one, which an index would take from the end."""
    compiled = jax.jit(nn.softmax_cross_entropy)
    assert jnp.isnan(compiled(LOGITS, jnp.array([0, label, 3])))
    assert compiled(LOGITS, jnp.array([0, 1, 3])) == pytest.approx(np.log(4), rel=1e-6)


@pytest.mark.parametrize("key", [KEY, jax.random.PRNGKey(0)], ids=["typed", "raw"])
def test_both_kinds_of_keys_serve(key):
    _, params = MODEL.init(key, (4,))
    assert MODEL.apply(params, X, key=key).shape == (2, 3)


def test_mapped_keys_and_examples_serve():
    params = jax.vmap(lambda key: nn.Dense(3).init(key, [4])[1])(KEYS)
    assert params["weights"].shape == (3, 4, 3)
    y = jax.vmap(jax.vmap(lambda x: nn.Tanh().apply({}, x)))(X)
    np.testing.assert_array_equal(y, jnp.tanh(X))


def test_a_layer_shows_its_parts():
    assert repr(MODEL) == "<Layer serial: dense1, dropout1>"


def test_filters_sizes_may_be_a_list():
    shape, params = nn.Conv2D(4, [3, 2]).init(KEY, (2, 6, 5))
    assert params["filters"].shape == (2, 4, 3, 2)
    assert shape[0] == 4
