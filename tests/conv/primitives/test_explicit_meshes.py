"""On explicit meshes the drop-in places its result, or refuses to, as lax does."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxconv import conv
from jaxconv.dropin import compat
from tests.reference import integers

P = PartitionSpec
LAYOUT = ("NHC", "HIO", "NHC")
SETTINGS = {
    "same": {"window_strides": (1,), "padding": "SAME"},
    "strided": {"window_strides": (2,), "padding": "SAME"},
    "one less": {"window_strides": (1,), "padding": [(1, 0)]},
}
PLACES = {
    "batch": (P("x"), P()),
    "batch and pixels": (P("x", "y"), P()),
    "pixels": (P(None, "x"), P()),
    "channels": (P("x", None, "y"), P()),
    "filters": (P("x"), P(None, None, "y")),
}


@pytest.fixture
def operands(rng):
    return [jnp.array(integers(rng, shape)) for shape in ((8, 16, 4), (3, 4, 6))]


@pytest.fixture
def mesh():
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Explicit,) * 2)
    with jax.set_mesh(mesh):
        yield mesh


def put(operands, places, mesh):
    pairs = zip(operands, places, strict=True)
    return [jax.device_put(array, NamedSharding(mesh, spec)) for array, spec in pairs]


def gradients(call, settings, x, w):
    def run(x, w):
        return call(x, w, **settings, dimension_numbers=LAYOUT)

    y, vjp = jax.vjp(run, x, w)
    return y, *vjp(y)


def outcome(call, settings, x, w):
    """Return how results are placed, and what they are; or the error's words."""
    try:
        found = jax.jit(functools.partial(gradients, call, settings))(x, w)
    except Exception as error:
        return type(error), str(error)
    return [jax.typeof(y).sharding.spec for y in found], jax.device_get(found)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("places", PLACES.values(), ids=PLACES)
def test_it_is_placed_or_refused_as_in_lax(places, settings, operands, mesh):
    x, w = put(operands, places, mesh)  # the operands lie on one device
    ours, words = outcome(compat.conv_general_dilated, settings, x, w)
    theirs, expected = outcome(lax.conv_general_dilated, settings, x, w)
    assert ours == theirs
    if isinstance(expected, str):
        assert words == expected
    else:  # of one device: of pixels cut by rows lax's filter gradient is twice that
        call = functools.partial(gradients, lax.conv_general_dilated, settings)
        jax.tree.map(np.testing.assert_array_equal, words, call(*operands))


def test_outside_of_jit_too(operands, mesh):
    x, w = put(operands, PLACES["batch and pixels"], mesh)
    y = compat.conv_general_dilated(x, w, (1,), "SAME", dimension_numbers=LAYOUT)
    assert jax.typeof(y).sharding.spec == P("x", "y", None)


def test_conv_keeps_pixels_where_they_are(operands, mesh):
    x, w = put(operands, PLACES["batch and pixels"], mesh)
    y = conv(x.transpose(0, 2, 1), w.transpose(1, 2, 0))
    assert jax.typeof(y).sharding.spec == P("x", None, "y")


def test_vmap_keeps_both(operands, mesh):
    x, w = put(operands, PLACES["batch and pixels"], mesh)
    filters = w.transpose(1, 2, 0)

    def run(x):
        return conv(x.T[None], filters)[0]

    y = jax.jit(jax.vmap(run))(x)
    assert jax.typeof(y).sharding.spec == P("x", None, "y")
    np.testing.assert_array_equal(
        y, conv(operands[0].mT, operands[1].transpose(1, 2, 0))
    )


def test_pixels_that_cannot_stay_cut_are_whole(operands, mesh):
    """`conv` has no argument to place its result by, so that it does not refuse."""
    x, w = put(operands, PLACES["pixels"], mesh)
    y = conv(x.transpose(0, 2, 1), w.transpose(1, 2, 0), padding="VALID")
    assert jax.typeof(y).sharding.spec == P(None, None, None)
