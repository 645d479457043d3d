"""Where lax's convolution is wrong or wasteful on the CPU, and jaxconv is not.

The oracle is NumPy in float64 or int64. That lax still fails is not asserted: it may
be mended.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxconv.conv.geometry import Geometry
from jaxconv.dropin import compat
from tests import reference
from tests.reference import assert_same_bits, operands, three_maps
from tests.tiers import fast

FIRST = ("NCHW", "IOHW", "NCHW")


def maps(geometry, x, w, g):
    """The drop-in's output and gradients, as a model would take them."""
    call = functools.partial(
        compat.conv_general_dilated,
        window_strides=geometry.strides,
        padding=geometry.padding,
        dimension_numbers=FIRST,
        feature_group_count=geometry.groups,
    )
    y, vjp = jax.vjp(call, x, w)
    return y, *vjp(g)


def check(geometry):
    given = operands(geometry)
    found = jax.jit(maps, static_argnums=0)(geometry, *given)
    assert_same_bits(found, three_maps(*given, geometry))


@pytest.mark.parametrize("channels", fast([1, 3, 4, 8, 16], 1, 4))
@pytest.mark.parametrize("padding", [((-1, 0), (-2, 0)), ((-2, 1), (-1, 0))], ids=str)
def test_negative_padding(channels, padding):
    """lax reads out of bounds."""
    check(Geometry.of((2, channels, 9, 8), (channels, 5, 3, 2), padding=padding))


@pytest.mark.parametrize("channels", fast([2, 4, 8, 16], 4))
@pytest.mark.parametrize("k", [2, 4])
def test_the_input_gradient_of_even_filters_padded_on_one_side(channels, k):
    """lax's gradient has negative padding and returns garbage."""
    padding = ((k, 0), (k, 0))
    check(Geometry.of((3, channels, 9, 8), (channels, channels, k, k), padding=padding))


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_one_value_that_is_not_finite_stays_in_its_windows(value):
    """Patches by a product with an identity filter, as lax makes them, spread it."""
    x = np.ones((1, 2, 12, 12))
    x[0, 1, 5, 6] = value
    y = compat.conv_general_dilated(
        jnp.array(x, "float32"),
        jnp.ones((2, 4, 3, 3)),
        (1, 1),
        "SAME",
        dimension_numbers=FIRST,
    )
    hit = np.zeros((12, 12), bool)
    hit[4:7, 5:8] = True
    np.testing.assert_array_equal(np.isfinite(y), np.broadcast_to(~hit, y.shape))


def test_a_grouped_convolution_of_a_cut_batch_gathers_nothing():
    """lax brings the whole batch to every device."""
    geometry = Geometry.of((16, 8, 6, 5), (4, 6, 3, 2), groups=2)
    mesh = jax.make_mesh((8,), ("d",), axis_types=(AxisType.Auto,))
    cut = NamedSharding(mesh, PartitionSpec("d"))
    x, w, g = operands(geometry)
    x, g = jax.device_put((x, g), cut)
    w = jax.device_put(w, NamedSharding(mesh, PartitionSpec()))
    run = jax.jit(functools.partial(maps, geometry)).lower(x, w, g).compile()
    assert "all-gather" not in run.as_text()
    np.testing.assert_array_equal(run(x, w, g)[0], reference.output(x, w, geometry))
