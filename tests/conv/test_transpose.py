"""conv_transpose against each framework whose meaning of the arguments it can take.

All operands count up and wrap at a prime, so a flip, a swap or a shift by one changes
the numbers; all are whole and small, so that sums in float32 are exact in any order.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import conv_transpose
from tests.tiers import methods

X, W = (2, 3, 5, 4), (3, 4, 2, 5)  # a filter of even height and odd width
X1, W1 = (3, 4, 7), (4, 3, 5)
X3, W3 = (2, 6, 3, 1, 4), (6, 5, 2, 4, 3)

# For each convention rows of facts; a row for other shapes than X and W names them.
CASES = {
    "torch": {
        "nothing said": {},
        "strides": {"strides": (3, 2)},
        "padding": {"padding": (1, 2)},
        "dilation": {"dilation": (3, 2)},
        "output_padding": {"strides": (2, 3), "output_padding": (1, 2)},
        "output_padding below dilation": {"dilation": (2, 3), "output_padding": (1, 2)},
        "groups": ((2, 6, 5, 4), (6, 3, 2, 5), {"groups": 3, "strides": (1, 2)}),
        "depthwise": ((2, 4, 5, 3), (4, 2, 3, 1), {"groups": 4, "padding": (2, 0)}),
        "1-D": (X1, W1, {"strides": 3, "padding": 4, "output_padding": 2}),
        "3-D": (X3, W3, {"strides": (2, 1, 3), "padding": (0, 1, 2), "groups": 2}),
    },
    "lax": {
        "VALID": {"padding": "VALID", "strides": (3, 2)},
        "SAME": {"padding": "SAME", "strides": (3, 2)},
        "SAME, dilation": {"padding": "SAME", "strides": (2, 3), "dilation": (4, 2)},
        "pairs": {"padding": ((2, 1), (3, 4)), "strides": (2, 3)},
        "pairs below 0": {"padding": ((-1, 3), (4, -2)), "strides": (2, 3)},
        "pairs beyond the filter": {"padding": ((3, 1), (4, 7)), "strides": (1, 2)},
        "pairs, dilation": {"padding": ((2, 4), (6, 5)), "dilation": (3, 2)},
        "1-D": (X1, W1, {"padding": "SAME", "strides": (2,)}),
        "3-D": (X3, W3, {"padding": ((1, 0), (3, 4), (1, 2)), "strides": (2, 1, 3)}),
    },
    "keras": {
        "valid": {"padding": "valid", "strides": (2, 1)},
        "valid, stride beyond the filter": {"strides": (4, 6)},
        "valid, output_padding": {"strides": (3, 2), "output_padding": (2, 1)},
        "valid, dilation": {"strides": (4, 3), "dilation": (2, 3)},
        "same": {"padding": "same", "strides": (1, 2)},
        "same, stride beyond the filter": {"padding": "same", "strides": (3, 6)},
        "same, output_padding": {
            "padding": "same",
            "strides": (3, 2),
            "output_padding": (2, 1),
        },
        "same, output_padding 0": {
            "padding": "same",
            "strides": (3, 2),
            "output_padding": 0,
        },
        "same, dilation": {"padding": "same", "strides": (2, 3), "dilation": (4, 2)},
        "1-D": (X1, W1, {"padding": "same", "strides": 2}),
        "3-D": (X3, W3, {"padding": "same", "strides": (2, 1, 3)}),
    },
    "onnx": {
        "pads": {"padding": ((1, 0), (2, 3)), "strides": (3, 2)},
        "output_padding": {"strides": (2, 3), "output_padding": (1, 2)},
        "dilation": {"dilation": (3, 2), "padding": ((0, 2), (3, 1))},
        "VALID": {"padding": "VALID", "strides": (3, 2), "output_padding": (2, 1)},
        "SAME_UPPER": {"padding": "SAME_UPPER", "strides": (1, 2)},
        "SAME_LOWER": {"padding": "SAME_LOWER", "strides": (1, 2)},
        "SAME_UPPER, wide stride": {"padding": "SAME_UPPER", "strides": (3, 6)},
        "SAME_LOWER, wide stride": {"padding": "SAME_LOWER", "strides": (3, 6)},
        "SAME, output_padding": {
            "padding": "SAME_UPPER",
            "strides": (3, 2),
            "output_padding": (2, 1),
        },
        "SAME, output_shape": {
            "padding": "SAME_LOWER",
            "strides": (3, 2),
            "output_padding": (2, 0),
            "output_shape": (13, 8),
        },
        "1-D": (X1, W1, {"padding": ((3, 1),), "strides": (2,)}),
        "3-D": (X3, W3, {"padding": ((0, 1), (2, 0), (1, 3)), "strides": (2, 1, 3)}),
    },
}


def peer(name):
    return pytest.importorskip(name, reason="needs the [bench] extra")


@pytest.fixture(autouse=True)
def _keras_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))  # where it writes its settings


def counted(shape, wrap):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) % wrap


def counting(x_shape=X, w_shape=W):
    return counted(x_shape, 17), counted(w_shape, 13)


def ours(x, w, **facts):
    return conv_transpose(jnp.array(x), jnp.array(w), **facts)


def renamed(facts, **names):
    return {names.get(name, name): value for name, value in facts.items()}


def unpack(convention, name):
    case = CASES[convention][name]
    return (X, W, case) if isinstance(case, dict) else case


def in_torch(x, w, facts):
    x, w = (peer("torch").as_tensor(array) for array in (x, w))
    transposed = getattr(peer("torch.nn.functional"), f"conv_transpose{x.ndim - 2}d")
    return transposed(x, w, **renamed(facts, strides="stride"))


def in_lax(x, w, facts):
    space = "DHW"[5 - x.ndim :]
    return jax.lax.conv_transpose(
        x,
        w,
        **{"strides": (1,) * len(space), **renamed(facts, dilation="rhs_dilation")},
        dimension_numbers=(f"NC{space}", f"IO{space}", f"NC{space}"),
    )


def in_keras(x, w, facts):
    theirs = peer("keras").ops.conv_transpose(
        np.moveaxis(x, 1, -1),
        np.transpose(w, (*range(2, w.ndim), 1, 0)),  # (*kernel, out, in)
        **renamed(facts, dilation="dilation_rate"),
        data_format="channels_last",
    )
    return np.moveaxis(np.asarray(theirs), -1, 1)


def in_onnx(x, w, facts):
    facts = renamed(facts, dilation="dilations", padding="pads")
    if isinstance(pads := facts.pop("pads", None), str):
        facts["auto_pad"] = pads
    elif pads:  # all the low ends, then all the high ones
        facts["pads"] = np.transpose(pads).ravel().tolist()
    node = peer("onnx").helper.make_node("ConvTranspose", ["x", "w"], ["y"], **facts)
    evaluator = peer("onnx.reference").ReferenceEvaluator(node)
    return evaluator.run(None, {"x": x, "w": w})[0]


PEERS = {"torch": in_torch, "lax": in_lax, "keras": in_keras, "onnx": in_onnx}


@pytest.mark.parametrize(
    ("convention", "name"),
    [
        pytest.param(
            convention, name, marks=[] if convention == "lax" else pytest.mark.extras
        )
        for convention, cases in CASES.items()
        for name in cases
    ],
)
def test_equals_the_framework(convention, name):
    *shapes, facts = unpack(convention, name)
    x, w = counting(*shapes)
    theirs = PEERS[convention](x, w, facts)
    np.testing.assert_array_equal(ours(x, w, **facts, convention=convention), theirs)


@pytest.mark.extras
@methods()
@pytest.mark.parametrize("name", ["groups", "1-D", "3-D"])
def test_gradients_equal_torch(name, method):
    *shapes, facts = unpack("torch", name)
    arrays = counting(*shapes)
    tensors = [peer("torch").tensor(array, requires_grad=True) for array in arrays]
    theirs = in_torch(*tensors, facts)
    g = counted(theirs.shape, 11)
    theirs.backward(peer("torch").tensor(g))
    _, vjp = jax.vjp(lambda x, w: ours(x, w, **facts, method=method), *arrays)
    for gradient, tensor in zip(vjp(jnp.array(g)), tensors, strict=True):
        np.testing.assert_array_equal(gradient, tensor.grad.numpy())


@pytest.mark.extras
@pytest.mark.parametrize("size", [(14, 12), (16, 13), (17, 14)], ids=str)
def test_output_shape_equals_torch(size):
    """Sizes from the smallest that this call allows to the largest."""
    x, w = (peer("torch").tensor(array) for array in counting())
    layer = peer("torch").nn.ConvTranspose2d(3, 4, (2, 5), (4, 3), (2, 1), bias=False)
    layer.weight.data = w
    theirs = layer(x, output_size=size).detach().numpy()
    y = ours(*counting(), strides=(4, 3), padding=(2, 1), output_shape=size)
    np.testing.assert_array_equal(y, theirs)


@pytest.mark.extras
@pytest.mark.parametrize("padding", [0, ((0, 3), (2, 2)), "VALID"], ids=str)
def test_onnx_output_shape_replaces_the_padding(padding):
    """The reference implements this for SAME alone: so it is given the padding."""
    facts = {"strides": (3, 2), "output_padding": (1, 0)}  # 15 by 11 pixels in full
    theirs = in_onnx(*counting(), {**facts, "padding": ((2, 2), (2, 1))})
    facts |= {"padding": padding, "output_shape": (11, 8), "convention": "onnx"}
    np.testing.assert_array_equal(ours(*counting(), **facts), theirs)


def test_lax_with_output_padding_is_lax_padded_higher():
    facts = {"strides": (2, 3), "padding": ((2, 1), (3, 4))}
    y = ours(*counting(), **facts, output_padding=(1, 2), convention="lax")
    higher = {**facts, "padding": ((2, 2), (3, 6))}
    np.testing.assert_array_equal(y, in_lax(*counting(), higher))


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("convention", ["keras", "lax"])
def test_output_shape_stands_for_output_padding(convention, padding):
    facts = {"strides": (3, 2), "padding": padding, "convention": convention}
    y = ours(*counting(), **facts, output_padding=(2, 1))
    by_shape = ours(*counting(), **facts, output_shape=y.shape[2:])
    np.testing.assert_array_equal(by_shape, y)


def test_keras_takes_its_own_size_as_output_shape():
    """With an even filter `output_padding=0` gives a smaller one."""
    facts = {"strides": 2, "padding": "SAME", "convention": "keras"}
    x, w = jnp.arange(8.0).reshape(1, 2, 4), jnp.arange(12.0).reshape(2, 3, 2)
    y = conv_transpose(x, w, **facts)
    assert y.shape == (1, 3, 8)
    np.testing.assert_array_equal(conv_transpose(x, w, **facts, output_shape=(8,)), y)


def test_preferred_element_type_is_returned():
    x, w = (jnp.array(array, "bfloat16") for array in counting())
    assert conv_transpose(x, w, preferred_element_type="float32").dtype == "float32"


@pytest.mark.usefixtures("our_errors")  # the annotations' hook wants Python's own
def test_numpys_integers_are_integers():
    two, one = np.int64(2), np.int64(1)
    y = ours(*counting(), strides=two, padding=one, output_padding=one)
    expected = ours(*counting(), strides=2, padding=1, output_padding=1)
    np.testing.assert_array_equal(y, expected)


# What is said to whoever makes a mistake. "x" and "w" are shapes.
MISTAKES = {
    "channels-last": ({"x": (2, 5, 4, 3)}, r"x has 5 channels .*Is x channels-last\?"),
    "filters output-first": ({"w": (6, 3, 2, 5)}, r"Is w \(out, in, \*kernel\)\? Swap"),
    "filters of keras": ({"w": (2, 5, 4, 3)}, r"Is w \(\*kernel, out, in\)\?"),
    "no batch axis": (
        {"x": X[1:]},
        r"as many axes as x, \(in, out // groups, \*kernel",
    ),
    "no pixels": ({"x": (2, 3, 0, 4)}, "must have pixels on each spatial axis"),
    "groups that do not divide": (
        {"groups": 2},
        "groups must divide the input channels, got 2 groups and 3 channels",
    ),
    "output_padding too large": (
        {"strides": 2, "output_padding": (1, 2)},
        r"output_padding adds 2 pixels to the 11 on axis 3; .* allows 11 to 12\.",
    ),
    "output_padding for one axis": (
        {"strides": 2, "output_padding": (1,)},
        r"output_padding must be an int .* for each of the 2 spatial axes, got \(1,",
    ),
    "output_shape too large": (
        {"strides": (3, 2), "output_shape": (17, 12)},
        r"output_shape \(17, 12\) asks for 17 pixels on axis 2; .* allows 14 to 16\.",
    ),
    "output_shape too small": (
        {"strides": (3, 2), "output_shape": (14, 10)},
        r"output_shape \(14, 10\) asks for 10 pixels on axis 3; .* allows 11 to 12\.",
    ),
    "output_shape with the batch": (
        {"output_shape": (2, 4, 6, 8)},
        r"output_shape must be an int .* for each .*Leave out batch and channels",
    ),
    "output_shape by one number": (
        {"output_shape": 99},
        r"output_shape 99 asks for 99 pixels on axis 2; .* allows 6 to 6\.",
    ),
    "output_padding below 0": (
        {"output_padding": -1},
        "output_padding must be an int of at least 0",
    ),
    "unknown convention": (
        {"convention": "tf"},
        r'convention must be one of "torch", "lax", "keras", "onnx", got \'tf\'',
    ),
    "padding named for another": (
        {"convention": "lax", "padding": "SAME_UPPER"},
        r'padding with convention="lax" must be "SAME", "VALID", .*got \'SAME_UPPER\'',
    ),
    "keras with numbers": (
        {"convention": "keras", "padding": 1},
        r'padding with convention="keras" must be "SAME", "VALID", got 1\.',
    ),
    "padding that leaves no pixels": (
        {"padding": (3, 0)},
        r"leaves 0 output pixels on axis 2\. .* cut off less",
    ),
    "unknown method": (
        {"method": "strassen"},
        r"method must be one of .* got \'strassen\'",
    ),
    "method that does not serve it": (
        {"method": "winograd"},
        r"does not serve x \(2, 3, 5, 4\) with w \(3, 4, 2, 5\) \(in, out // groups,",
    ),
}


@pytest.mark.usefixtures("our_errors")
@pytest.mark.parametrize(("facts", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(facts, message):
    facts = {"x": X, "w": W} | facts
    arrays = {name: jnp.zeros(facts.pop(name)) for name in ("x", "w")}
    with pytest.raises(ValueError, match=message):
        conv_transpose(**arrays, **facts)
