"""Pooling against loops over every window, and its derivatives of all kinds."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxconv.check import check_gradients
from jaxconv.conv.pooling.api import avg_pool, max_pool, windows_of

# window, strides, padding, ceil_mode, and the spatial axes
CASES = {
    "2 apart": (2, None, 0, False, (5, 7)),
    "3 by 2, padded": (3, 2, 1, False, (6, 7)),
    "3 by 2, ceil": (3, 2, 0, True, (6, 8)),
    "ceil, last in padding": (2, 3, 1, True, (5, 6)),
    "uneven": ((2, 3), (1, 2), ((0, 1), (2, 0)), False, (4, 5)),
    "gaps": ((1, 2), (2, 3), 0, False, (5, 7)),
    "steps of 1": (3, 1, 1, False, (4, 5)),
    "one axis": (3, 2, ((1, 2),), False, (8,)),
    "three axes": ((2, 1, 3), (1, 2, 2), ((1, 0), (0, 0), (1, 1)), True, (3, 4, 5)),
    "same": (3, 2, "SAME", False, (5, 6)),
    "all pixels": ((4, 3), None, 0, False, (4, 3)),
    "many taps": (9, 4, 3, False, (10, 11)),
    "many, all": ((9, 10), None, 0, False, (9, 10)),
    "many, one axis": (70, 3, 5, True, (75,)),
}


def by_loops(x, g, windows, include):
    """The maxima, means and both gradients, of channels-first arrays, by definition."""
    top = np.zeros(g.shape, x.dtype)
    mean, top_grad, mean_grad = top.copy(), np.zeros_like(x), np.zeros_like(x)
    rows = list(
        zip(windows.window, windows.strides, windows.padding, x.shape[2:], strict=True)
    )
    for n, c in np.ndindex(x.shape[:2]):
        for o in np.ndindex(g.shape[2:]):
            ranges, count = [], 1
            for at, (k, s, (low, high), size) in zip(o, rows, strict=True):
                start = at * s - low
                ranges.append(range(max(start, 0), min(start + k, size)))
                stop = min(start + k, size + high)
                count *= stop - start if include else len(ranges[-1])
            places = list(itertools.product(*ranges))
            seen = [x[n, c][p] for p in places]
            won = int(np.argmax(seen))
            top[n, c][o], mean[n, c][o] = seen[won], np.sum(seen) / x.dtype.type(count)
            top_grad[n, c][places[won]] += g[n, c][o]
            for p in places:
                mean_grad[n, c][p] += g[n, c][o] / x.dtype.type(count)
    return top, mean, top_grad, mean_grad


def last(a, channels_last):
    return np.moveaxis(a, 1, -1) if channels_last else a


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("channels_last", [False, True], ids=["first", "last"])
def test_values_and_gradients_are_those_of_loops(case, channels_last, rng):
    window, strides, padding, ceil, space = case
    include = not channels_last
    x = np.maximum(rng.integers(-4, 5, size=(2, 3, *space)), 0).astype("float32")
    x[0, 0] = -np.inf  # padding is never the winner
    settings = {"strides": strides, "padding": padding, "ceil_mode": ceil}
    windows = windows_of("pool", x.shape, window, first=2, **settings)
    g = rng.integers(-3, 4, size=(2, 3, *windows.out)).astype("float32")
    top, _, top_grad, _ = by_loops(x, g, windows, include)
    settings["channels_last"] = channels_last
    y, pull = jax.vjp(
        lambda x: max_pool(x, window, **settings), jnp.asarray(last(x, channels_last))
    )
    np.testing.assert_array_equal(y, last(top, channels_last))
    (found,) = pull(jnp.asarray(last(g, channels_last)))
    np.testing.assert_array_equal(found, last(top_grad, channels_last))
    x[0, 0] = 1
    _, mean, _, mean_grad = by_loops(x, g, windows, include)
    y, pull = jax.vjp(
        lambda x: avg_pool(x, window, count_include_pad=include, **settings),
        jnp.asarray(last(x, channels_last)),
    )
    np.testing.assert_allclose(y, last(mean, channels_last), rtol=1e-6)
    (found,) = pull(jnp.asarray(last(g, channels_last)))
    np.testing.assert_allclose(found, last(mean_grad, channels_last), 1e-5, 1e-6)


def test_means_of_powers_of_two_and_their_transpose_are_exact(rng):
    x = jnp.asarray(rng.integers(-8, 9, size=(2, 3, 6, 8)).astype("float32"))
    y, pull = jax.vjp(lambda x: avg_pool(x, (2, 4), strides=(1, 2)), x)
    g = jnp.asarray(rng.integers(-8, 9, size=y.shape).astype("float32"))
    assert jnp.vdot(g, y) == jnp.vdot(pull(g)[0], x)


@pytest.mark.parametrize("window", [3, 9], ids=["few taps", "many taps"])
def test_nan_is_the_winner_and_the_first_takes_the_gradient(window):
    x = np.zeros((1, 1, 9, 9), "float32")
    x[0, 0, 1, 2], x[0, 0, 2, 0], x[0, 0, 0, 0] = np.nan, np.nan, np.inf
    y, pull = jax.vjp(lambda x: max_pool(x, window, strides=9), jnp.asarray(x))
    assert np.isnan(y).all()
    expected = np.zeros_like(x)
    expected[0, 0, 1, 2] = 1
    np.testing.assert_array_equal(pull(jnp.ones_like(y))[0], expected)


@pytest.mark.exhaustive
@pytest.mark.parametrize("pool", [max_pool, avg_pool])
def test_derivatives_of_any_order_and_mode_are_right(pool, rng):
    x = rng.permutation(20).reshape(1, 1, 4, 5) / 7
    report = check_gradients(
        lambda x: jnp.sin(pool(x**2, 3, strides=2, padding=1)), (x,), order=2
    )
    assert report.ok, report


def of_batch(pool, x):
    return jnp.sum(pool(x, 3, strides=2, padding=1) ** 3)


@pytest.mark.parametrize("pool", [max_pool, avg_pool])
def test_transformations_agree_with_one_another(pool, rng):
    x = jnp.asarray(rng.integers(-4, 5, size=(3, 2, 2, 5, 6)).astype("float32"))
    grad = jax.grad(lambda x: of_batch(pool, x))
    each = jnp.stack([grad(one) for one in x])
    np.testing.assert_allclose(jax.vmap(grad)(x), each, rtol=1e-5, atol=1e-4)
    moved = jax.vmap(grad, in_axes=3, out_axes=3)(jnp.moveaxis(x, 0, 3))
    np.testing.assert_allclose(jnp.moveaxis(moved, 3, 0), each, rtol=1e-5, atol=1e-4)
    saved = jax.grad(jax.checkpoint(lambda x: of_batch(pool, x)))
    _, scanned = jax.lax.scan(lambda c, x: (c, saved(x)), 0, x)
    np.testing.assert_allclose(scanned, each, rtol=1e-5, atol=1e-4)


def test_jacobians_forward_and_reverse_are_equal(rng):
    x = jnp.asarray(rng.integers(-4, 5, size=(1, 1, 4, 5)).astype("float32"))
    for pool in (max_pool, avg_pool):
        run = functools.partial(pool, window=2, strides=1)
        np.testing.assert_array_equal(jax.jacfwd(run)(x), jax.jacrev(run)(x))


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
@pytest.mark.parametrize("pool", [max_pool, avg_pool])
def test_a_batch_over_devices_stays_there(pool, kind, rng):
    mesh = jax.make_mesh((4,), ("data",), axis_types=(kind,))
    spec = PartitionSpec("data")
    x = rng.integers(-4, 5, size=(8, 2, 5, 6)).astype("float32")
    grad = jax.grad(lambda x: of_batch(pool, x))
    expected = grad(jnp.asarray(x))
    with jax.set_mesh(mesh):
        placed = jax.device_put(x, NamedSharding(mesh, spec))
        shared = jax.jit(grad)
        text = shared.lower(placed).compile().as_text()
        found = shared(placed)
        mapped = jax.shard_map(grad, in_specs=spec, out_specs=spec)
        also = jax.jit(mapped)(placed)
    assert "all-" not in text
    assert found.sharding.spec[0] == "data"
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(also, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int32", "uint8", "bool"])
def test_other_types_are_pooled(dtype):
    x = jnp.asarray([[[1, 0, 3, 2, 0]]]).astype(dtype)
    y = max_pool(x, 3, strides=2, padding=1)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, jnp.asarray([[[1, 3, 2]]]).astype(dtype))
    mean = avg_pool(x, 3, strides=2)
    assert mean.dtype == (dtype if "float" in dtype else "float32")


def test_short_floats_are_added_up_in_float32():
    x = jnp.full((1, 1, 4096), 1.0, "bfloat16")
    assert avg_pool(x, 4096) == 1
    assert avg_pool(x, 64, strides=1).min() == 1


BAD = {
    "rank": ((4, 4), {"window": 2}, r"x must be \(batch, channels, \*space\), got"),
    "window": ((1, 1, 4, 4), {"window": 0}, "window must be an int of at least 1"),
    "windows": ((1, 1, 4, 4), {"window": (2, 2, 2)}, "each of the 2 spatial axes"),
    "strides": ((1, 1, 4, 4), {"window": 2, "strides": 0}, "strides must be an int"),
    "large": ((1, 1, 4, 4), {"window": 5}, r"got 5 for 4 pixels \(axis 2 of \(1, 1"),
    "in padding": ((1, 1, 4, 4), {"window": 2, "padding": 2}, "wholly in the padding"),
    "at the end": (
        (1, 1, 4, 4),
        {"window": 2, "padding": ((0, 2), (0, 0))},
        "wholly in the padding",
    ),
    "negative": ((1, 1, 4, 4), {"window": 2, "padding": -1}, "must not be negative"),
    "padding": ((1, 1, 4, 4), {"window": 2, "padding": "FULL"}, "padding must be"),
}  # fmt: skip


@pytest.mark.parametrize(("shape", "settings", "words"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("pool", [max_pool, avg_pool])
def test_misuse_is_told(pool, shape, settings, words, our_errors):
    with pytest.raises(ValueError, match=f"^{pool.__name__}: .*{words}"):
        pool(jnp.ones(shape), **settings)


def test_complex_numbers_have_no_largest(our_errors):
    with pytest.raises(ValueError, match="max_pool: x must be real"):
        max_pool(jnp.ones((1, 1, 4), "complex64"), 2)


@pytest.mark.extras
@pytest.mark.parametrize("seed", range(10))
def test_pytorch_agrees(seed):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    rng = np.random.default_rng(seed)
    k, s = (rng.integers(1, 5, size=2).tolist() for _ in range(2))
    p = [int(rng.integers(0, size // 2 + 1)) for size in k]
    ceil, include = (bool(b) for b in rng.integers(0, 2, size=2))
    x = rng.integers(-2, 3, size=(2, 3, 7, 9)).astype("float32")
    settings = {"strides": s, "padding": p, "ceil_mode": ceil}
    functional = torch.nn.functional
    pairs = [
        (
            lambda x: max_pool(x, k, **settings),
            lambda t: functional.max_pool2d(t, k, s, p, ceil_mode=ceil),
        ),
        (
            lambda x: avg_pool(x, k, count_include_pad=include, **settings),
            lambda t: functional.avg_pool2d(t, k, s, p, ceil, include),
        ),
    ]
    for ours, theirs in pairs:
        tensor = torch.from_numpy(x).requires_grad_()
        expected = theirs(tensor)
        g = rng.integers(-3, 4, size=expected.shape).astype("float32")
        expected.backward(torch.from_numpy(g))
        y, pull = jax.vjp(ours, jnp.asarray(x))
        np.testing.assert_allclose(y, expected.detach(), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(
            pull(jnp.asarray(g))[0], tensor.grad, rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("window", [2, 3])
def test_lax_agrees(window, rng):
    x = jnp.asarray(rng.permutation(2 * 8 * 9).reshape(2, 1, 8, 9).astype("float32"))

    def theirs(x):
        sizes = (1, 1, window, window)
        return jax.lax.reduce_window(
            x, -jnp.inf, jax.lax.max, sizes, (1, 1, 2, 2), "VALID"
        )

    y, pull = jax.vjp(lambda x: max_pool(x, window, strides=2), x)
    expected, pull_theirs = jax.vjp(theirs, x)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(pull(2 * y)[0], pull_theirs(2 * y)[0])


def test_the_tangent_of_tiles_is_that_of_the_winners(rng):
    """Ties among them: it is the adjoint of the cotangent, exactly."""
    x, t = jnp.array(rng.integers(0, 3, (2, 2, 3, 5, 6)), "float32")
    y, tangent = jax.jvp(lambda x: max_pool(x, 2), (x,), (t,))
    _, pull = jax.vjp(lambda x: max_pool(x, 2), x)
    g = jnp.array(rng.integers(1, 5, y.shape), "float32")
    assert jnp.vdot(g, tangent) == jnp.vdot(pull(g)[0], t)
    first = jnp.argmax(x[0, 0, :2, :2].ravel())
    assert tangent[0, 0, 0, 0] == t[0, 0, :2, :2].ravel()[first]
