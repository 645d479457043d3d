"""Convolutions of a batch whose size is not known, as in an exported program.

Annotations say that sizes are ints: the hook that checks them is off.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jaxconv import conv
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import ALGORITHMS
from jaxconv.conv.pooling.api import avg_pool, max_pool
from tests.methods import auto
from tests.tiers import fast

pytestmark = pytest.mark.usefixtures("our_errors")


def exported(function, *shape):
    """Return `function` as it runs once exported for any number of images."""
    (n,) = export.symbolic_shape("n")
    image = jax.ShapeDtypeStruct((n, *shape), jnp.float32)
    return export.export(jax.jit(function))(image).call


def whole(rng, *shape):
    """Return whole numbers, whose sums are exact."""
    return jnp.asarray(rng.integers(-4, 5, shape), jnp.float32)


ANY = ["auto", "portable", *(name for name in ALGORITHMS if name != "onednn")]


@pytest.mark.parametrize("method", fast(ANY, "auto", "im2col"))
def test_every_method_serves_any_number_of_images(method, rng):
    w = whole(rng, 2, 6, 3, 3)
    run = exported(lambda x: conv(x, w, groups=2, method=method), 4, 7, 6)
    for images in (1, 5):
        x = whole(rng, images, 4, 7, 6)
        np.testing.assert_allclose(run(x), conv(x, w, groups=2), rtol=0, atol=1e-3)


def test_planes_serve_any_number_of_images(rng):
    x, w = whole(rng, 2, 4, 6, 5, 7), whole(rng, 4, 4, 2, 3, 3)
    run = exported(lambda x: conv(x, w), *x.shape[1:])
    (n,) = export.symbolic_shape("n")
    assert (
        "planes" in auto("output", Geometry.of((n, *x.shape[1:]), w.shape)).arrangements
    )
    np.testing.assert_array_equal(run(x), conv(x, w))


LAYERS = {
    "dense": (4, 1, 6, "auto"),
    "depthwise": (4, 4, 4, "auto"),
    "depthwise by taps": (4, 4, 4, "taps"),
    "groups": (4, 2, 6, "auto"),
}


@pytest.mark.parametrize("layer", fast(LAYERS, "dense"))
def test_both_gradients_serve_any_number_of_images(layer, rng):
    ci, groups, co, method = LAYERS[layer]
    w = whole(rng, ci // groups, co, 3, 2)

    def grads(x):
        def loss(x, w):
            y = conv(x, w, groups=groups, strides=2, method=method)
            return jnp.sum(y**2)

        return jax.grad(loss, (0, 1))(x, w)

    x = whole(rng, 3, ci, 7, 6)
    for found, expected in zip(exported(grads, ci, 7, 6)(x), grads(x), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling_serves_any_number_of_images(kind, rng):
    pool = {"max": max_pool, "average": avg_pool}[kind]
    x = whole(rng, 5, 3, 7, 6)

    def run(x):
        return pool(x, (3, 2), strides=2, padding=1)

    np.testing.assert_array_equal(exported(run, 3, 7, 6)(x), run(x))


def test_auto_takes_what_is_fast_for_a_few_channels_and_else_xla():
    (n,) = export.symbolic_shape("n")
    depthwise = Geometry.of((n, 8, 9, 9), (1, 8, 3, 3), groups=8)
    dense = Geometry.of((n, 8, 9, 9), (8, 8, 3, 3))
    few = Geometry.of((n, 1, 9, 9), (1, 6, 5, 5))
    assert auto("output", few, "float32").method == "im2col"
    for map_name in ("output", "input_grad"):
        assert auto(map_name, depthwise, "float32").method == "taps"
        assert auto(map_name, dense, "float32").method == "xla"
    assert auto("param_grad", depthwise, "float32").method == "xla"


@pytest.mark.parametrize(
    ("platforms", "loops"), [(("cpu",), True), (("cpu", "cuda"), False)]
)
def test_no_loop_over_images_is_exported_for_accelerators(platforms, loops):
    (n,) = export.symbolic_shape("n")
    image, w = jax.ShapeDtypeStruct((n, 1, 9, 9), jnp.float32), jnp.ones((1, 6, 5, 5))
    program = export.export(jax.jit(lambda x: conv(x, w)), platforms=platforms)(image)
    assert ("while" in program.mlir_module()) == loops
