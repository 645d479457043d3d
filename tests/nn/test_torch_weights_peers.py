"""PyTorch's networks and ours compute the same with weights carried there and back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.nn.torch_weights import from_torch, to_torch
from tests.nn.torch_layers import norm, transposed


def as_tensors(found):
    torch = pytest.importorskip("torch")
    return {name: torch.from_numpy(value) for name, value in found.items()}


def check_equal(model, network, shape):
    """Compare outputs with PyTorch's weights, and PyTorch's with ours carried back."""
    torch = pytest.importorskip("torch")
    network.eval()
    x = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(x)).numpy()
        state = network.state_dict()
        params = from_torch(model, state, shape)
        y = model.apply(params, jnp.asarray(x))
        np.testing.assert_allclose(y, expected, atol=1e-5)

        _, fresh = model.init(jax.random.key(3), shape)
        back = to_torch(model, fresh, shape, like=state)
        network.load_state_dict(as_tensors(back))
        y = model.apply(fresh, jnp.asarray(x))
        np.testing.assert_allclose(y, network(torch.from_numpy(x)).numpy(), atol=1e-5)


@pytest.mark.extras
def test_a_network_with_statistics_and_two_dense_layers():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 6, 3, stride=2, padding=1, bias=False),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(),
        torch.nn.Conv2d(6, 6, 3, padding=1, groups=6),
        torch.nn.Flatten(),
        torch.nn.Linear(96, 7),
        torch.nn.BatchNorm1d(7),
        torch.nn.Tanh(),
        torch.nn.Linear(7, 4),
    )
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        (network(torch.randn(5, 2, 8, 8) + 1) ** 2).mean().backward()
        optimiser.step()
    model = nn.serial(
        nn.Conv2D(6, 3, strides=2, padding=1),
        norm(),
        nn.ReLU(),
        nn.Conv2D(6, 3, groups=6, bias=True),
        nn.Flatten(),
        nn.Dense(7),
        norm(),
        nn.Tanh(),
        nn.Dense(4),
    )
    check_equal(model, network, (2, 8, 8))


@pytest.mark.extras
def test_a_residual_block_and_a_transposed_convolution():
    torch = pytest.importorskip("torch")

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = torch.nn.Conv2d(3, 5, 3, stride=2, padding=1)
            self.conv2 = torch.nn.Conv2d(5, 5, 3, padding=1, bias=False)
            self.downsample = torch.nn.Conv2d(3, 5, 1, stride=2)
            self.up = torch.nn.ConvTranspose2d(5, 5, 4, stride=2, padding=1)

        def forward(self, x):
            y = self.conv2(torch.relu(self.conv1(x)))
            return self.up(torch.relu(y + self.downsample(x)))

    torch.manual_seed(0)
    body = (nn.Conv2D(5, 3, strides=2, padding=1, bias=True), nn.ReLU())
    shortcut = nn.Conv2D(5, 1, strides=2, padding=0, bias=True)
    model = nn.serial(
        nn.residual(*body, nn.Conv2D(5, 3), shortcut=shortcut),
        nn.ReLU(),
        transposed(5, 4, 2),
    )
    check_equal(model, Block(), (3, 8, 6))


@pytest.mark.extras
def test_tensors_of_bfloat16_are_read():
    torch = pytest.importorskip("torch")
    network = torch.nn.Linear(3, 2).bfloat16()
    params = from_torch(nn.Dense(2), network.state_dict(), (3,))
    expected = network.weight.detach().float().numpy().T
    np.testing.assert_array_equal(params["weights"], expected)
