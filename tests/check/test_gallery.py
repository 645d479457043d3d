"""The gallery: the fault of each wrong kernel is named, right ones raise no alarm."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

import jaxconv.check
from jaxconv.check.gallery import RIGHT, WRONG, Kernel, compare
from tests.check.counts import COUNTS
from tests.check.script import script
from tests.tiers import fast

KERNELS = {kernel.name: kernel for kernel in (*WRONG, *RIGHT)}


@pytest.mark.parametrize(
    "name",
    fast([kernel.name for kernel in WRONG], "returns early", "accumulates"),
)
def test_the_fault_is_named(name):
    report = KERNELS[name].check(**COUNTS)
    assert compare.names_fault(KERNELS[name], report), str(report)


@pytest.mark.parametrize("name", fast([kernel.name for kernel in RIGHT], "with a bias"))
def test_a_right_kernel_raises_no_alarm(name):
    report = KERNELS[name].check(**COUNTS)
    assert report.ok, str(report)


def test_there_are_enough_kernels():
    assert len(WRONG) >= 20
    assert len(RIGHT) >= 6
    assert len(KERNELS) == len(WRONG) + len(RIGHT)
    assert all(kernel.fault and kernel.expected for kernel in WRONG)
    assert not any(kernel.fault or kernel.expected for kernel in RIGHT)


def test_the_page_shows_what_is_said_of_each_fault():
    page = Path(jaxconv.check.__file__).with_name("README.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.count(" | ") == 1]
    said = {cells[0].removeprefix("| "): cells[1] for cells in rows}
    for kernel in WRONG:
        assert kernel.expected in said[kernel.fault]
    assert f"{len(WRONG)} small kernels in NumPy" in page
    assert f"{len(RIGHT)} right ones" in page


SAID = [
    compare.Verdicts(KERNELS["returns early"], False, True, "a | b", True, None),
    compare.Verdicts(KERNELS["all to the first"], False, False, "", False, None),
    compare.Verdicts(KERNELS["one image"], True, False, "", True, None),
]


@pytest.mark.parametrize(
    ("said", "code"),
    [(SAID, 0), ([SAID[0]._replace(ok=True)], 1), ([SAID[2]._replace(ok=False)], 1)],
    ids=["all found", "one missed", "a false alarm"],
)
def test_the_script_prints_a_table(said, code, monkeypatch, capsys):
    monkeypatch.setattr(compare, "compare", lambda: iter(said))
    assert script(monkeypatch, "--gallery") == code
    if code:
        return
    lines = capsys.readouterr().out.splitlines()
    loop = "a return inside the loop over the batch, which is to be summed"
    assert lines[2:5] == [
        rf"| returns early | {loop} | a \| b | wrong | - |",
        "| all to the first | all examples are written to index 0 | not named: ok | ok "
        "| - |",
        "| one image | none | ok | wrong | - |",
    ]
    assert lines[6:] == [
        "2 wrong kernels and 1 right ones: check_bilinear names the cause of 1.",
        "check_bilinear finds 2 wrong; 0 false alarms.",
        "check_grads finds 1 wrong; 1 false alarms.",
    ]


def test_random_right_kernels_raise_no_alarm():
    assert list(compare.false_alarms(1, seed=1)) == []


@pytest.mark.parametrize("seed", fast(range(4), 2))
def test_the_mean_of_few_numbers_is_known_from_their_sum(seed):
    """A single filter's gradient is often whole, even divided by the batch."""
    kernel = Kernel(
        name="one weight",
        x_shape=(2, 1, 3),
        w_shape=(1, 1, 1),
        output=lambda x, w: x * w,
        input_grad=lambda g, w: g * w,
        param_grad=lambda x, g: np.sum(x * g, keepdims=True) / 2,
        layout="NCW/OIW",
        scale="batch",
    )
    assert kernel.check(**COUNTS, seed=seed).ok


@pytest.mark.exhaustive
def test_more_random_right_kernels_raise_no_alarm():
    assert list(compare.false_alarms(15, seed=2)) == []


def test_a_false_alarm_is_told_with_its_kernel(monkeypatch, capsys):
    wrong = dataclasses.replace(KERNELS["returns early"], name="mb3")
    monkeypatch.setattr(compare, "random_kernels", lambda seed: itertools.repeat(wrong))
    monkeypatch.setattr(compare, "compare", lambda: iter([]))
    assert script(monkeypatch, "--gallery", "--cases", "1") == 1
    said = capsys.readouterr()
    assert "FAILED 0: mb3 NCHW/OIHW: param_grad: the batch is not summed" in said.err
    assert said.out.endswith("1 random right kernels: 1 false alarms.\n")


@pytest.mark.extras
@pytest.mark.exhaustive
def test_other_checkers_see_a_wrong_kernel_and_pass_a_right_one():
    pytest.importorskip("torch")
    kernels = KERNELS["filter not turned"], KERNELS["with a bias"]
    for verdicts in compare.compare(kernels):
        wrong = bool(verdicts.kernel.fault)
        assert verdicts.gradcheck == wrong
        assert verdicts.check_grads == wrong
