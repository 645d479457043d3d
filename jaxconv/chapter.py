"""Convolution from first principles: one filter over five numbers, then images.

    output               gradient at the input  at the filter
    conv_1d              input_grad_1d          param_grad_1d        one observation
    conv_1d_batch        input_grad_1d_batch    param_grad_1d_batch  a batch of them
    conv_2d              input_grad_2d          param_grad_2d        a batch of images
    _output              _input_grad            _param_grad          and with channels

Everything is written index by index, one `lax.fori_loop` for each loop, so that the
code can be read beside the formulas. Filters have odd lengths and the input is padded
with `length // 2` zeros on both sides, so the output is as long as the input.
`jaxconv.conv` is the same operation for any stride, padding and filter, and fast.

The operation, and why its two gradients look as they do
--------------------------------------------------------
Output `o` reads padded input `o + p` through weight `p`. Five inputs between two zeros,
three weights; `scripts/rows_columns_diagonals.png` draws all of it, in colours:

    0    x0   x1   x2   x3   x4   0
    w0   w1   w2                       read by o0
         w0   w1   w2                  read by o1, and so on

*Output.* Along a row: o1 reads x0 through w0, x1 through w1, x2 through w2.

    output[o] = sum over p of  padded[o + p] * param[p]

*Input gradient.* Down a column: x1 was read by o0 through w2, by o1 through w1, by o2
through w0. The output's index rises as the weight's index falls. In numbers: with k
weights, input `i` stands at place i + k//2 of the padded input, so output i + k//2 - p
read it through weight `p`. Pad the output gradient by k//2 zeros just as the input was,
which moves its indices by k//2 more; for odd k, k//2 twice is k - 1:

    input_grad[i] = sum over p of  padded_output_grad[i + k - 1 - p] * param[p]

*Filter gradient.* Along a diagonal: w1 carried x0 into o0, x1 into o1, x2 into o2. The
two indices rise together, so weight `p` collects

    param_grad[p] = sum over o of  padded[o + p] * output_grad[o]

A batch repeats the sums for each observation: each has an input gradient of its own,
while all of them share the filter, whose gradient adds up over the batch. A second
axis doubles every loop. Channels add two more: each output channel sums over all input
channels, so its gradient flows back to each of them. With c an input channel, d an
output channel, h w rows and columns, p q those of the filter:

    output[n, d, h, w]     = sum over c, p, q of
                             padded[n, c, h+p, w+q] * param[c, d, p, q]
    input_grad[n, c, h, w] = sum over d, p, q of
                             padded_grad[n, d, h+kh-1-p, w+kw-1-q] * param[c, d, p, q]
    param_grad[c, d, p, q] = sum over n, h, w of
                             padded[n, c, h+p, w+q] * output_grad[n, d, h, w]

Source: S. Weidman, "Deep Learning from Scratch" (2019), chapter 5.
"""

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Num

from jaxconv._chapter_checks import (
    array,
    operands,
    operands_and_grad,
    pad_width,
    zeros,
)
from jaxconv._loops import nested_loops

__all__ = [
    "_input_grad",
    "_output",
    "_param_grad",
    "conv_1d",
    "conv_1d_batch",
    "conv_1d_batch_sum",
    "conv_1d_sum",
    "conv_2d",
    "input_grad_1d",
    "input_grad_1d_batch",
    "input_grad_2d",
    "nested_loops",
    "pad_1d",
    "pad_2d",
    "param_grad_1d",
    "param_grad_1d_batch",
    "param_grad_2d",
]

# Axes: n batch, h w height and width, ci co channels in and out, k kh kw the filter.
Line = Num[Array, " width"]
Lines = Num[Array, "n width"]
Images = Num[Array, "n h w"]
MapsIn = Num[Array, "n ci h w"]
MapsOut = Num[Array, "n co h w"]
Taps = Num[Array, " k"]
Filter = Num[Array, "kh kw"]
Filters = Num[Array, "ci co kh kw"]


# One dimension -----------------------------------------------------------------------


def pad_1d(inp: Line, num: int) -> Num[Array, " padded"]:
    """Add `num` zeros on both sides.

    Raises:
      ValueError: `inp` is not 1-D, or `num` is negative.
    """
    inp = array("pad_1d", "inp", inp, ("width",))
    return _pad(inp, pad_width("pad_1d", num, 1))


def conv_1d(inp: Line, param: Taps) -> Line:
    """Slide the filter over the zero-padded input: `sum_p padded[o + p] * param[p]`.

    Raises:
      ValueError: an argument is not 1-D, or the filter's length is even.

    >>> conv_1d(jnp.array([1.0, 2, 3, 4, 5]), jnp.array([1.0, 1, 1])).tolist()
    [3.0, 6.0, 9.0, 12.0, 9.0]
    """
    inp, param = operands("conv_1d", "1-D", inp, param)
    padded = pad_1d(inp, len(param) // 2)

    def at_output(o, output):
        def at_weight(p, output):
            return output.at[o].add(padded[o + p] * param[p])

        return lax.fori_loop(0, len(param), at_weight, output)

    return lax.fori_loop(0, len(inp), at_output, zeros(inp.shape, inp, param))


def conv_1d_sum(inp: Line, param: Taps) -> Num[Array, ""]:
    """Sum `conv_1d` to one number, whose gradients the next two functions compute."""
    return jnp.sum(conv_1d(inp, param))


def input_grad_1d(inp: Line, param: Taps, output_grad: Line | None = None) -> Line:
    """Compute the gradient at the input: `sum_p padded_grad[i + k - 1 - p] * param[p]`.

    `output_grad` is the gradient at the output; ones if not given, as for a sum.
    Raises as `conv_1d` does, and if `output_grad` is not shaped like the output.

    >>> input_grad_1d(jnp.arange(1.0, 6), jnp.ones(3)).tolist()
    [2.0, 3.0, 3.0, 3.0, 2.0]
    """
    inp, param, output_grad = operands_and_grad(
        "input_grad_1d", "1-D", inp, param, output_grad
    )
    k = len(param)
    padded_grad = pad_1d(output_grad, k // 2)

    def body(grad, i, p):
        return grad.at[i].add(padded_grad[i + k - 1 - p] * param[p])

    return nested_loops((len(inp), k), body, zeros(inp.shape, output_grad, param))


def param_grad_1d(inp: Line, param: Taps, output_grad: Line | None = None) -> Taps:
    """Compute the gradient at the filter: `sum_o padded[o + p] * output_grad[o]`.

    Arguments and errors are those of `input_grad_1d`.

    >>> param_grad_1d(jnp.arange(1.0, 6), jnp.ones(3)).tolist()
    [10.0, 15.0, 14.0]
    """
    inp, param, output_grad = operands_and_grad(
        "param_grad_1d", "1-D", inp, param, output_grad
    )
    padded = pad_1d(inp, len(param) // 2)

    def body(grad, o, p):
        return grad.at[p].add(padded[o + p] * output_grad[o])

    sizes = len(inp), len(param)
    return nested_loops(sizes, body, zeros(param.shape, inp, output_grad))


def _pad(inp: Array, nums: tuple[int, ...]) -> Array:
    """Pad the last axes, each with its number of zeros on both sides."""
    return jnp.pad(inp, [(0, 0)] * (inp.ndim - len(nums)) + [(n, n) for n in nums])


# One dimension, with a batch ---------------------------------------------------------


def conv_1d_batch(inp: Lines, param: Taps) -> Lines:
    """Convolve each observation; the first axis counts them. Raises as `conv_1d`."""
    inp, param = operands("conv_1d_batch", "1-D batch", inp, param)
    padded = _pad(inp, (len(param) // 2,))

    def body(output, n, o, p):
        return output.at[n, o].add(padded[n, o + p] * param[p])

    sizes = *inp.shape, len(param)
    return nested_loops(sizes, body, zeros(inp.shape, inp, param))


def conv_1d_batch_sum(inp: Lines, param: Taps) -> Num[Array, ""]:
    """Sum `conv_1d_batch` over all observations."""
    return jnp.sum(conv_1d_batch(inp, param))


def input_grad_1d_batch(
    inp: Lines, param: Taps, output_grad: Lines | None = None
) -> Lines:
    """Compute each observation's own input gradient. Arguments as `input_grad_1d`."""
    inp, param, output_grad = operands_and_grad(
        "input_grad_1d_batch", "1-D batch", inp, param, output_grad
    )
    k = len(param)
    padded_grad = _pad(output_grad, (k // 2,))

    def body(grad, n, i, p):
        return grad.at[n, i].add(padded_grad[n, i + k - 1 - p] * param[p])

    return nested_loops((*inp.shape, k), body, zeros(inp.shape, output_grad, param))


def param_grad_1d_batch(
    inp: Lines, param: Taps, output_grad: Lines | None = None
) -> Taps:
    """Sum the filter's gradient over all observations. Arguments as `input_grad_1d`."""
    inp, param, output_grad = operands_and_grad(
        "param_grad_1d_batch", "1-D batch", inp, param, output_grad
    )
    padded = _pad(inp, (len(param) // 2,))

    def body(grad, n, o, p):
        return grad.at[p].add(padded[n, o + p] * output_grad[n, o])

    sizes = *inp.shape, len(param)
    return nested_loops(sizes, body, zeros(param.shape, inp, output_grad))


# Two dimensions, with a batch --------------------------------------------------------


def pad_2d(
    inp: Images, num: int | tuple[int, int]
) -> Num[Array, "n padded_h padded_w"]:
    """Add `num` zeros on all four sides of each image, or `(rows, columns)` of them.

    Raises:
      ValueError: `inp` is not 3-D, or `num` is negative.
    """
    inp = array("pad_2d", "inp", inp, ("batch", "height", "width"))
    return _pad(inp, pad_width("pad_2d", num, 2))


def conv_2d(inp: Images, param: Filter) -> Images:
    """Slide the filter over each image: the 1-D sum with each loop doubled.

    Raises:
      ValueError: `inp` is not 3-D or `param` not 2-D, or a filter axis is even.
    """
    inp, param = operands("conv_2d", "2-D", inp, param)
    kh, kw = param.shape
    padded = pad_2d(inp, (kh // 2, kw // 2))

    def body(output, n, h, w, p, q):
        product = padded[n, h + p, w + q] * param[p, q]
        return output.at[n, h, w].add(product)

    sizes = *inp.shape, kh, kw
    return nested_loops(sizes, body, zeros(inp.shape, inp, param))


def input_grad_2d(
    inp: Images, param: Filter, output_grad: Images | None = None
) -> Images:
    """Compute each image's own input gradient. `output_grad` is ones if not given.

    Raises as `conv_2d` does, and if `output_grad` is not shaped like the output.
    """
    inp, param, output_grad = operands_and_grad(
        "input_grad_2d", "2-D", inp, param, output_grad
    )
    kh, kw = param.shape
    padded_grad = pad_2d(output_grad, (kh // 2, kw // 2))

    def body(grad, n, h, w, p, q):
        product = padded_grad[n, h + kh - 1 - p, w + kw - 1 - q] * param[p, q]
        return grad.at[n, h, w].add(product)

    sizes = *inp.shape, kh, kw
    return nested_loops(sizes, body, zeros(inp.shape, output_grad, param))


def param_grad_2d(
    inp: Images, param: Filter, output_grad: Images | None = None
) -> Filter:
    """Sum the filter's gradient over all images. Arguments as `input_grad_2d`."""
    inp, param, output_grad = operands_and_grad(
        "param_grad_2d", "2-D", inp, param, output_grad
    )
    kh, kw = param.shape
    padded = pad_2d(inp, (kh // 2, kw // 2))

    def body(grad, n, h, w, p, q):
        product = padded[n, h + p, w + q] * output_grad[n, h, w]
        return grad.at[p, q].add(product)

    sizes = *inp.shape, kh, kw
    return nested_loops(sizes, body, zeros(param.shape, inp, output_grad))


# Channels: the operation of a convolutional layer ------------------------------------


def _output(inp: MapsIn, param: Filters) -> MapsOut:
    """Convolve images of `ci` maps into `co` maps: seven loops.

    Raises:
      ValueError: an argument is not 4-D, the input channels of the two differ, or a
        filter axis is even.
    """
    inp, param = operands("_output", "channels", inp, param)
    batch, ci, height, width = inp.shape
    _, co, kh, kw = param.shape
    padded = _pad(inp, (kh // 2, kw // 2))

    def body(output, n, c, d, h, w, p, q):
        product = padded[n, c, h + p, w + q] * param[c, d, p, q]
        return output.at[n, d, h, w].add(product)

    output = zeros((batch, co, height, width), inp, param)
    return nested_loops((batch, ci, co, height, width, kh, kw), body, output)


def _input_grad(inp: MapsIn, output_grad: MapsOut, param: Filters) -> MapsIn:
    """Compute the gradient at the input: every output channel flows back to it.

    Raises as `_output` does, and if `output_grad` is not shaped like the output.
    """
    inp, param, output_grad = operands_and_grad(
        "_input_grad", "channels", inp, param, output_grad
    )
    batch, ci, height, width = inp.shape
    _, co, kh, kw = param.shape
    padded_grad = _pad(output_grad, (kh // 2, kw // 2))

    def body(grad, n, c, d, h, w, p, q):
        back = padded_grad[n, d, h + kh - 1 - p, w + kw - 1 - q]
        return grad.at[n, c, h, w].add(back * param[c, d, p, q])

    grad = zeros(inp.shape, output_grad, param)
    return nested_loops((batch, ci, co, height, width, kh, kw), body, grad)


def _param_grad(inp: MapsIn, output_grad: MapsOut, param: Filters) -> Filters:
    """Sum each filter's gradient over all images. Errors are those of `_input_grad`."""
    inp, param, output_grad = operands_and_grad(
        "_param_grad", "channels", inp, param, output_grad
    )
    batch, ci, height, width = inp.shape
    _, co, kh, kw = param.shape
    padded = _pad(inp, (kh // 2, kw // 2))

    def body(grad, n, c, d, h, w, p, q):
        product = padded[n, c, h + p, w + q] * output_grad[n, d, h, w]
        return grad.at[c, d, p, q].add(product)

    grad = zeros(param.shape, inp, output_grad)
    return nested_loops((batch, ci, co, height, width, kh, kw), body, grad)
