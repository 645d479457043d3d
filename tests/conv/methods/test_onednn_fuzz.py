"""The fuzzer of `onednn`: its oracle is right, it reports failures, and finds none."""

import json
import sys

import numpy as np
import pytest

from jaxconv.check import fuzz_children
from jaxconv.check.fuzz import first_call, fuzz, line_for_table, random_batches
from jaxconv.check.fuzz_cases import random_line, whole_numbers
from jaxconv.check.fuzz_children import BAD, implementation
from jaxconv.check.problems import parse_problem
from tests.conv.methods.needs import needs
from tests.reference import three_maps


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
