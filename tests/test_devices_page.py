"""What BENCHMARKS.md says of many devices: the numbers are those of its formulas."""

import json
import math
import re
import sys
from pathlib import Path

import jax
import pytest

from jaxconv import nn
from jaxconv.nn import models

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def scaling():
    sys.path.insert(0, str(ROOT / "scripts"))
    import _scaling

    yield _scaling
    sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="module")
def section(scaling):
    import _sections

    begin, end = _sections.marks("devices")
    page = (ROOT / "scripts" / "BENCHMARKS.md").read_text()
    return page.partition(begin)[2].partition(end)[0]


def test_the_page_holds_what_the_formulas_give(scaling, section):
    stated = re.findall(
        r"(\w[\w-]*) (\d+\.\d) ms for (\d+) images, ((?:measured|assumed)[\w ,]*)",
        " ".join(section.split()),
    )
    steps = {
        name: (int(batch), float(time) / 1e3, where)
        for name, time, batch, where in stated
    }
    assert list(steps) == list(scaling.NETS)
    assert section.rstrip().endswith(scaling.arithmetic(steps))


def test_steps_on_the_page_are_those_of_its_table(section):
    row = re.search(
        r"^\| 1 process, 1 device \| ([\d,]+) \| ([\d,]+) \|$", section, re.M
    )
    stated = dict(re.findall(r"(\w+) (\d+\.\d) ms for \d+ images", section))
    for name, batch, speed in zip(
        ("chapter5", "resnet20"), (60, 120), row.groups(), strict=True
    ):
        time = batch / float(speed.replace(",", "")) * 1e3
        assert float(stated[name]) == pytest.approx(time, rel=0.01)


MODELS = {
    "chapter5": (models.chapter5, (1, 28, 28)),
    "resnet20": (models.resnet, (1, 28, 28)),
    "ResNet-50": (models.resnet50, (3, 224, 224)),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_the_parameters_that_the_page_says(name, scaling):
    make, shape = MODELS[name]
    _, params = nn.eval_shape(make(), shape)
    learned, statistics = nn.split_statistics(params)
    numbers = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(learned))
    assert scaling.NETS[name].gradients == numbers
    assert scaling.NETS[name].norms == len(jax.tree.leaves(statistics)) / 2


def test_times_of_an_all_reduce_are_those_worked_out_by_hand(scaling):
    link = scaling.Link("slow", bandwidth=1e6, latency=1e-3)
    # 1,000 numbers over 4 devices: each sends 2 * 3/4 * 4,000 bytes, in 6 messages
    assert scaling.ring_bytes(1000, 4) == 6000
    assert scaling.large_seconds(1000, 4, link) == pytest.approx(6e-3 + 6e-3)
    # over 8: a ring 7 + 14 ms, a tree 8 + 6 ms
    assert scaling.large_seconds(1000, 8, link) == pytest.approx(14e-3)
    net = scaling.Net("one", 1000, norms=2)
    assert scaling.seconds(net, 8, link) == pytest.approx(14e-3 + 8 * 6e-3)
    assert scaling.efficiency(net, 62e-3, 8, link) == pytest.approx(0.5)


def test_one_batch_is_shared_by_no_more_devices_than_pay(scaling):
    net, batch = scaling.Net("one", 1000, norms=0), 32
    fast, slow = (scaling.Link("", 1e6, latency) for latency in (0.0, 1.0))
    assert scaling.best_count(net, batch, 1.0, fast)[0] == 32
    assert scaling.best_count(net, batch, 1.0, slow) == (1, 1.0)


def test_a_report_keeps_the_sections_of_other_commands(scaling):
    from _sections import kept, with_section

    page = with_section("# Benchmarks\n\nold\n", "nets", "networks")
    page = with_section(page, "devices", "the section")
    assert page.count("the section") == 1
    again = with_section(page, "devices", "another")
    assert again == page.replace("the section", "another")
    assert kept(page, "# Benchmarks\n\nnew\n") == page.replace("old", "new")
    assert kept("# Benchmarks\n", "new\n") == "new\n"


def test_the_benchmark_writes_medians_of_its_rounds(scaling, monkeypatch, tmp_path):
    import _devices

    speeds = {
        ("chapter5", 1, 1, False): [10, 5000, 6000],
        ("resnet20", 2, 1, False): [7, 70, 700],
        ("resnet20", 2, 1, True): [8, 80, 800],
    }

    def measured(model, batch, processes, count, bound, seconds):
        left = speeds.get((model, processes, count, bound))
        return left.pop() if left else 100.0

    monkeypatch.setattr(_devices, "measured", measured)
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    settings = _devices.Devices(rounds=3, to=page, json=figures)
    assert _devices.devices(settings) == 0
    text = page.read_text()
    assert "| 1 process, 1 device | 5,000 | 100 |" in text
    assert "| 2 processes, 1 device each | 100 | 70 |" in text
    assert "| 2 processes, a core and a batch each | 100 | 80 |" in text
    assert "chapter5 12.0 ms for 60 images" in " ".join(text.split())
    assert len(json.loads(figures.read_text())["rows"]) == 30


def test_a_bound_process_has_a_core_and_a_batch_of_its_own(scaling, monkeypatch):
    import _devices

    works = []

    class Process:
        def __init__(self, command, **_):
            works.append(json.loads(command[-1]))

        def communicate(self, timeout):
            return b"12.5\n", None

        def kill(self):
            pass

    monkeypatch.setattr(_devices.subprocess, "Popen", Process)
    assert _devices.measured("chapter5", 60, 2, 1, True, 4.0) == 12.5
    assert _devices.measured("chapter5", 60, 2, 1, False, 4.0) == 12.5
    found = [(work.get("core"), work["batch"], work["number"]) for work in works]
    assert found == [(0, 120, 0), (1, 120, 1), (None, 60, 0), (None, 60, 1)]
