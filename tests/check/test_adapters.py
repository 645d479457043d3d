"""Adapters: layers with state, both gradients in one function, a JAX function's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.check import of_layer, of_vjp
from jaxconv.check.adapters import from_backward

pytestmark = pytest.mark.usefixtures("our_errors")

X, W, G = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4), np.ones((2, 4))
DX, DW = G @ W.T, X.T @ G


class Dense:
    """A layer as NumPy courses write it."""

    def __init__(self, size):
        self.weights, self.grads = np.zeros(size), {}

    def forward(self, x):
        self.x = x
        return x @ self.weights

    def backward(self, g):
        self.grads["weights"] = self.x.T @ g
        return g @ self.weights.T


class Pair(Dense):
    def backward(self, g):
        return g @ self.weights.T, self.x.T @ g


class Accumulating(Dense):
    def __init__(self, size):
        super().__init__(size)
        self.dw = np.zeros(size)

    def backward(self, g):
        self.dw += self.x.T @ g
        return g @ self.weights.T


class TwoOfThatShape(Dense):
    def backward(self, g):
        self.dw = self.x.T @ g
        self.momentum = 0.9 * self.dw
        return g @ self.weights.T


class Forgetful(Dense):
    def backward(self, g):
        self.grad = g
        return g @ self.weights.T


def maker(kind):
    def make_layer(w):
        layer = kind(W.shape)
        layer.weights = w
        return layer

    return make_layer


LAYERS = {
    "in a dict": (Dense, {}),
    "in a dict, named": (Dense, {"param_grad": "grads.weights"}),
    "returned": (Pair, {}),
    "the one that is named": (TwoOfThatShape, {"param_grad": "dw"}),
}


@pytest.mark.parametrize(("kind", "facts"), LAYERS.values(), ids=LAYERS.keys())
def test_both_gradients_of_a_layer_are_found(kind, facts):
    output, backward = of_layer(maker(kind), **facts)
    assert np.array_equal(output(X, W), X @ W)
    for _ in "12":  # the second time nothing that the layer holds changes
        dx, dw = backward(X, W, G)
        assert np.array_equal(dx, DX)
        assert np.array_equal(dw, DW)


def test_other_filters_get_another_layer():
    output, _ = of_layer(maker(Dense))
    assert np.array_equal(output(X, W), X @ W)
    assert np.array_equal(output(X, W + 1), X @ (W + 1))


def test_what_a_layer_does_not_clear_shows_unless_it_is_made_anew():
    sums = []
    for fresh in (False, True):
        _, backward = of_layer(maker(Accumulating), fresh=fresh)
        first, second = (np.array(backward(X, W, G)[1]) for _ in "12")
        sums.append((second / first.clip(1)).max())
    assert sums == [2, 1]


LAYER_MISTAKES = {
    "no gradient": (
        Forgetful, {}, r"must return \(dx, dw\), or set an array of the shape \(3, 4\) "
        r"of w, but Forgetful set grad \(2, 4\)\. Name the array, as in"
    ),
    "two": (TwoOfThatShape, {}, r"set dw and momentum\. Write param_grad='dw'\.$"),
    "another name": (
        Dense, {"param_grad": "dW"}, r"got 'dW'\. Its arrays are weights, grads\.w"
    ),
    "no such entry": (Dense, {"param_grad": "grads.b"}, r"got 'grads\.b'\."),
    "no such method": (
        Dense, {"forward": "run"}, r"a method run, got a Dense\. It has backward, "
        r"forward: name one by forward=\.$"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LAYER_MISTAKES.values(), ids=LAYER_MISTAKES.keys())
def test_a_layer_of_another_form_is_told_what_to_write(case):
    kind, facts, message = case
    with pytest.raises(ValueError, match=f"^of_layer: .*{message}"):
        of_layer(maker(kind), **facts).backward(X, W, G)


def test_a_maker_that_returns_nothing_is_named():
    with pytest.raises(ValueError, match=r"must return a layer, got None\. Is its"):
        of_layer(lambda w: None).output(X, W)


MAKERS = {"a layer": (Dense((3, 4)), "got a Dense. Write"), "a number": (3, "got 3.")}


@pytest.mark.parametrize(("given", "words"), MAKERS.values(), ids=MAKERS.keys())
def test_what_makes_no_layers_is_refused(given, words):
    with pytest.raises(
        ValueError, match=f"make_layer must be a function of w.*{words}"
    ):
        of_layer(given)


def both(x, w, g):
    return g @ w.T, x.T @ g


def test_one_function_gives_both_gradients():
    input_grad, param_grad = from_backward(both, X.shape, W.shape)
    assert np.array_equal(input_grad(G, W), DX)
    assert np.array_equal(param_grad(X, G), DW)


@pytest.mark.parametrize("array", [jnp.array, np.array], ids=["JAX", "NumPy"])
def test_what_is_filled_in_is_as_the_rest(array):
    def backward(x, w, g):
        assert type(x) is type(w) is type(g)
        assert x.dtype == w.dtype == g.dtype
        assert np.all(x) and np.all(w)  # noqa: PT018
        return both(x, w, g)

    input_grad, param_grad = from_backward(backward, X.shape, W.shape)
    x, w, g = (array(a + 1, "float16") for a in (X, W, G))
    input_grad(g, w), param_grad(x, g)


BACKWARD = {
    "exchanged results": (
        lambda x, w, g: both(x, w, g)[::-1],
        r"\(dx, dw\), of shapes \(2, 3\) and \(3, 4\), got \(3, 4\) and \(2, 3\): ",
    ),
    "g first": (
        lambda g, x, w: both(x, w, g), r"right shapes as backward\(g, x, w\)\. Write "
    ),
    "w first": (lambda w, x, g: both(x, w, g), r"as backward\(w, x, g\)\. Write "),
    "one alone": (lambda x, w, g: g @ w.T, r"the pair \(dx, dw\), got a ndarray\."),
    "nothing": (lambda x, w, g: None, r"the pair \(dx, dw\), got None\."),
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "words"), BACKWARD.values(), ids=BACKWARD.keys())
def test_another_form_of_backward_is_told_what_to_write(wrong, words):
    input_grad, _ = from_backward(wrong, X.shape, W.shape)
    with pytest.raises(ValueError, match=f"^backward must .*{words}"):
        input_grad(G, W)


def test_arguments_of_another_shape_are_refused():
    input_grad, param_grad = from_backward(both, X.shape, W.shape)
    with pytest.raises(ValueError, match=r"w must have the shape \(3, 4\), got \(2, 4"):
        input_grad(W, G)
    with pytest.raises(ValueError, match=r"x must have the shape \(2, 3\), got \(2, 4"):
        param_grad(G, X)


def test_what_backward_raises_by_itself_stays():
    def broken(x, w, g):
        raise ValueError("no kernel for this")

    _, param_grad = from_backward(broken, X.shape, W.shape)
    with pytest.raises(ValueError, match=r"^no kernel for this$"):
        param_grad(X, G)


def test_a_shape_that_no_order_mends_is_passed_on():
    input_grad, _ = from_backward(lambda x, w, g: (g, g), X.shape, W.shape)
    assert input_grad(G, W).shape == G.shape


def test_the_derivative_of_a_jax_function_is_its_own_rule():
    @jax.custom_vjp
    def product(x, w):
        return x @ w

    product.defvjp(lambda x, w: (x @ w, (x, w)), lambda kept, g: (7 * kept[0], kept[1]))
    x, w, g = (jnp.array(a, "float32") for a in (X, W, G))
    dx, dw = of_vjp(product)(x, w, g)
    assert np.array_equal(dx, 7 * X)
    assert np.array_equal(dw, W)
