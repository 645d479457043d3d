"""What "auto" takes for each kind of layer, with oneDNN and without."""

import ast
import dataclasses

import pytest

from jaxconv.check.problems import parse_problem
from jaxconv.conv.auto import numbers
from jaxconv.conv.auto.arrangements import ARRANGEMENTS
from jaxconv.conv.auto.rules import OUTPUTS, PARAM_GRADS
from jaxconv.conv.auto.target import Target
from jaxconv.conv.geometry import Geometry
from jaxconv.conv.methods.registry import ALGORITHMS
from tests.methods import WITH_ONEDNN, WITHOUT_ONEDNN, auto

NAMES = ("output", "input_grad", "param_grad")
# A layer, and what is taken for each map, with oneDNN and without.
LAYERS = {
    "dense": (
        "mb32ic64ih32oc64kh3ph1",
        ["onednn", "onednn", "onednn"],
        ["xla", "xla", "xla, by parts of the batch"],
    ),
    "dense, few positions": (
        "mb2ic128ih5oc128kh3ph1",
        ["onednn", "onednn", "xla"],
        ["xla"] * 3,
    ),
    "dense, few operations": ("mb2ic64ih4oc64kh3ph1", ["xla"] * 3, ["xla"] * 3),
    "first layer": (
        "mb60ic1ih28oc32kh5ph2",
        ["onednn", "onednn", "xla, by parts of the batch"],
        ["xla", "xla", "xla, by parts of the batch"],
    ),
    "few channels": (
        "mb8ic3ih72oc4kh3ph1",
        ["onednn", "onednn", "xla"],
        ["im2col", "xla", "xla"],
    ),
    "depthwise": (
        "g64mb32ic64ih32oc64kh3ph1",
        ["onednn", "onednn", "taps"],
        ["taps", "taps", "taps"],
    ),
    "depthwise, strided": (
        "g64mb32ic64ih32oc64kh3sh2ph1",
        ["onednn", "taps", "taps"],
        ["taps", "taps", "taps"],
    ),
    "depthwise, 25 taps": (
        "g64mb32ic64ih32oc64kh5ph2",
        ["onednn", "onednn", "onednn"],
        ["taps", "taps", "taps"],
    ),
    "grouped": (
        "g8mb32ic128ih16oc128kh3ph1",
        ["onednn", "onednn", "onednn"],
        ["xla, by groups"] * 3,
    ),
    "strided": (
        "mb32ic64ih32oc128kh3sh2ph1",
        ["onednn", "onednn and taps, by phases", "onednn"],
        ["xla", "xla", "xla, by parts of the batch"],
    ),
    "transposed": (
        "mb32ic64ih16oc64kh4zh1ph2",
        ["onednn, by phases", "onednn", "onednn, by phases"],
        ["xla, by phases", "xla", "xla, by phases, by parts of the batch"],
    ),
    "one tap": (
        "mb32ic128ih16oc128kh1",
        ["taps", "taps", "onednn"],
        ["taps", "taps", "im2col"],
    ),
    "one tap, groups": (
        "g4mb8ic160ih28oc48kh1",
        ["onednn", "onednn", "onednn, by groups"],
        ["taps", "taps", "im2col, by groups"],
    ),
    "one tap, depthwise": ("g32mb8ic32ih28oc32kh1", ["taps", "taps"], ["taps"]),
    "three axes": (
        "mb4ic32id16oc32kd3pd1",
        ["onednn", "onednn", "onednn, by planes"],
        [
            "xla, by planes",
            "xla, by planes",
            "xla, by planes, by parts of the batch",
        ],
    ),
    "large": ("mb1ic64ih2300oc64kh7ph3", ["xla"] * 2, ["xla"] * 2),
}


@pytest.mark.parametrize(
    ("line", "fast", "portable"), LAYERS.values(), ids=LAYERS.keys()
)
def test_auto_chooses_for_each_map(line, fast, portable):
    geometry = parse_problem(line)
    for target, expected in ((WITH_ONEDNN, fast), (WITHOUT_ONEDNN, portable)):
        found = [str(auto(name, geometry, "float32", target)) for name in NAMES]
        assert found[: len(expected)] == expected


# Filter gradients on a processor without AVX-512, with oneDNN and without.
WITHOUT_AVX512 = {
    "dense": ("mb32ic64ih32oc64kh3ph1", "onednn", "im2col"),
    "one image": ("mb1ic64ih32oc64kh3ph1", "im2col", "im2col"),
    "few positions": ("mb8ic128ih3oc128kh3ph1", "onednn", "xla"),
    "few positions, few images": ("mb2ic128ih5oc128kh3ph1", "onednn", "im2col"),
    "few positions, one image": ("mb1ic32ih14oc64kh3ph1", "im2col", "im2col"),
    "few channels": ("mb8ic3ih224oc64kh7sh2ph3", "onednn", "im2col"),
    "few channels, small": ("mb32ic3ih32oc16kh3ph1", "im2col", "im2col"),
    "few channels first": ("mb32ic4ih32oc32kh3ph1", "im2col", "im2col"),
    "few channels last": ("mb32ic4ih32oc32kh3ph1cl1", "onednn", "im2col"),
    "few outputs": ("mb8ic4ih64oc4kh3ph1", "xla", "xla"),
    "groups": ("g32mb8ic256ih28oc256kh3ph1", "onednn", "xla, by groups"),
    "groups of few outputs": (
        "g32mb8ic128ih56oc128kh3ph1cl1",
        *["xla, by groups"] * 2,
    ),
    "groups of few outputs, few images": (
        "g32mb2ic256ih56oc128kh3ph1",
        "onednn",
        "im2col, by groups",
    ),
    "one channel": ("mb60ic1ih28oc32kh5ph2", *["xla, by parts of the batch"] * 2),
    "line": ("mb8ic32iw16000oc32kw9pw4", "xla", "xla"),
    "long line": ("mb128ic64iw1000oc64kw3pw1", *["xla, by parts of the batch"] * 2),
    "dilated line": (
        "mb1ic64iw16000oc128kw2dw15pw16",
        *["xla, by parts of the batch"] * 2,
    ),
}


@pytest.mark.parametrize(
    ("line", "fast", "portable"), WITHOUT_AVX512.values(), ids=WITHOUT_AVX512
)
def test_filter_gradients_are_other_products_without_avx512(line, fast, portable):
    geometry = parse_problem(line)
    for target, expected in ((WITH_ONEDNN, fast), (WITHOUT_ONEDNN, portable)):
        target = target._replace(avx512=False)
        assert str(auto("param_grad", geometry, "float32", target)) == expected


def test_types_that_onednn_does_not_compute_in_take_the_other_rules():
    geometry = parse_problem(LAYERS["dense"][0])
    for dtype, words in {
        "float16": "onednn, in float32",
        "float64": "xla",
        "int32": "xla",
    }.items():
        assert str(auto("output", geometry, dtype, WITH_ONEDNN)) == words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mb32ic64ih32oc64kh3ph1", ["onednn", "onednn", "onednn"]),
        ("mb32ic128ih16oc128kh1", ["onednn", "onednn", "onednn"]),
        ("mb2ic128ih5oc128kh3ph1", ["onednn", "onednn", "xla, in float32"]),
        ("mb2ic64ih4oc64kh3ph1", ["xla, in float32"] * 3),
        ("mb4ic16ih16oc16kh3zh1sh2", ["xla, in float32"] * 2),
    ],
)
def test_bfloat16_is_computed_by_onednn_or_in_float32(line, words):
    geometry = parse_problem(line)
    found = [str(auto(name, geometry, "bfloat16", WITH_ONEDNN)) for name in NAMES]
    assert found[: len(words)] == words


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_empty_batches_are_planned_without_onednn(axes):
    ones = (1,) * axes
    geometry = Geometry.of((0, 4, *ones), (1, 4, *ones), groups=4, empty_ok=True)
    for one in (geometry, dataclasses.replace(geometry, groups=1)):
        for name in NAMES:
            assert "onednn" not in auto(name, one, "float32", WITH_ONEDNN).methods


@pytest.mark.parametrize("target", [WITH_ONEDNN, WITHOUT_ONEDNN])
def test_sums_over_nothing_are_planned_like_others(target):
    layers = {
        "no input channels": ((16, 0, 32, 32), (0, 32, 3, 3), "SAME"),
        "no taps": ((1, 8, 5, 5, 5), (8, 32, 0, 3, 3), "VALID"),
    }
    for x, w, padding in layers.values():
        empty = Geometry.of(x, w, padding=padding, empty_ok=True)
        for name in NAMES:
            found = auto(name, empty, target=target)
            assert (found.parts, found.reason) == ((), "there is nothing to add up")


def test_auto_takes_what_the_device_ships_elsewhere():
    geometry = parse_problem(LAYERS["depthwise, strided"][0])
    for name in NAMES:
        assert str(auto(name, geometry, "float32", Target("cuda"))) == "xla"


@pytest.mark.parametrize(
    ("line", "split"),
    [
        ("mb2ic3oc4ih16iw16kh3kw4sh1sw2", (False, True, False)),
        ("mb2ic3oc4ih16kh3sh2", (False, False, False)),
        ("mb2ic3oc4ih16kh2sh2", (False, True, False)),
        ("mb2ic3oc4ih16kh4zh1", (True, False, True)),
        ("mb2ic3oc4ih16kh3zh1", (False, False, True)),
        ("mb2ic3oc4ih16kh4zh1sh2", (False, False, False)),
        ("mb2ic3oc4ih16iw16kh5kw6zh3zw3ph5pw5", (True, False, True)),
        ("mb2ic3oc4ih16kh4zh1dh2", (False, False, False)),
        ("mb2ic3oc4ih16iw16kh5kw6sh4sw4ph5pw5", (False, True, False)),
    ],
)
def test_a_dilated_input_is_split_where_it_pays(line, split):
    plans = [auto(name, parse_problem(line)) for name in NAMES]
    assert tuple("phases" in plan.arrangements for plan in plans) == split


def test_onednn_makes_phases_pay_wherever_there_are_any():
    plan = auto("input_grad", parse_problem("mb2ic3oc4ih16kh3sh2"), target=WITH_ONEDNN)
    assert plan.arrangements == ("phases",)


def test_rules_take_what_exists_and_every_arrangement_is_taken():
    taken = {rule.take for rule in (*OUTPUTS, *PARAM_GRADS)}
    assert taken <= {*ALGORITHMS, *ARRANGEMENTS}
    assert set(ARRANGEMENTS) <= taken


def test_a_memory_limit_leaves_out_patches_that_do_not_fit():
    geometry = parse_problem(LAYERS["few channels"][0])
    assert auto("output", geometry).method == "im2col"
    limited = dataclasses.replace(geometry, memory_limit=10**4)
    assert auto("output", limited).method == "xla"


def test_every_number_is_written_once_and_explained():
    text = numbers.__spec__.loader.get_source(numbers.__name__)
    for name in (name for name in vars(numbers) if name.isupper()):
        assert text.count(name) == 1, name
    _, *statements = ast.parse(text).body
    for assigned, words in zip(statements[::2], statements[1::2], strict=True):
        assert isinstance(assigned, ast.Assign)
        assert isinstance(words.value.value, str)
