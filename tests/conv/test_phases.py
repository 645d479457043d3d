"""Phases of a dilated input: few blocks, however many phases, and all of the sums."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.check.problems import random_geometry
from jaxconv.conv.auto import phases
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods import xla
from tests.methods import WITH_ONEDNN, WITHOUT_ONEDNN, auto
from tests.reference import integers
from tests.tiers import fast

# x and w shapes, settings, and the number of blocks.
CASES = {
    "as many taps in each": ((2, 3, 5), (3, 4, 6), {"input_dilation": 3}, 2),
    "alike": ((2, 3, 5), (3, 4, 6), {"input_dilation": 3, "padding": ((2, 2),)}, 1),
    "a tap more in some": ((2, 3, 5), (3, 4, 7), {"input_dilation": 3}, 2),
    "fewer taps than phases": ((2, 3, 5), (3, 4, 2), {"input_dilation": 5}, 2),
    "fewer outputs than phases": (
        (2, 3, 1),
        (3, 4, 4),
        {"input_dilation": 9, "padding": ((2, 3),)},
        1,
    ),
    "cropped": ((2, 3, 7), (3, 4, 5), {"input_dilation": 4, "padding": ((-3, -6),)}, 3),
    "grouped, two axes": (
        (2, 6, 4, 5),
        (3, 4, 3, 5),
        {"input_dilation": (2, 3), "groups": 2, "padding": ((1, 2), (0, 4))},
        6,
    ),
}


def random_dilated(seed: int) -> Geometry:
    """Draw a dilated input under filters whose taps lie together."""
    rng = np.random.default_rng(seed)
    while True:
        drawn = random_geometry(rng)
        steps = tuple(int(r) for r in rng.integers(1, 5, len(drawn.space)))
        ones = (1,) * len(steps)
        found = dataclasses.replace(
            drawn, input_dilation=steps, strides=ones, kernel_dilation=ones
        )
        if phases.has_phases(found) and not found.is_empty:
            return found


def check_phases(geometry: Geometry) -> None:
    """Hold both maps by phases to the same with the zeros: lax's, in one piece."""
    rng = np.random.default_rng(0)
    x, w, g = (
        jnp.asarray(integers(rng, shape))
        for shape in (geometry.x_shape, geometry.w_shape, geometry.out_shape)
    )
    split = phases.output(xla._output, x, w, geometry)
    assert (split == xla._output(x, w, geometry)).all()
    split = phases.param_grad(xla._param_grad, x, g, geometry)
    assert (split == xla._param_grad(x, g, geometry)).all()


@pytest.mark.parametrize("name", CASES)
def test_blocks_make_the_whole(name):
    x, w, facts, count = CASES[name]
    geometry = Geometry.of(x, w, **facts)
    assert len(phases.blocks(geometry)) == count
    check_phases(geometry)


@pytest.mark.parametrize("seed", fast(range(8), 0))
def test_random_blocks_make_the_whole(seed):
    check_phases(random_dilated(seed))


def test_an_infinite_pixel_stays_in_its_windows():
    geometry = Geometry.of((1, 1, 6), (1, 1, 5), input_dilation=3, padding=((1, 4),))
    x = jnp.ones(geometry.x_shape).at[0, 0, 2].set(jnp.inf)
    w = jnp.ones(geometry.w_shape)
    with_zeros = xla._output(x, w, geometry)
    by_phases = phases.output(xla._output, x, w, geometry)
    assert jnp.isinf(by_phases).sum() == 5
    assert (by_phases == with_zeros).all()


@pytest.mark.parametrize(
    "geometry",
    [
        Geometry.of((1, 8, 64), (8, 8, 256), input_dilation=256),
        Geometry.of((1, 8, 16, 16), (8, 8, 17, 17), input_dilation=16),
        Geometry.of((1, 1, 4), (1, 1, 3), input_dilation=2**19, padding=2**19),
    ],
    ids=["a stride of 256", "uneven, two axes", "a stride of 2**19"],
)
def test_the_program_does_not_grow_with_the_stride(geometry):
    """What is traced is what takes time to compile."""
    x, w, g = (
        jax.ShapeDtypeStruct(shape, "float32")
        for shape in (geometry.x_shape, geometry.w_shape, geometry.out_shape)
    )
    for run, a, b in (
        (lambda x, w: phases.output(xla._output, x, w, geometry), x, w),
        (lambda x, g: phases.param_grad(xla._param_grad, x, g, geometry), x, g),
    ):
        assert len(jax.make_jaxpr(run)(a, b).eqns) < 200


def test_auto_convolves_no_more_zeros_than_pixels():
    """One channel and many taps, far apart: through the zeros it took ten times lax."""
    geometry = Geometry.of((16, 1, 16384), (1, 1, 1024), strides=256, padding="VALID")
    for target in (WITHOUT_ONEDNN, WITH_ONEDNN):
        found = auto("input_grad", geometry, target=target)
        assert found.arrangements[0] == "phases"
