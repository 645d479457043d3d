"""The benchmark: who is timed computes the same, and what is timed is reported."""

import importlib.util
import json
import runpy
import sys

import jax
import numpy as np
import pytest

from jaxconv.check.problems import parse_problem
from tests.methods import TRANSFORMS
from tests.reference import MAPS, three_maps

LINES = {
    "strided, groups": "g2mb2ic4oc6ih7iw5kh3kw2sh2ph1",
    "transposed": "mb2ic3oc4ih5iw4kh4kw3zh1zw1ph2pw1",
}


@pytest.fixture
def suite(monkeypatch):
    """The script's own modules, with small layers."""
    monkeypatch.syspath_prepend("scripts")
    import _suite

    small = {name: (line, True) for name, line in LINES.items()}
    monkeypatch.setattr(_suite, "LAYERS", small)
    return _suite


def as_channels_first(array, layout, filters=False):
    if layout == "NCHW":
        return np.asarray(array)
    return (
        np.moveaxis(array, (-2, -1), (0, 1)) if filters else np.moveaxis(array, -1, 1)
    )


@pytest.mark.exhaustive
def test_every_contestant_computes_the_same(suite):
    for layer in suite.layers(quick=False):
        rng = np.random.default_rng(0)
        given = layer.operands(rng)
        given = {key: np.round(4 * array) for key, array in given.items()}
        plain = {
            key: as_channels_first(array, layer.layout, key == "w")
            for key, array in given.items()
        }
        three = three_maps(plain["x"], plain["w"], plain["g"], layer.geometry)
        expected = dict(zip(MAPS, three, strict=True))
        for name, maps in suite.contestants(layer, methods=True).items():
            arrays = [jax.numpy.asarray(given[key]) for key in "xwg"]
            three = maps["all three"](*arrays)
            for which, together in zip(expected, three, strict=True):
                for found in (maps[which](*arrays), together):
                    found = as_channels_first(
                        found, layer.layout, which == "param_grad"
                    )
                    if name in TRANSFORMS:  # of whole numbers nearly whole
                        found = np.rint(found)
                    np.testing.assert_array_equal(
                        found, expected[which], f"{layer.key}, {name}, {which}"
                    )


@pytest.mark.extras
def test_torch_computes_the_same_sizes(suite):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    for layer in suite.layers(quick=False):
        maps, tensor = suite.of_torch(layer)
        given = layer.operands(np.random.default_rng(0))
        x, w, g = (tensor(given[key], key) for key in "xwg")
        y = maps["output"](x, w, g)
        assert tuple(y.shape) == layer.geometry.out_shape
        if layer.name == "strided, groups":
            ours = suite.contestants(layer, methods=False)["lax"]["output"](
                *(jax.numpy.asarray(given[key]) for key in "xwg")
            )
            ours = torch.from_numpy(np.array(as_channels_first(ours, layer.layout)))
            torch.testing.assert_close(y, ours)


def test_every_layer_of_the_suite_is_a_convolution():
    sys.path.insert(0, "scripts")
    import _suite

    sys.path.remove("scripts")
    assert {len(parse_problem(line).space) for line, _ in _suite.LAYERS.values()} == {
        1, 2, 3,
    }  # fmt: skip


def test_ratios_are_medians_over_rounds(suite):
    import _timing

    ours = _timing.Timing(np.array([1.0, 2.0, 4.0]))
    theirs = _timing.Timing(np.array([3.0, 4.0, 20.0]))
    assert ours.median == 2000
    assert ours.times_faster_than(theirs) == 3


def test_contestants_take_turns_on_fresh_inputs(suite):
    import _timing

    calls = []
    timings = _timing.alternate(
        {name: lambda i, name=name: calls.append((name, i)) for name in "ab"},
        {name: [(0,), (1,), (2,)] for name in "ab"},
        seconds=0,
        wait=lambda result: None,
    )
    assert {len(timing.seconds) for timing in timings.values()} == {5}
    assert {(name, i) for name in "ab" for i in range(3)} == set(calls)


def run_script(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["scripts/bench.py", *arguments])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path("scripts/bench.py", run_name="__main__")
    return stop.value.code


@pytest.mark.exhaustive
def test_the_script_reports_every_cell(suite, monkeypatch, capsys, tmp_path):
    file = tmp_path / "found.json"
    options = [f"--json={file}", "--seconds=0"]
    assert run_script(monkeypatch, "ops", "--only=transposed", *options) == 0
    shown = capsys.readouterr().out
    assert "times faster than lax: geometric mean" in shown
    found = json.loads(file.read_text())
    assert len(found["rows"]) == 2 * 4
    assert all(row["ratio to lax"] > 0 for row in found["rows"])
    assert found["where"]["jax"] == jax.__version__


@pytest.mark.extras
def test_every_contestant_learns(suite):
    pytest.importorskip("flax", reason="needs the [clients] extra")
    import _training

    torch = importlib.util.find_spec("torch") is not None
    model = _training.CHAPTER
    (images, labels), *_ = _training.batches(model, 8)
    for name, step in _training.contestants(model, 8, torch).items():
        losses = [step(images, labels) for _ in range(8)]
        assert losses[-1] < losses[0] / 2, (name, losses)


@pytest.mark.extras
def test_training_is_reported_as_epochs(suite, monkeypatch, capsys, tmp_path):
    pytest.importorskip("flax", reason="needs the [clients] extra")
    import _training

    steps = {"jaxconv": lambda x, y: 1.0, "flax": lambda x, y: 1.0}
    monkeypatch.setattr(_training, "contestants", lambda *_: steps)
    file = tmp_path / "found.json"
    options = ["--only=ResNet", "--seconds=0", "--batch-size=30", f"--json={file}"]
    assert run_script(monkeypatch, "train", *options) == 0
    rows = json.loads(file.read_text())["rows"]
    assert [row["by"] for row in rows] == ["jaxconv", "flax"]
    assert rows[0]["epoch s"] == pytest.approx(rows[0]["step ms"] * 2)
    assert "small ResNet, flax: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "usage: bench.py {ops,layers,rules,train,nets,profile,devices,report}"),
        (("ops", "--only=none"), "no layer has 'none'"),
        (("layers", "--only=none"), "no layer has 'none'"),
        (("nets", "--only=none"), "no network has 'none'"),
        (("nets", "--batch-size=0"), "--batch-size: at least 1, got 0"),
        pytest.param(
            ("train", "--only=none"), "no model has 'none'", marks=pytest.mark.extras
        ),
    ],
)
def test_a_bad_argument_is_code_2(arguments, words, suite, monkeypatch, capsys):
    if "train" in arguments:
        pytest.importorskip("flax", reason="needs the [clients] extra")
    assert run_script(monkeypatch, *arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.exhaustive
def test_dense_and_pooling_are_timed_and_computed_alike(
    suite, monkeypatch, capsys, tmp_path
):
    import _layers

    monkeypatch.setattr(_layers, "DENSE", {"dense": ((2, 5, 3), True)})
    monkeypatch.setattr(_layers, "POOLS", {"pool": ((2, 3, 6), 3, 2, 1)})
    for name in _layers.names(quick=False):
        ours, plain = (_layers.contestants(name, False)[w] for w in ("jaxconv", "jax"))
        for which in _layers.MAPS:
            found = jax.tree.leaves(ours[which]())
            expected = jax.tree.leaves(plain[which]())
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    file = tmp_path / "found.json"
    options = ["--quick", "--seconds=0", f"--json={file}", "--only=dense"]
    assert run_script(monkeypatch, "layers", *options) == 0
    assert "| dense | forward |" in capsys.readouterr().out
    assert len(json.loads(file.read_text())["rows"]) == 3
