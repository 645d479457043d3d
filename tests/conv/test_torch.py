"""An oracle from outside JAX: PyTorch's convolution, forward and both gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import conv
from tests.methods import UNIVERSAL
from tests.conv.cases import NAMED

torch = pytest.importorskip("torch", reason="needs PyTorch")
pytestmark = pytest.mark.extras

# PyTorch pads both sides alike, so the cases that do not are left out.
FACTS = {
    "valid": {"padding": 0},
    "strided": {"strides": (2, 3), "padding": 1},
    "pixels never read": {"strides": 3, "padding": 0},
    "grouped": {"groups": 3, "strides": (1, 2), "padding": (2, 1)},
    "depthwise": {"groups": 4, "padding": (1, 0)},
}


@pytest.mark.parametrize("method", UNIVERSAL)
@pytest.mark.parametrize("name", FACTS)
def test_equals_torch_bit_for_bit(method, name):
    """The operands count up from 0, so a shift, flip or swap changes every number."""
    x_shape, w_shape, _ = NAMED[name]
    facts = FACTS[name]
    x, w = (
        np.arange(np.prod(shape), dtype=np.float32).reshape(shape) % 17
        for shape in (x_shape, w_shape)
    )
    groups = facts.get("groups", 1)
    theirs_x = torch.tensor(x, requires_grad=True)
    # in, groups * out, *kernel -> groups * out, in, *kernel
    theirs_w = torch.tensor(np.swapaxes(w, 0, 1).copy(), requires_grad=True)
    theirs = torch.nn.functional.conv2d(
        theirs_x,
        theirs_w,
        stride=facts.get("strides", 1),
        padding=facts["padding"],
        groups=groups,
    )
    g = np.arange(theirs.numel(), dtype=np.float32).reshape(theirs.shape) % 13
    theirs.backward(torch.tensor(g))

    ours, vjp = jax.vjp(
        lambda x, w: conv(x, w, **facts, method=method), jnp.array(x), jnp.array(w)
    )
    dx, dw = vjp(jnp.array(g))
    np.testing.assert_array_equal(ours, theirs.detach().numpy())
    np.testing.assert_array_equal(dx, theirs_x.grad.numpy())
    np.testing.assert_array_equal(dw, np.swapaxes(theirs_w.grad.numpy(), 0, 1))
