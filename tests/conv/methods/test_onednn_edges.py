"""The method `onednn` is exact at the edges of its verified region, refused outside."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.check.fuzz_cases import check, random_line
from jaxconv.check.problems import parse_problem
from jaxconv.conv.methods import onednn, onednn_region
from tests.conv.methods.needs import needs


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
