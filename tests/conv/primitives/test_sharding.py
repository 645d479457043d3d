"""Several devices: the batch or the filters cut up, the results as if they were not."""

import functools

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxconv import conv, per_example_grad_norms
from tests.reference import arrays, assert_same_bits
from tests.tiers import methods

FACTS = {"strides": (2, 1), "padding": ((1, 2), (0, 3)), "groups": 2}
axis_types = pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit])


@pytest.fixture
def operands():
    return arrays((8, 4, 7, 6), (2, 6, 3, 2))


def mesh(axis_type):
    return jax.make_mesh((8,), ("d",), axis_types=(axis_type,))


def loss(method):
    call = functools.partial(conv, **FACTS, method=method)
    return lambda x, w: jnp.sum(call(x, w) ** 2)


@methods()
@axis_types
def test_a_sharded_batch_gives_the_same_gradients(method, axis_type, operands):
    expected = jax.grad(loss(method), (0, 1))(*operands)
    devices = mesh(axis_type)
    with jax.set_mesh(devices):
        x = jax.device_put(operands[0], NamedSharding(devices, PartitionSpec("d")))
        w = jax.device_put(operands[1], NamedSharding(devices, PartitionSpec()))
        assert_same_bits(jax.jit(jax.grad(loss(method), (0, 1)))(x, w), expected)


COLLECTIVES = ("all-gather", "all-reduce", "all-to-all", "collective-permute")


def compiled(method, shapes, specs, groups, mesh_shape=(8,)):
    """Compile the output and both gradients with x, w and g cut up as `specs` say."""
    devices = jax.make_mesh(
        mesh_shape,
        ("d", "e")[: len(mesh_shape)],
        axis_types=(AxisType.Auto,) * len(mesh_shape),
    )
    whole = arrays(*shapes)
    cut = [
        jax.device_put(array, NamedSharding(devices, spec))
        for array, spec in zip(whole, specs, strict=True)
    ]

    def maps(x, w, g):
        y, vjp = jax.vjp(functools.partial(conv, groups=groups, method=method), x, w)
        return y, *vjp(g)

    run = jax.jit(maps).lower(*cut).compile()
    assert_same_bits(run(*cut), maps(*whole))
    text = run.as_text()
    return {name: text.count(f" {name}(") for name in COLLECTIVES}


@methods()
@pytest.mark.parametrize("groups", [1, 2, 8], ids=["dense", "grouped", "depthwise"])
def test_a_cut_batch_costs_one_sum_over_the_devices(method, groups):
    """Each device convolves its images; the filters' gradients are added up."""
    shapes = (16, 8, 6, 5), (8 // groups, 8, 3, 2), (16, 8, 6, 5)
    specs = PartitionSpec("d"), PartitionSpec(), PartitionSpec("d")
    found = compiled(method, shapes, specs, groups)
    assert found == dict.fromkeys(COLLECTIVES, 0) | {"all-reduce": 1}


@methods()
def test_cut_groups_cost_nothing(method):
    shapes = (2, 16, 6, 5), (2, 16, 3, 2), (2, 16, 6, 5)
    spec = PartitionSpec(None, "d")
    found = compiled(method, shapes, (spec, spec, spec), groups=8)
    assert found == dict.fromkeys(COLLECTIVES, 0)


def test_cut_output_channels_cost_one_sum_for_the_input_gradient():
    shapes = (2, 4, 6, 5), (4, 16, 3, 2), (2, 16, 6, 5)
    spec = PartitionSpec(None, "d")
    found = compiled("im2col", shapes, (PartitionSpec(), spec, spec), groups=1)
    assert found == dict.fromkeys(COLLECTIVES, 0) | {"all-reduce": 1}


def test_batch_and_channels_may_be_cut_together():
    shapes = (4, 4, 6, 5), (4, 8, 3, 2), (4, 8, 6, 5)
    specs = PartitionSpec("d"), PartitionSpec(None, "e"), PartitionSpec("d", "e")
    found = compiled("im2col", shapes, specs, groups=1, mesh_shape=(2, 4))
    assert found["all-gather"] == 0
    assert found["all-reduce"] == 2  # of both gradients


def test_more_devices_than_groups_are_gathered_and_right():
    shapes, spec = ((2, 8, 8, 5), (4, 8, 3, 2), (2, 8, 8, 5)), PartitionSpec(None, "d")
    found = compiled("im2col", shapes, (spec, PartitionSpec(), spec), groups=2)
    assert found["all-gather"] > 0


@pytest.mark.parametrize(
    ("groups", "specs"),
    [
        (1, (PartitionSpec("d"), PartitionSpec(None, "d"), PartitionSpec())),
        (2, (PartitionSpec(), PartitionSpec("d"), PartitionSpec("d"))),
    ],
    ids=["batch and filters over the same devices", "one group's channels"],
)
def test_cuts_that_disagree_are_right(groups, specs):
    shapes = (16, 16, 6, 5), (16 // groups, 16, 3, 2), (16, 16, 6, 5)
    compiled("im2col", shapes, specs, groups)


def test_a_program_for_several_devices_can_be_exported(operands):
    devices = mesh(AxisType.Auto)
    x = jax.device_put(operands[0], NamedSharding(devices, PartitionSpec("d")))
    w = jax.device_put(operands[1], NamedSharding(devices, PartitionSpec()))
    run = jax.jit(functools.partial(conv, **FACTS))
    exported = jax.export.deserialize(jax.export.export(run)(x, w).serialize())
    assert_same_bits(exported.call(x, w), conv(*operands, **FACTS))


@pytest.mark.parametrize(
    "call",
    [
        lambda x, w: conv(x, w, **FACTS),
        lambda x, w: jax.vmap(lambda x: conv(x[None], w, **FACTS))(x),
        lambda x, w: jax.vmap(
            jax.grad(lambda w, x: jnp.sum(conv(x[None], w, **FACTS) ** 2)), (None, 0)
        )(w, x),
        lambda x, w: conv(x, w, **FACTS, padding_mode="reflect"),
        lambda x, w: per_example_grad_norms(
            x, conv(x, w, **FACTS), kernel_shape=w.shape, **FACTS
        ),
    ],
    ids=["plain", "vmap", "vmap of grad", "padding mode", "per-example norms"],
)
def test_on_an_explicit_mesh_the_batch_stays_cut(call, operands):
    expected = call(*operands)
    devices = mesh(AxisType.Explicit)
    with jax.set_mesh(devices):
        x = jax.device_put(operands[0], NamedSharding(devices, PartitionSpec("d")))
        w = jax.device_put(operands[1], NamedSharding(devices, PartitionSpec()))
        result = jax.jit(call)(x, w)
    assert jax.typeof(result).sharding.spec[0] == "d"
    assert_same_bits(result, expected)


@methods()
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


@methods()
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
