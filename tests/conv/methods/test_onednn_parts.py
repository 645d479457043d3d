"""The filter gradients of `onednn` where a batch takes more than one call."""

import pytest

from jaxconv.check.fuzz_cases import check
from jaxconv.check.problems import parse_problem
from jaxconv.conv.methods import onednn
from tests.conv.methods.needs import needs
from tests.tiers import fast

LAYERS = {
    "dense": "ic3oc5ih6iw5kh3kw2ph1",
    "strided": "ic4oc2ih9iw8kh3kw3sh2sw3ph1",
    "groups": "g2ic4oc6ih5iw5kh2kw3",
    "depthwise": "g3ic3oc3ih6iw7kh3kw3ph1pw1",
    "three axes": "ic2oc3id3ih4iw5kd2kh2kw3",
}


@needs("float32")
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("n", fast([4, 5, 9, 11], 11))
def test_parts_of_a_batch_add_up(layer, n, monkeypatch):
    monkeypatch.setattr(onednn, "_MOST_IMAGES", 4)
    monkeypatch.setattr(onednn, "_MOST_NUMBERS_APART", 4 * 3 * 6 * 7)
    _, problems = check(f"onednn/float32/{n}/mb{n}{layer}")
    assert problems == []


@needs("float32")
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_rows_of_the_gradient_add_up(layer, monkeypatch):
    monkeypatch.setattr(onednn, "has_avx512", lambda: False)
    monkeypatch.setattr(onednn, "_MOST_NUMBERS_OF_G", 1)
    _, problems = check(f"onednn/float32/1/mb3{layer}")
    assert problems == []


def test_rows_are_cut_evenly_where_the_gradient_is_large(monkeypatch):
    geometry = parse_problem("mb16ic64ih32oc64kh3ph1")
    monkeypatch.setattr(onednn, "has_avx512", lambda: False)
    rows = onednn._rows_at_once(geometry)
    assert rows < 32
    assert 32 % rows == 0
    assert onednn._rows_at_once(parse_problem("mb16ic64ih8oc64kh3ph1")) == 8
    monkeypatch.setattr(onednn, "has_avx512", lambda: True)
    assert onednn._rows_at_once(geometry) == 32


@pytest.mark.parametrize(
    ("n", "calls"),
    [(1, (1, 0)), (16, (16, 0)), (17, (9, 8)), (32, (16, 0)), (37, (13, 11))],
)
def test_a_batch_is_cut_evenly(n, calls):
    geometry = parse_problem(f"mb{n}{LAYERS['dense']}")
    assert onednn._images_at_once(geometry) == calls


def test_large_images_of_channels_apart_go_one_by_one():
    geometry = parse_problem("g64mb3ic64ih112oc64kh3ph1")
    assert onednn._images_at_once(geometry) == (1, 0)
