"""Several devices: the batch or the filters cut up, the results as if they were not."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxconv import conv
from jaxconv.conv.choose import METHODS
from tests.reference import integers

FACTS = {"strides": (2, 1), "padding": ((1, 2), (0, 3)), "groups": 2}
methods = pytest.mark.parametrize("method", METHODS)
axis_types = pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit])


@pytest.fixture
def operands(rng):
    return jnp.array(integers(rng, (4, 4, 7, 6))), jnp.array(
        integers(rng, (2, 6, 3, 2))
    )


def mesh(axis_type):
    return jax.make_mesh((4,), ("d",), axis_types=(axis_type,))


def loss(method):
    call = functools.partial(conv, **FACTS, method=method)
    return lambda x, w: jnp.sum(call(x, w) ** 2)


def assert_same_bits(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@methods
@axis_types
def test_a_sharded_batch_gives_the_same_gradients(method, axis_type, operands):
    expected = jax.grad(loss(method), (0, 1))(*operands)
    devices = mesh(axis_type)
    with jax.set_mesh(devices):
        x = jax.device_put(operands[0], NamedSharding(devices, PartitionSpec("d")))
        w = jax.device_put(operands[1], NamedSharding(devices, PartitionSpec()))
        assert_same_bits(jax.jit(jax.grad(loss(method), (0, 1)))(x, w), expected)


@methods
@pytest.mark.parametrize("check_vma", [True, False])
def test_shard_map_adds_up_the_filters_gradient(method, check_vma, operands):
    """The filters are the same on all devices, so their gradients are summed."""
    expected = jax.grad(loss(method), (0, 1))(*operands)
    total = jax.shard_map(
        lambda x, w: lax.psum(loss(method)(x, w), "d"),
        mesh=mesh(AxisType.Auto),
        in_specs=(PartitionSpec("d"), PartitionSpec()),
        out_specs=PartitionSpec(),
        check_vma=check_vma,
    )
    assert_same_bits(jax.grad(total, (0, 1))(*operands), expected)


@methods
def test_grad_inside_shard_map_is_of_all_devices(method, operands):
    expected = jax.grad(loss(method), 1)(*operands)
    inside = jax.shard_map(
        jax.grad(loss(method), 1),
        mesh=mesh(AxisType.Auto),
        in_specs=(PartitionSpec("d"), PartitionSpec()),
        out_specs=PartitionSpec(),
    )
    assert_same_bits(inside(*operands), expected)


def test_a_result_that_varies_is_not_passed_off_as_the_same(operands):
    wrong = jax.shard_map(
        functools.partial(conv, **FACTS),
        mesh=mesh(AxisType.Auto),
        in_specs=(PartitionSpec("d"), PartitionSpec()),
        out_specs=PartitionSpec(),
    )
    with pytest.raises(ValueError, match="require replication"):
        wrong(*operands)
