"""Images cut along a spatial axis: neighbours exchange pixels, as under lax."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxconv.dropin import compat
from tests.reference import integers

COLLECTIVES = ("all-gather", "all-reduce", "all-to-all", "collective-permute")
ROWS = PartitionSpec(None, "d")
SAME = {"window_strides": (1, 1), "padding": "SAME"}
TWO = {"window_strides": (2, 2), "padding": "SAME"}
LAYOUT = ("NHWC", "HWIO", "NHWC")


def maps(call, settings, x, w, g):
    call = functools.partial(call, **settings, dimension_numbers=LAYOUT)
    y, vjp = jax.vjp(call, x, w)
    return y, *vjp(g)


def run(call, x_shape, w_shape, settings, spec, mesh_shape=(4,)):
    """Return the collectives; the bits must be those of one device."""
    names = ("d", "e")[: len(mesh_shape)]
    mesh = jax.make_mesh(mesh_shape, names, axis_types=(AxisType.Auto,) * len(names))
    rng = np.random.default_rng(0)
    x, w = (jnp.array(integers(rng, shape)) for shape in (x_shape, w_shape))
    wanted = functools.partial(call, **settings, dimension_numbers=LAYOUT)
    g = jnp.array(integers(rng, jax.eval_shape(wanted, x, w).shape))
    expected = jax.jit(functools.partial(maps, call, settings))(x, w, g)
    x, g = (jax.device_put(a, NamedSharding(mesh, spec)) for a in (x, g))
    w = jax.device_put(w, NamedSharding(mesh, PartitionSpec()))
    program = jax.jit(functools.partial(maps, call, settings)).lower(x, w, g).compile()
    found = program(x, w, g)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    text = program.as_text()
    counts = {name: text.count(f" {name}(") for name in COLLECTIVES}
    return counts, found[0].sharding.spec


CASES = {
    "3 taps": ((2, 16, 5, 3), (3, 2, 3, 4), SAME, 6),
    "even and unlike padding": (
        (2, 16, 5, 3),
        (4, 2, 3, 4),
        {"window_strides": (1, 1), "padding": [(0, 3), (1, 0)]},
        3,
    ),
    "strided": ((2, 16, 6, 3), (3, 2, 3, 4), TWO, 3),
    "strided, pixels unread": ((2, 16, 6, 3), (1, 2, 3, 4), TWO, 0),
    "padding beyond the filter": (
        (2, 16, 5, 3),
        (2, 2, 3, 4),
        {"window_strides": (1, 1), "padding": [(3, -2), (1, 0)]},
        3,
    ),
    "dilated": ((2, 16, 5, 3), (3, 2, 3, 4), SAME | {"rhs_dilation": (2, 1)}, 6),
    "groups": ((2, 16, 5, 4), (3, 2, 2, 6), SAME | {"feature_group_count": 2}, 6),
    "patchify": (
        (2, 16, 6, 3),
        (4, 2, 3, 4),
        {"window_strides": (4, 2), "padding": "VALID"},
        0,
    ),
}


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "settings", "permutes"), CASES.values(), ids=CASES
)
def test_cut_rows_cost_an_exchange_with_the_neighbours(
    x_shape, w_shape, settings, permutes
):
    found, spec = run(compat.conv_general_dilated, x_shape, w_shape, settings, ROWS)
    assert found == dict.fromkeys(COLLECTIVES, 0) | {
        "collective-permute": permutes,
        "all-reduce": 1,
    }
    assert spec[1] == "d"


@pytest.mark.parametrize("name", ["3 taps", "strided"])
def test_that_is_what_lax_costs(name):
    x_shape, w_shape, settings, permutes = CASES[name]
    found, _ = run(lax.conv_general_dilated, x_shape, w_shape, settings, ROWS)
    assert found["collective-permute"] == permutes
    assert found["all-gather"] == 0


def test_both_axes_may_be_cut():
    spec = PartitionSpec(None, "d", "e")
    found, out = run(
        compat.conv_general_dilated, (2, 8, 8, 3), (3, 3, 3, 4), SAME, spec, (4, 2)
    )
    assert found["all-gather"] == 0
    assert out[1:3] == ("d", "e")


def test_batch_and_rows_may_be_cut():
    spec = PartitionSpec("d", "e")
    found, _ = run(
        compat.conv_general_dilated, (4, 8, 5, 3), (3, 2, 3, 4), SAME, spec, (4, 2)
    )
    assert found["all-gather"] == 0


@pytest.mark.parametrize("names", [("d", "e"), ("e", "d")])
def test_rows_cut_over_two_mesh_axes(names):
    spec = PartitionSpec(None, names)
    found, _ = run(
        compat.conv_general_dilated, (2, 16, 5, 3), (3, 2, 3, 4), SAME, spec, (4, 2)
    )
    assert found["all-gather"] == 0


def test_a_filter_that_reaches_beyond_the_neighbour_is_right():
    found, _ = run(compat.conv_general_dilated, (2, 8, 5, 3), (9, 2, 3, 4), SAME, ROWS)
    assert found["all-gather"] > 0
