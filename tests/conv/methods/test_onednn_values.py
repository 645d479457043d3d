"""The method `onednn` under JAX's transforms, with infinities, and within its bound."""

import functools
import math
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from jaxconv.check.fuzz_cases import by_numpy, whole_numbers
from jaxconv.check.problems import parse_problem
from jaxconv.conv import primitives
from jaxconv.conv.methods import onednn
from tests.conv.methods.needs import needs

GEOMETRY = parse_problem("g2mb3ic4oc6ih7iw5kh3kw2sh2ph1qh2")
MAPS = "output", "input_grad", "param_grad"


@needs("float32")
def test_it_runs_inside_scan_vmap_and_threads():
    (x, w, _), (y, _, _) = whole_numbers(GEOMETRY, 0)
    x, w = (jnp.asarray(a, "float32") for a in (x, w))
    run = functools.partial(onednn._output, w=w, geometry=GEOMETRY)

    @jax.jit
    def scanned(x):
        return jax.lax.scan(lambda carry, scale: (carry, run(x * scale)), 0, scales)[1]

    scales = jnp.arange(4.0)
    expected = np.arange(4.0)[:, None, None, None, None] * y
    found: list = [None] * 4

    def compute(index):
        found[index] = np.asarray(scanned(x))

    threads = [threading.Thread(target=compute, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found:
        np.testing.assert_array_equal(one, expected)


@needs("float32")
@pytest.mark.exhaustive
def test_it_runs_on_several_devices():
    auto = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((3,), ("n",), auto, devices=jax.devices()[:3])
    (x, w, _), (y, _, _) = whole_numbers(GEOMETRY, 0)
    share = parse_problem("g2mb1ic4oc6ih7iw5kh3kw2sh2ph1qh2")
    spec = PartitionSpec("n")
    run = jax.shard_map(
        lambda x, w: onednn._output(x, w, share),
        mesh=mesh,
        in_specs=(spec, PartitionSpec()),
        out_specs=spec,
    )
    found = jax.jit(run)(jnp.asarray(x, "float32"), jnp.asarray(w, "float32"))
    np.testing.assert_array_equal(found, y)


@needs("float32")
def test_it_is_folded_under_vmap_and_differentiated_twice():
    run = functools.partial(primitives.output, geometry=GEOMETRY, method="onednn")
    other = functools.partial(primitives.output, geometry=GEOMETRY, method="im2col")
    (x, w, _), _ = whole_numbers(GEOMETRY, 0)
    x, w = jnp.asarray(np.stack([x, -2 * x]), "float32"), jnp.asarray(w, "float32")

    def twice(run):
        def loss(x, w):
            return (jax.vmap(run, (0, None))(x, w) ** 2).sum()

        def slope(x, w):
            return sum(part.sum() for part in jax.grad(loss, (0, 1))(x, w))

        return jax.jit(jax.grad(slope, (0, 1)))

    for ours, theirs in zip(twice(run)(x, w), twice(other)(x, w), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@needs("float32")
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_infinities_stay_in_their_windows(value):
    geometry = parse_problem("mb2ic3oc4ih6iw5kh3kw2ph1pw0qw1")
    (x, w, _), _ = whole_numbers(geometry, 0)
    w = np.where(w == 0, 1, w)
    x[1, 2, 3, 4] = value
    touched = np.zeros_like(x)
    touched[1, 2, 3, 4] = 1
    right = by_numpy(
        touched, np.ones_like(w), 0 * whole_numbers(geometry, 0)[1][0], geometry
    )[0]
    y = jax.jit(lambda x, w: onednn._output(x, w, geometry))(
        x.astype("float32"), w.astype("float32")
    )
    np.testing.assert_array_equal(~np.isfinite(y), right > 0)


@needs("bfloat16")
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("output", "mb2ic1oc2ih4iw5kh1kw3pw1"),
        ("output", "g3mb2ic3oc6ih4iw5kh2kw2"),  # one channel a group, two filters
        ("output", "g2mb2ic6oc6ih4iw5kh1kw1"),
        ("input_grad", "mb2ic2oc3ih4iw5kh2kw2"),
        ("param_grad", "mb3ic2oc2ih4iw5kh2kw2"),
        ("param_grad", "mb1ic2oc2id3ih4iw5kd2kh2kw2"),
    ],
)
def test_infinities_stay_there_in_pairs_of_bfloat16(name, line):
    geometry = parse_problem(line)
    map_ = getattr(onednn, f"_{name}")
    a, b = {
        "output": (geometry.x_shape, geometry.w_shape),
        "input_grad": (geometry.out_shape, geometry.w_shape),
        "param_grad": (geometry.x_shape, geometry.out_shape),
    }[name]
    run = jax.jit(lambda a, b: map_(a, b, geometry))
    ones = jnp.ones(b, "bfloat16")
    for at in range(math.prod(a)):
        one = np.zeros(math.prod(a), "bfloat16")
        one[at] = 1
        reached = run(jnp.asarray(one.reshape(a)), ones) > 0
        one[at] = np.inf
        hit = ~jnp.isfinite(run(jnp.asarray(one.reshape(a)), ones))
        np.testing.assert_array_equal(hit, reached, f"inf at {at} of {a}")


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "dtype",
    [pytest.param(d, marks=needs(d)) for d in ("float32", "bfloat16")],
)
def test_its_bound_holds_where_sums_are_long(dtype):
    geometry = parse_problem("mb2ic2048oc8ih4iw5kh3kw3ph1pw1")
    rng = np.random.default_rng(0)
    shapes = geometry.x_shape, geometry.w_shape, geometry.out_shape
    operands = [jnp.asarray(rng.normal(size=shape), dtype) for shape in shapes]
    x, w, g = (np.asarray(a, np.float64) for a in operands)
    right = by_numpy(x, w, g, geometry)
    sizes = by_numpy(abs(x), abs(w), abs(g), geometry)
    pairs = {"output": (0, 1), "input_grad": (2, 1), "param_grad": (0, 2)}
    for name, expected, size in zip(MAPS, right, sizes, strict=True):
        a, b = (operands[i] for i in pairs[name])
        found = getattr(onednn, f"_{name}")(a, b, geometry)
        error = abs(np.asarray(found, np.float64) - expected)
        bound = onednn._rounding(name, geometry, dtype).relative * size
        assert (error <= bound).all(), f"{name}: {(error / bound).max()}"
        if dtype == "bfloat16":  # the sum is rounded once
            once = 2.0**-8 * abs(expected) + 1e-5 * size
            assert (error <= once).all(), name
