"""What `bench.py report` writes: table and chart from the same rows."""

import json
import os
import runpy
import sys
import types

import pytest

WHERE = {"date": "2026-01-02", "processor": "Some CPU", "cores": 2, "jax": "0.10.2"}
MAPS = {"output": 1.5, "input_grad": 0.5, "param_grad": 3.0, "all three": 2.0}


def layer_rows(key="depthwise 3x3, NHWC", ratio=1.0, torch=True):
    rows = []
    for which, faster in MAPS.items():
        row = {"layer": key, "map": which, "jaxconv ms": 2.0}
        row |= {"ratio to lax": ratio * faster, "lax ms": 2.0 * ratio * faster}
        if torch:
            row |= {"ratio to torch": 4.0, "torch ms": 8.0}
        rows.append(row)
    return rows


def step_rows(model="small ResNet"):
    times = {"jaxconv": 12.34, "flax": 24.68, "torch": 617.0}
    return [
        {
            "model": model,
            "by": name,
            "batch size": 60,
            "step ms": ms,
            "jaxconv is times faster": ms / 12.34,
        }
        for name, ms in times.items()
    ]


@pytest.fixture
def scripts(monkeypatch, tmp_path):
    """The script's own modules in another repository; no matplotlib, no measuring."""
    monkeypatch.syspath_prepend("scripts")
    import _chart
    import _measure
    import _report

    monkeypatch.setattr(_report, "ROOT", tmp_path)

    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))  # put back
    monkeypatch.setitem(sys.modules, "matplotlib", types.ModuleType("matplotlib"))
    monkeypatch.setattr(
        _chart, "draw", lambda rows, where, file: file.write_text(json.dumps(rows))
    )
    monkeypatch.setattr(_measure, "announce", lambda: (WHERE, True))
    monkeypatch.setattr(
        _measure, "time_model", lambda model, seconds, *_: step_rows(model)
    )

    def time_layer(layer, seconds, methods, torch):
        return layer_rows(layer.key)

    monkeypatch.setattr(_measure, "time_layer", time_layer)


def run_script(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["scripts/bench.py", *arguments])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path("scripts/bench.py", run_name="__main__")
    return stop.value.code


def test_a_report_writes_table_and_chart_of_the_same_rows(
    scripts, monkeypatch, capsys, tmp_path
):
    out, file = tmp_path / "out", tmp_path / "all.json"
    options = ["--only=3x3, 64", f"--to={out}", f"--json={file}"]
    assert run_script(monkeypatch, "report", *options) == 0
    found = json.loads(file.read_text())
    assert found["only"] == "3x3, 64"
    drawn = json.loads((out / "benchmarks.png").read_text())
    assert drawn == found["ops"]
    layers = {row["layer"].rsplit(", ", 1)[0] for row in drawn}
    assert layers == {"dense 3x3, 64", "strided 3x3, 64"}
    text = (out / "BENCHMARKS.md").read_text()
    assert "![Times as fast as lax, by layer](benchmarks.png)" in text
    ratios = "1.50 | 0.50 | 3.00 | 2.00 | 4.00 | 4.00 | 4.00 | 4.00"
    assert text.count(f"| dense 3x3, 64 | {ratios} |") == 2
    slashed = "2.00 / 3.00 / 8.00 | 2.00 / 1.00 / 8.00 | 2.00 / 6.00 / 8.00"
    assert text.count(f"| dense 3x3, 64 | {slashed} | 2.00 / 4.00 / 8.00 |") == 2
    assert str(out / "BENCHMARKS.md") in capsys.readouterr().out


def test_a_report_of_all_is_written_into_the_repository(scripts, monkeypatch, tmp_path):
    assert run_script(monkeypatch, "report") == 0
    rows = json.loads((tmp_path / "scripts" / "benchmarks.png").read_text())
    assert len({row["layer"] for row in rows}) == 50
    text = (tmp_path / "scripts" / "BENCHMARKS.md").read_text()
    assert "| the chapter's model | 12.3 | 24.7 | 617 |" in text


def test_a_report_is_written_again_without_measuring(
    scripts, monkeypatch, capsys, tmp_path
):
    first, second = tmp_path / "first", tmp_path / "second"
    file = tmp_path / "all.json"
    options = ["--only=ResNet", f"--to={first}", f"--json={file}"]
    assert run_script(monkeypatch, "report", *options) == 0
    monkeypatch.setattr("_measure.announce", None)
    options = [f"--from-json={file}", f"--to={second}"]
    assert run_script(monkeypatch, "report", *options) == 0
    for name in ("BENCHMARKS.md", "benchmarks.png"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert (
        "| a small ResNet | 12.3 | 24.7 | 617 |"
        in (second / "BENCHMARKS.md").read_text()
    )
    assert str(second / "BENCHMARKS.md") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--only=3x3",),
            "--only: a partial report would replace the whole one: add --to",
        ),
        (("--only=none", "--to=TMP/x"), "--only: nothing has 'none' in its name"),
        (("--from-json=TMP/part.json",), "--from-json: it holds '3x3' only: add --to"),
        (
            ("--from-json=TMP/ops.json",),
            "ops.json was not written by `report`",
        ),
    ],
)
def test_a_report_of_a_part_does_not_replace_the_whole(
    arguments, words, scripts, monkeypatch, capsys, tmp_path
):
    part = {"where": WHERE, "only": "3x3", "train": [], "ops": layer_rows()}
    (tmp_path / "part.json").write_text(json.dumps(part))
    (tmp_path / "ops.json").write_text(json.dumps({"where": WHERE, "rows": []}))
    arguments = [word.replace("TMP", str(tmp_path)) for word in arguments]
    assert run_script(monkeypatch, "report", *arguments) == 2
    assert words in capsys.readouterr().err


def results(**changed):
    whole = {"where": WHERE, "only": "", "train": step_rows(), "ops": layer_rows()}
    return whole | changed


def test_the_summary_names_the_cells_that_are_behind(scripts):
    from _report import benchmarks

    text = benchmarks(results())
    assert "at least 0.50\ntimes; it is behind" in text.replace(
        " times; it", "\ntimes; it"
    )
    assert "in 1 (depthwise 3x3, NHWC, input gradient)." in " ".join(text.split())
    assert "as fast as PyTorch" not in benchmarks(results(ops=layer_rows(torch=False)))
