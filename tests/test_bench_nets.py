"""`bench.py nets`: the same networks everywhere, and figures of every map."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.nn.layer import eval_shape
from tests.test_bench import run_script

WHERE = {"date": "2026-01-02", "processor": "Some CPU", "cores": 2, "jax": "0.10.2"}
WHERE |= {"load before": 0.1}


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    """The script's own modules."""
    monkeypatch.syspath_prepend("scripts")
    monkeypatch.setattr(jax, "clear_caches", lambda: None)  # other tests' programs
    monkeypatch.setattr("_networks.RATE", 0.1)


def times(network, which, lax, ours, torch):
    row = {"network": network, "map": which, "dtype": "float32", "batch": 8}
    row |= {"lax ms": lax, "jaxconv ms": ours, "ratio to lax": lax / ours}
    row |= {"torch ms": torch, "ratio to torch": torch / ours}
    for by, seconds in (("lax", 2.0), ("jaxconv", 3.0)):
        row |= {f"{by} compile s": seconds, f"{by} temporary MB": 10 * seconds}
        row |= {f"{by} peak MB": 20 * seconds}
    return row


def run_of(tunables=""):
    rows = [
        times(name, which, lax, 10.0, 20.0)
        for name, lax in (("ResNet50", 20.0), ("Xception", 80.0))
        for which in ("training step", "inference")
    ]
    return {"where": WHERE | {"GLIBC_TUNABLES": tunables}, "rows": rows}


def test_runs_with_and_without_huge_pages_are_written_into_the_page(
    monkeypatch, tmp_path
):
    files = [tmp_path / "without.json", tmp_path / "with.json"]
    for file, tunables in zip(files, ("", "glibc.malloc.hugetlb=1"), strict=True):
        file.write_text(json.dumps(run_of(tunables)))
    page = tmp_path / "page.md"
    page.write_text("# Benchmarks\n")
    options = ("--from-json", *map(str, files), f"--to={page}")
    assert run_script(monkeypatch, "nets", *options) == 0
    text = page.read_text()
    assert text.startswith("# Benchmarks\n\n<!-- nets, by")
    assert "### float32, no huge pages asked for" in text
    assert "### float32, with huge pages" in text
    five = "20.0 | 10.0 | 20.0 | 2.00 | 2.00"
    assert text.count(f"| ResNet50, 8 | {five} | {five} |") == 2
    row = "| ResNet50, 8 | 2.00 | 3.00 | 40.0 | 60.0 |  | 20.0 | 30.0 |"
    assert text.count(row) == 2
    step = "training step: 4.00 times as fast as lax on geometric average, at least 2"
    assert step in text
    assert "peak MB of the step: 1.50 of lax's" in text


def test_runs_of_another_kind_stay_in_the_page(monkeypatch, tmp_path):
    page = tmp_path / "page.md"

    def write(run):
        file = tmp_path / "run.json"
        file.write_text(json.dumps(run))
        options = f"--from-json={file}", f"--to={page}"
        assert run_script(monkeypatch, "nets", *options) == 0

    lesser = run_of() | {"where": WHERE | {"processor": "Some CPU (AVX2)"}}
    for run in (run_of(), lesser, run_of() | {"rows": run_of()["rows"][:2]}):
        write(run)
    text = page.read_text()
    assert text.count("## Networks\n") == 1
    first, second = text.split("\n### ")[1:]
    assert first.startswith("float32, no huge pages asked for\n")
    assert second.startswith("float32, no huge pages asked for, on AVX2\n")
    assert "Xception" not in first
    assert "Xception" in second


def small_network(dtype=jnp.float32):
    """A linear map whose statistic counts the training steps."""
    from _networks import draws, network

    def call(params, fixed, x, training):
        return x @ params[0], [fixed[0] + 1] if training else fixed

    params = [jnp.full((3, 1000), 0.5, dtype)]
    return network(call, params, [jnp.zeros((), dtype)], draws((4, 3), dtype))


def test_a_network_is_timed_in_both_maps(monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # slow among a test run's objects
    from _network_times import time_network

    network = small_network()
    rows = time_network({"network": "small"}, network, None, seconds=0)
    assert [row["map"] for row in rows] == ["training step", "inference"]
    for row in rows:
        assert row["network"] == "small"
        assert row["parameters"] == 3000
        assert row["ratio to lax"] > 0
        for by in ("lax", "jaxconv"):
            assert row[f"{by} ms"] > 0
            assert row[f"{by} compile s"] > 0
            held = 3001 * 4 / 2**20  # weights and statistics
            assert row[f"{by} argument MB"] >= held
            assert row.get(f"{by} peak MB", held) >= held
    jax.block_until_ready(network.state)  # its own buffers were not donated


def test_a_step_trains_and_returns_the_new_statistics():
    network = small_network()
    state, (x, y) = network.state, network.inputs[0]
    before = None
    for count in range(1, 4):
        state, loss = network.train(state, x, y)
        assert state[1][0] == count
        assert before is None or loss < before
        before = loss
    np.testing.assert_allclose(network.infer(state, x), x @ state[0][0], rtol=1e-6)


def test_the_losses_of_lax_and_jaxconv_are_compared():
    from _network_times import losses

    found = losses(small_network(), steps=3)
    assert found["lax"] == found["jaxconv"]
    assert len(set(found["lax"])) == 3


PARAMETERS = {  # of keras.applications
    "MobileNetV2": 3_504_872,
    "ResNet50": 25_583_592,
    "EfficientNetB0": 5_288_548,
    "DenseNet121": 7_978_856,
    "ConvNeXtTiny": 28_589_128,
    "Xception": 22_855_952,
}


@pytest.mark.extras
@pytest.mark.parametrize("name", PARAMETERS)
def test_pytorch_has_as_many_parameters_as_keras(name):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    pytest.importorskip("transformers", reason="needs the [bench] extra")
    from _networks import KERAS
    from _networks_torch import NETWORKS

    assert tuple(NETWORKS) == KERAS
    with torch.device("meta"):  # shapes alone
        leaves = list(NETWORKS[name]().parameters())
    assert sum(leaf.numel() for leaf in leaves) == PARAMETERS[name]


@pytest.mark.extras
@pytest.mark.exhaustive
def test_a_step_of_keras_keeps_the_state_as_it_was(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    pytest.importorskip("keras", reason="needs the [clients] extra")
    from _networks import keras_network

    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        network = keras_network("MobileNetV2", batch=2, size=32, dtype="bfloat16")
        new, loss = jax.eval_shape(network.train, network.state, *network.inputs[0])
        logits = jax.eval_shape(network.infer, network.state, network.inputs[0][0])
    assert new == jax.eval_shape(lambda state: state, network.state)
    assert sum(leaf.size for leaf in network.state[0]) == PARAMETERS["MobileNetV2"]
    assert loss.dtype == jnp.float32
    assert (logits.shape, logits.dtype) == ((2, 1000), jnp.bfloat16)


@pytest.mark.extras
def test_pytorch_trains_in_place(monkeypatch):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    from _networks import draws
    from _networks_torch import stepping

    monkeypatch.setattr("_networks_torch.RATE", 0.1)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, 2), torch.nn.Flatten(), torch.nn.Linear(72, 1000)
    )
    found = stepping(net, draws((4, 8, 8, 3), "bfloat16"), "bfloat16", last=True)
    first, *_, last = (found.train(*found.inputs[0]) for _ in range(5))
    assert last < first
    logits = found.infer(found.inputs[0][0])
    assert (logits.shape, logits.dtype) == ((4, 1000), torch.bfloat16)
    assert found.inputs[0][0].is_contiguous(memory_format=torch.channels_last)


def test_nn_calls_lax_on_lax_alone():
    from _networks_nn import WITHIN

    layer = nn.Conv2D(6, 3, strides=2, padding=2, dilation=2, groups=2)
    x = jnp.ones((2, 4, 9, 8))
    _, params = layer.init(jax.random.key(0), x.shape[1:])
    found = {}
    for by, block in WITHIN.items():
        with block():
            program = jax.make_jaxpr(lambda *given: layer.apply(*given))(params, x)
            found[by] = layer.apply(params, x)
        assert ("conv_output" in str(program)) is (by == "jaxconv")
    np.testing.assert_allclose(found["lax"], found["jaxconv"], rtol=1e-5)


@pytest.mark.extras
@pytest.mark.exhaustive
def test_models_of_nn_have_as_many_parameters_in_pytorch():
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    from _networks import NN
    from _networks_nn import MODELS, twin

    assert tuple(MODELS) == NN
    for name, (make, shape) in MODELS.items():
        learned, _ = nn.split_statistics(eval_shape(make(), shape)[1])
        with torch.device("meta"):
            leaves = list(twin(name).parameters())
        count = sum(leaf.size for leaf in jax.tree.leaves(learned))
        assert count == sum(leaf.numel() for leaf in leaves), name
