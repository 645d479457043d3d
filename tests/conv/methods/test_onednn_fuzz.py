"""The method `onednn` in its verified region, at its edges, and outside of it."""

import functools
import json
import math
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from jaxconv.check import fuzz_children
from jaxconv.check.fuzz import first_call, fuzz, line_for_table, random_batches
from jaxconv.check.fuzz_cases import by_numpy, check, random_line, whole_numbers
from jaxconv.check.fuzz_children import BAD, implementation
from jaxconv.check.problems import parse_problem
from jaxconv.conv import primitives
from jaxconv.conv.methods import onednn, onednn_region
from tests.reference import three_maps

GEOMETRY = parse_problem("g2mb3ic4oc6ih7iw5kh3kw2sh2ph1qh2")
MAPS = "output", "input_grad", "param_grad"


def needs(dtype: str) -> pytest.MarkDecorator:
    why = onednn_region.unavailable(dtype)
    return pytest.mark.skipif(why is not None, reason=f"onednn: {why}")


@pytest.fixture
def pretended(monkeypatch):
    """Let the jaxlib and processor here be ones that it was verified on."""
    here = "0", "Linux", "x86_64"
    monkeypatch.setattr(onednn_region.jaxlib, "__version__", here[0])
    monkeypatch.setattr(onednn_region.platform, "system", lambda: here[1])
    monkeypatch.setattr(onednn_region.platform, "machine", lambda: here[2])
    monkeypatch.delenv("JAXCONV_ONEDNN", raising=False)
    monkeypatch.setitem(onednn_region.VERIFIED, here, {"float32": "avx2"})
    monkeypatch.setattr(onednn_region, "features", lambda: frozenset({"avx2"}))
    assert onednn_region.unavailable("float32") is None
    return here


def test_the_environment_turns_it_off(pretended, monkeypatch):
    monkeypatch.setenv("JAXCONV_ONEDNN", "0")
    assert "JAXCONV_ONEDNN is 0" in (onednn_region.unavailable("float32") or "")


def test_an_unknown_jaxlib_is_refused(pretended, monkeypatch):
    monkeypatch.delitem(onednn_region.VERIFIED, pretended)
    assert "not among those" in (onednn_region.unavailable("float32") or "")


def test_a_lesser_processor_is_refused(pretended, monkeypatch):
    monkeypatch.setattr(onednn_region, "features", frozenset)
    assert "a processor with avx2" in (onednn_region.unavailable("float32") or "")


def test_other_types_are_refused(pretended):
    assert "not in float16" in (onednn_region.unavailable("float16") or "")


def test_the_oracle_is_the_definition():
    rng = np.random.default_rng(3)
    for _ in range(4):
        geometry = parse_problem(random_line(rng, "float32").split("/")[-1])
        if geometry.flops > 20_000:
            continue
        operands, results = whole_numbers(geometry, 0)
        for ours, theirs in zip(results, three_maps(*operands, geometry), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_which_implementation_ran_is_read():
    line = "onednn_verbose,v1,primitive,exec,cpu,{},forward_inference,src:f32"
    assert implementation(line.format("convolution,x64:gemm:jit")) == "x64:gemm:jit"
    assert implementation(line.format("reorder,jit:uni")) is None
    assert implementation("Some other line") is None


@pytest.mark.parametrize(
    "name", ["x64:gemm:jit", "gemm:ref", "ref:any", "gemm_bf16", "matmul ref:any"]
)
def test_the_general_implementations_are_bad(name):
    assert BAD.search(name)


def test_the_fast_implementations_are_good():
    names = [
        "brg_conv_fwd:avx512_core",
        "brg_conv_fwd:avx2",
        "matmul gemm:jit:f32",
        "jit_dw:avx512_core",
        "jit:avx2",
    ]
    assert not any(map(BAD.search, names))


def test_a_line_for_the_table_is_of_the_table():
    here = "0.9", "Linux", "x86_64"
    row = eval("{" + line_for_table(here, ["float32", "bfloat16"]) + "}")
    assert row == {here: {"float32": "avx2", "bfloat16": "avx512_bf16"}}


def _child(monkeypatch, program: str):
    """Let children be a program that stands in for the one that computes."""
    start = fuzz_children.Children.__init__

    def init(self, *arguments, **settings):
        start(self, *arguments, **settings)
        self._command = [sys.executable, "-c", program]

    monkeypatch.setattr(fuzz_children.Children, "__init__", init)


ANSWERS = """
import os, select, sys, time
for index, line in enumerate(list(iter(sys.stdin.readline, "\\n"))):
    print("case", index, flush=True)
    if "ic12" in line and select.select([sys.stdin], [], [], 0.05)[0]: sys.exit("ended")
    if "ic13" in line: os.abort()
    if "ic14" in line: time.sleep(9)
    name = "x64:gemm:jit" if "ic15" in line else "jit:avx2"
    print("onednn_verbose,v1,primitive,exec,cpu,convolution," + name)
    print("wrong output" if "ic16" in line else "same 5", flush=True)
"""


def test_crashes_hangs_and_bad_ways_are_reported_and_the_rest_goes_on(monkeypatch):
    _child(monkeypatch, ANSWERS)
    batch = [f"onednn/float32/0/mb1ic{ic}oc1iw1kw1" for ic in range(12, 18)]
    summary = fuzz([batch], jobs=1, time_limit=0.6)
    found = {f.case.split("/")[-1][3:7]: f.problem for f in summary.failures}
    assert summary.cases == 6
    assert not summary.ok
    kinds = json.loads(json.dumps(summary.as_json()))["kinds"]
    assert kinds[0]["ran"] == {"jit:avx2": 3, "x64:gemm:jit": 1}
    assert found == {
        "ic13": "ends the process: SIGABRT",
        "ic14": "hangs: no answer in 0.6 s",
        "ic15": "ran x64:gemm:jit, which may hang",
        "ic16": "output",
    }


# What oneDNN alone hung on, crashed on or misread, and what it must do now.
EDGES = {
    "depthwise, padding beyond half, strided": "g8mb1ic8oc8iw34kw14sw3pw13qw7",
    "depthwise, padding beyond half": "g7mb4ic7oc7iw23kw13pw12",
    "depthwise along one axis": "g4mb2ic4oc4iw50kw13pw6",
    "dilated depthwise": "g3mb1ic3oc3ih19iw5kh4kw3sh4sw4dh2dw1ph1pw4qh0",
    "dilated groups": "g4mb1ic16oc16ih3iw7kh2kw3sh4sw3dw2ph1pw6",
    "grouped, long padding": "g5mb1ic20oc20iw45kw45sw4qw20",
    "one channel, one step": "mb2ic1oc11ih5iw7kh2kw5sw3",
    "a group's channel, one step": "g2mb2ic2oc6ih5iw7kh2kw5sw3",
    "padding beyond the filter": "mb2ic3oc4ih5iw6kh3kw2ph4pw3",
    "input dilated": "mb2ic3oc4ih4iw5kh3kw2zh1zw2ph2qh1pw0qw3",
    "cropped": "mb2ic4oc3ih8iw9kh2kw3dh-2qh1pw3qw-4".replace("dh", "ph"),
}


@needs("float32")
@pytest.mark.parametrize("line", EDGES.values(), ids=EDGES.keys())
@pytest.mark.parametrize(
    "layout", ["", pytest.param("cl1", marks=pytest.mark.exhaustive)]
)
def test_edges_of_the_region_are_exact(line, layout, monkeypatch):
    if (why := onednn.unsuitable(parse_problem(line), "float32")) is not None:
        pytest.skip(why)
    seen = []
    call = onednn.convolution
    monkeypatch.setattr(
        onednn,
        "convolution",
        lambda x, w, own, *more: seen.append(own) or call(x, w, own, *more),
    )
    _, problems = check(f"onednn/float32/1/{line}{layout}")
    assert problems == []
    assert seen
    assert all(map(onednn_region.in_region, seen))


@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.exhaustive)])
def test_configurations_outside_never_reach_the_call(count, monkeypatch):
    nothing = jnp.zeros(())

    def never(*_, **__):
        raise AssertionError("the call was made")

    monkeypatch.setattr(jax.ffi, "ffi_call", never)
    rng, outside = np.random.default_rng(0), 0
    while outside < count:
        geometry = parse_problem(random_line(rng, "float32").split("/")[-1])
        if onednn_region.in_region(geometry):
            continue
        outside += 1
        with pytest.raises(ValueError, match="outside of the verified region"):
            onednn.convolution(nothing, nothing, geometry)


@pytest.mark.parametrize(
    "line",
    [
        "g4mb2ic4oc4iw60kw15",
        "g4mb2ic4oc4ih4iw60kh2kw15",
        "g4mb1ic4oc4id1ih1iw40kd1kh1kw3",
    ],
)
def test_filters_that_it_may_never_return_from_are_refused(line):
    why = onednn.unsuitable(parse_problem(line), "float32")
    assert "thin depthwise" in (why or "")


@pytest.mark.parametrize(
    "line",
    [
        "g4mb2ic4oc4iw50kw3",
        "g4mb2ic4oc4id5ih6iw7kd2kh2kw2dd1",
        "g4mb1ic4oc4id5ih6iw7kd2kh2kw2sd2",  # in its filter gradient
        "g4mb1ic8oc4ih6iw7kh2kw2sh2",  # there, too: the channels are a third axis
    ],
)
def test_depthwise_filters_need_avx512_along_some_axes(line, monkeypatch):
    geometry = parse_problem(line)
    monkeypatch.setattr(onednn_region, "features", lambda: {"avx2", "avx512bw"})
    assert onednn.unsuitable(geometry, "float32") is None
    monkeypatch.setattr(onednn_region, "features", lambda: {"avx2"})
    assert "AVX-512" in (onednn.unsuitable(geometry, "float32") or "")


def test_long_depthwise_filters_are_refused_in_bfloat16():
    geometry = parse_problem("g16mb2ic16oc16ih56kh15ph7")
    assert onednn.unsuitable(geometry, "float32") is None
    assert "in bfloat16" in (onednn.unsuitable(geometry, "bfloat16") or "")


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


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "dtype",
    [pytest.param(d, marks=needs(d)) for d in ("float32", "bfloat16")],
)
def test_300_random_convolutions_are_exact(dtype):
    summary = fuzz(random_batches(dtype, 300))
    assert summary.cases == 300
    assert [(f.case, f.problem) for f in summary.failures] == []


@needs("float32")
@pytest.mark.exhaustive
def test_an_unverified_jaxlib_can_be_asked():
    assert first_call("float32") is None
