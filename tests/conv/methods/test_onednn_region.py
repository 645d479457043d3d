"""The verified region: what the fuzzer saw fail is outside, common layers inside."""

import pytest

from jaxconv.check.problems import parse_problem
from jaxconv.conv.methods import onednn_region

INSIDE = {
    "dense": "mb32ic64ih32oc64kh3ph1",
    "strided": "mb32ic64ih32oc128kh3sh2ph1",
    "grouped": "g8mb32ic128ih16oc128kh3ph1",
    "depthwise 31x31": "g32mb4ic32ih32oc32kh31ph15",
    "a pixel more is unread": "mb2ic2oc5iw9kw2sw4dw2pw3qw0",
    "a pixel less is unread": "mb2ic2oc5iw7kw2sw4dw2pw3qw0",
}
OUTSIDE = {
    "a stride that makes no step": "mb2ic1oc11ih5iw6kh2kw5sw3",
    "padding as long as what is unread": "mb2ic2oc5iw8kw2sw4dw2pw3qw0",
    "dilated groups with padding": "g5mb6ic40oc80iw18kw9dw1pw2",
    "groups with wide padding": "g5mb5ic80oc80iw45kw45sw4qw20",
    "depthwise along one axis with padding": "g7mb5ic7oc7iw9kw2pw1",
    "a thin depthwise filter of many taps": "g32mb2ic32oc32ih4iw30kh2kw15",
    "groups with padding, three axes": "g5mb16ic20oc20id1ih3iw7kd1kh3kw7sw3pw3qw1",
    "padding beyond the filter": "mb2ic3oc4ih6kh3ph3",
    "a filter larger than the image": "mb2ic3oc4ih2kh3ph1",
    "negative padding": "mb2ic3oc4ih6kh3ph-1",
    "a dilated input": "mb2ic3oc4ih6kh3zh1",
}


@pytest.mark.parametrize("line", INSIDE.values(), ids=INSIDE)
def test_common_layers_lie_inside(line):
    assert onednn_region.in_region(parse_problem(line))


@pytest.mark.parametrize("line", OUTSIDE.values(), ids=OUTSIDE)
def test_what_failed_lies_outside(line):
    assert not onednn_region.in_region(parse_problem(line))


@pytest.mark.parametrize(
    "line", ["g4mb2ic4oc4iw9kw2", "g4mb2ic4oc4id5ih6iw7kd2kh2kw2dh1"]
)
def test_some_depthwise_filters_lie_outside_without_avx512(line, monkeypatch):
    geometry = parse_problem(line)
    monkeypatch.setattr(onednn_region, "features", lambda: {"avx2", "avx512bw"})
    assert onednn_region.in_region(geometry)
    monkeypatch.setattr(onednn_region, "features", lambda: {"avx2"})
    assert not onednn_region.in_region(geometry)


def test_bfloat16_is_refused_where_it_was_wrong(monkeypatch):
    here = "0", "Linux", "x86_64"
    needs = {"float32": "avx2", "bfloat16": "avx512_bf16"}
    monkeypatch.setattr(onednn_region.jaxlib, "__version__", here[0])
    monkeypatch.setattr(onednn_region.platform, "system", lambda: here[1])
    monkeypatch.setattr(onednn_region.platform, "machine", lambda: here[2])
    monkeypatch.setitem(onednn_region.VERIFIED, here, needs)
    monkeypatch.delenv("JAXCONV_ONEDNN", raising=False)
    found = {"avx2", "avx512_bf16"}
    monkeypatch.setattr(onednn_region, "features", lambda: found)
    assert onednn_region.unavailable("bfloat16") is None
    found.add("amx_bf16")
    assert "amx_bf16" in (onednn_region.unavailable("bfloat16") or "")
    assert onednn_region.unavailable("float32") is None
