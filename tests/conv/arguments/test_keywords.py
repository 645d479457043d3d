"""One row for each argument by a wrong name or place: the error proposes another."""

import inspect
import pickle

import jax.numpy as jnp
import pytest

import jaxconv
from jaxconv import (
    conv,
    conv_input_grad,
    conv_param_grad,
    conv_transpose,
    explain,
    per_example_grad_norms,
)
from jaxconv.check import check_bilinear, check_gradients
from jaxconv.conv.arguments.keywords import names_arguments
from jaxconv.conv.pooling.api import avg_pool, max_pool

pytestmark = pytest.mark.usefixtures("our_errors")

X, W, G = jnp.zeros((2, 3, 8, 8)), jnp.zeros((3, 4, 3, 3)), jnp.zeros((2, 4, 8, 8))
NAMES = {  # of others, to ours
    "stride": "strides",
    "window_strides": "strides",
    "pads": "padding",
    "pad_mode": "padding_mode",
    "dilation": "kernel_dilation",
    "dilation_rate": "kernel_dilation",
    "rhs_dilation": "kernel_dilation",
    "lhs_dilation": "input_dilation",
    "feature_group_count": "groups",
    "group": "groups",
    "dtype": "preferred_element_type",
    "paddings": "padding",  # by likeness
    "methd": "method",
}


@pytest.mark.parametrize(("theirs", "ours"), NAMES.items(), ids=NAMES.keys())
@pytest.mark.parametrize("function", [conv, explain])
def test_the_name_is_proposed(function, theirs, ours):
    message = rf"{function.__name__}: no argument '{theirs}': write {ours}=\. It takes"
    with pytest.raises(TypeError, match=message):
        function(X, W, **{theirs: 1})


CALLS = {
    "kernel_size": (
        lambda: conv(X, W, kernel_size=3),
        r"conv: no argument 'kernel_size': the shape of w says it, \(in // groups, ",
    ),
    "kernel_size, transposed": (
        lambda: conv_transpose(X, W, kernel_size=3),
        r"the shape of w says it, \(in, out // groups, \*kernel\)",
    ),
    "transpose_kernel": (
        lambda: conv_transpose(X, W, transpose_kernel=True),
        r"transpose_kernel': convention=\"lax\" leaves the filter as it is",
    ),
    "transpose_kernel, not transposed": (
        lambda: conv(X, W, transpose_kernel=True),
        r"conv: no argument 'transpose_kernel'\. It takes",
    ),
    "stride, pooled": (lambda: max_pool(X, 2, stride=2), "max_pool: .*write strides="),
    "layout, pooled": (
        lambda: avg_pool(X, 2, data_format="NHWC"),
        "no argument 'data_format': write channels_last=",
    ),
    "stride by position, pooled": (
        lambda: max_pool(X, 2, 2),
        "only x and window go by position, got 1 more; .* name: strides=2",
    ),
    "dimension_numbers": (
        lambda: conv(X, W, dimension_numbers=("NHWC", "HWIO", "NHWC")),
        r"arrays are channels-first, .* or use jaxconv\.conv_general_dilated",
    ),
    "data_format": (lambda: conv(X, W, data_format="channels_last"), "channels-first"),
    "bias": (lambda: conv(X, W, bias=None), r"add it to the result, y \+ bias\["),
    "output_padding": (
        lambda: conv(X, W, output_padding=1),
        r"no argument 'output_padding': only jaxconv\.conv_transpose takes it",
    ),
    "nothing like it": (lambda: conv(X, W, transposed=1), r"'transposed'\. It "),
    "kernel_dilation, transposed": (
        lambda: conv_transpose(X, W, kernel_dilation=2),
        r"conv_transpose: no argument 'kernel_dilation': write dilation=\.",
    ),
    "stride, transposed": (lambda: conv_transpose(X, W, stride=2), "write strides="),
    "stride, at the input": (
        lambda: conv_input_grad(G, W, input_shape=X.shape, stride=2),
        r"conv_input_grad: no argument 'stride': write strides=",
    ),
    "stride, at the filters": (
        lambda: conv_param_grad(X, G, kernel_shape=W.shape, stride=2),
        r"conv_param_grad: no argument 'stride': write strides=",
    ),
    "stride, norms": (
        lambda: per_example_grad_norms(X, G, kernel_shape=W.shape, stride=2),
        r"per_example_grad_norms: no argument 'stride': write strides=",
    ),
    "operands by other names": (
        lambda: conv(input=X, weight=W),
        r"no argument 'input': write x=; no argument 'weight': write w=",
    ),
    "two at once": (
        lambda: conv(X, W, stride=2, dilation=1),
        r"'stride': write strides=; no argument 'dilation': write kernel_dilation=",
    ),
    "a name that is taken": (
        lambda: conv(X, W, strides=2, stride=2),
        r"no argument 'stride'\. It takes",
    ),
    "a checker's": (
        lambda: check_gradients(jnp.sin, (X,), mode="rev"),
        r"check_gradients: no argument 'mode': write modes=\. It takes \(fun, args, \*",
    ),
    "a checker's third": (
        lambda: check_gradients(jnp.sin, (X,), None),
        r"only fun and args go by position, got 1 more; settings go by name\. It takes",
    ),
    "a checker's sixth": (
        lambda: check_bilinear(conv, conv, conv, (2, 3, 8), (3, 4, 3), "float32"),
        r"only output, input_grad, param_grad, x_shape and w_shape go by position",
    ),
    "a third": (
        lambda: conv(X, W, 2),
        r"conv: only x and w go by position, got 1 more; .* by name: strides=2\. It",
    ),
    "a name third": (lambda: conv(X, W, "SAME"), r"go by name: padding='SAME'"),
    "a fourth": (
        lambda: conv(X, W, (1, 1), "SAME"),
        r"got 2 more; .*: strides=\(1, 1\), padding='SAME'\.",
    ),
    "a sixth": (lambda: conv(X, W, 1, 0, 1, 1), r"got 4 more; .*: strides=1, pad"),
    "a bias third": (lambda: conv(X, W, jnp.zeros(4)), "there is no bias: add it"),
    "no bias third": (lambda: conv(X, W, None, 2), "there is no bias: add it"),
    "a third, transposed": (lambda: conv_transpose(X, W, 2), "by name: strides=2"),
    "a third, explained": (lambda: explain(X, W, 2), "explain: only x and w go by"),
    "the shape third": (
        lambda: conv_input_grad(G, W, X.shape, 2),
        r"by name: input_shape=\(2, 3, 8, 8\), strides=2",
    ),
    "the filters third": (
        lambda: conv_param_grad(X, G, W),
        r"only x and g go by position, .*: kernel_shape=w\.shape\.",
    ),
    "no filters": (lambda: conv(X), r"conv: w missing\. It takes \(x, w, \*, strides"),
    "no input_shape": (
        lambda: conv_input_grad(G, W),
        r"input_shape is missing, which the operands do not .* input_shape=x\.shape",
    ),
    "no kernel_shape": (
        lambda: conv_param_grad(X, G),
        r"kernel_shape is missing, .*: write kernel_shape=w\.shape",
    ),
    "twice": (lambda: conv(X, W, w=W), r"conv: multiple values for argument 'w'\."),
}  # fmt: skip


@pytest.mark.parametrize(("call", "message"), CALLS.values(), ids=CALLS.keys())
def test_mistake(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_an_error_inside_a_right_call_passes_as_it_is():
    inside = TypeError("inside")

    @names_arguments
    def function(x, *, strides=1):
        raise inside

    with pytest.raises(TypeError) as caught:
        function(1, strides=2)
    assert caught.value is inside


def test_the_message_stands_alone():
    with pytest.raises(TypeError) as caught:
        conv(X, W, stride=2)
    assert caught.value.__suppress_context__


def test_the_signature_stays_as_it_is_written():
    names = list(inspect.signature(conv).parameters)
    assert names[:4] == ["x", "w", "strides", "padding"]
    assert "kwargs" not in names
    assert pickle.loads(pickle.dumps(conv)) is jaxconv.conv
