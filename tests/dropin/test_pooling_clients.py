"""Flax, Equinox, Haiku and Keras pool on jaxconv inside `patch`: the same bits.

Images are whole numbers with many ties, so that sums in any order are exact, and the
first of equal maxima must take the gradient.
"""

import os
import tempfile
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv

pytestmark = pytest.mark.extras

X = jax.random.randint(jax.random.key(0), (2, 8, 9, 4), -2, 3).astype("float32")
MAX, SUM = "reduce_window_max", "reduce_window_sum"

Pools = tuple[Callable[[jax.Array], jax.Array], list[str]]
"""What pools, and the calls that are served."""


def linen() -> Pools:
    nn = pytest.importorskip("flax.linen", reason="needs the [clients] extra")

    def run(x: jax.Array) -> jax.Array:
        x = nn.max_pool(x, (3, 3), (2, 2), "SAME")
        x = nn.avg_pool(x, (2, 2), (1, 1), ((1, 0), (0, 1)), count_include_pad=False)
        return nn.avg_pool(x, (2, 2), (2, 2))

    return run, [MAX, SUM, SUM, SUM]


def equinox() -> Pools:
    eqx = pytest.importorskip("equinox", reason="needs the [clients] extra")
    layers = [
        eqx.nn.MaxPool2d(3, 2, padding=1, use_ceil=True),
        eqx.nn.AvgPool2d(2, 2),
    ]
    pool = eqx.nn.Sequential([eqx.nn.Lambda(layer) for layer in layers])
    return lambda x: jax.vmap(pool)(jnp.moveaxis(x, -1, 1)), [MAX, SUM]


def haiku() -> Pools:
    hk = pytest.importorskip("haiku", reason="needs the [clients] extra")

    def run(x: jax.Array) -> jax.Array:
        x = hk.max_pool(x, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
        return hk.avg_pool(x, (2, 2, 1), (1, 2, 1), "SAME")

    return run, [MAX, SUM, SUM]


def keras() -> Pools:
    # In an empty home no keras.json sets another layout, and none is left behind.
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as home:
        patch.setitem(os.environ, "KERAS_BACKEND", "jax")
        patch.setitem(os.environ, "KERAS_HOME", home)
        keras = pytest.importorskip("keras", reason="needs the [clients] extra")

    def run(x: jax.Array) -> jax.Array:
        x = keras.ops.max_pool(x, 3, 2, "same", data_format="channels_last")
        x = keras.ops.average_pool(x, 3, 1, "same", data_format="channels_last")
        x = jnp.moveaxis(x, -1, 1)
        return keras.ops.max_pool(x, 2, 2, data_format="channels_first")

    return run, [MAX, SUM, SUM, MAX]


@pytest.mark.parametrize("client", [linen, equinox, haiku, keras])
def test_a_client_s_pooling_is_served_with_the_same_bits(client):
    run, calls = client()

    def both(x):
        y, pull = jax.vjp(run, x)
        return y, pull(jnp.ones_like(y) * 72)[0]  # 72 / 4, / 6 and / 9 are whole

    with (
        jax.numpy_rank_promotion("allow"),
        jax.numpy_dtype_promotion("standard"),
    ):
        expected = jax.jit(both)(X)
        with jaxconv.patch() as report:
            found = jax.jit(lambda x: both(x))(X)
    assert [call.function for call in report.served] == calls
    assert report.passed_on == []
    for ours, lax_s in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, lax_s)
