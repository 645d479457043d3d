"""What `bench.py report` writes: table, chart and README's times from the same rows."""

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

    (tmp_path / "README.md").write_text(f"first\n{_report.BEGIN}\n{_report.END}\nlast")
    monkeypatch.setattr(_report, "ROOT", tmp_path)

    for name in ("XLA_FLAGS", "OMP_WAIT_POLICY", "KMP_BLOCKTIME"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # put back what it sets
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
    assert (
        "| dense 3x3, 64, three maps | 2.00 | 4.00 | 8.00 |" in capsys.readouterr().out
    )


def test_a_report_of_all_is_written_into_the_repository(scripts, monkeypatch, tmp_path):
    assert run_script(monkeypatch, "report") == 0
    rows = json.loads((tmp_path / "scripts" / "benchmarks.png").read_text())
    assert len({row["layer"] for row in rows}) == 50
    text = (tmp_path / "scripts" / "BENCHMARKS.md").read_text()
    assert "| the chapter's model | 12.3 | 24.7 | 617 |" in text
    readme = (tmp_path / "README.md").read_text()
    assert "| step of the chapter's model | 12.3 | 24.7 | 617 |" in readme
    assert readme.startswith("first\n")
    assert readme.endswith("\nlast")


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
    assert "| step of a small ResNet | 12.3 | 24.7 | 617 |" in capsys.readouterr().out


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


def test_the_times_of_the_readme_are_replaced_between_their_marks(scripts):
    from _report import BEGIN, END, replace_times

    readme = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    text = replace_times(readme, results())
    assert text.startswith(f"before\n{BEGIN}\n\n| milliseconds |")
    assert text.endswith(f"\n\n{END}\nafter\n")
    assert "old" not in text
    assert replace_times(text, results()) == text
    assert "| depthwise 3x3, three maps | 2.00 | 4.00 | 8.00 |" in text
    with pytest.raises(ValueError, match=r"README.md must hold the lines"):
        replace_times("before, after", results())


def test_every_order_of_the_contestants_comes_once_before_any_comes_again(scripts):
    import itertools

    from _timing import orders

    order = orders(["jaxconv", "lax", "torch"])
    for _ in range(2):
        assert len({next(order) for _ in range(6)}) == 6
    first = [name for name, *_ in itertools.islice(orders(list("abcdef")), 60)]
    assert set(first) == set("abcdef")


def test_the_time_of_a_run_is_shared_out_with_what_compiling_takes(
    scripts, monkeypatch
):
    import _timing

    clock = [0.0]
    monkeypatch.setattr(_timing.time, "perf_counter", lambda: clock[0])
    for share in _timing.shares(100, 10):
        clock[0] += 4 + share  # compiles for 4 s
    assert clock[0] == pytest.approx(100, abs=5)
    clock[0] = 0.0
    assert list(_timing.shares(0, 3)) == [0, 0, 0]


def test_the_processor_is_named_with_its_family(scripts, tmp_path):
    from _timing import processor

    file = tmp_path / "cpuinfo"
    file.write_text(
        "cpu family\t: 26\nmodel\t\t: 2\nmodel name\t: Some(R) CPU\n"
        "flags\t\t: avx2 avx512f\n\nmodel name\t: the second core\n"
    )
    assert processor(file) == "Some CPU (cpu family 26, model 2, AVX-512)"
    assert processor(tmp_path / "missing")


def test_a_missing_extra_is_named_with_its_command(scripts, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run_script(monkeypatch, "report") == 2
    assert 'pip install -e ".[bench]"' in capsys.readouterr().err


def test_help_names_the_commands(scripts, monkeypatch, capsys):
    assert run_script(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    for command in ("ops", "train", "report"):
        assert f"python scripts/bench.py {command}" in shown


def test_the_same_rows_are_drawn_into_the_same_small_file(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend("scripts")
    import _chart

    rows = [row for n in range(20) for row in layer_rows(f"layer {n}, NCHW", n + 1)]
    for name in ("first.png", "second.png"):
        _chart.draw(rows, WHERE, tmp_path / name)
    drawn = (tmp_path / "first.png").read_bytes()
    assert drawn == (tmp_path / "second.png").read_bytes()
    assert 5_000 < len(drawn) < 100_000


def test_the_figures_are_drawn(monkeypatch, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend("scripts")
    import figures

    for name in ("BAND", "KERNELS"):
        monkeypatch.setattr(figures, name, tmp_path / f"{name}.png")
    assert figures.main() == 0
    assert 5_000 < (tmp_path / "BAND.png").stat().st_size < 100_000
    assert 50_000 < (tmp_path / "KERNELS.png").stat().st_size < 500_000


def test_the_figure_shows_which_products_there_are(monkeypatch):
    monkeypatch.syspath_prepend("scripts")
    import figures
    import jax.numpy as jnp

    from jaxconv import chapter

    x, w = jnp.array([1.0, 2, 3, 4, 5]), jnp.array([7.0, 11, 13])
    output = jnp.zeros(5)
    for pixel, tap, out in figures._cells():
        if 0 <= pixel < 5:
            output = output.at[out].add(x[pixel] * w[tap])
    assert output.tolist() == chapter.conv_1d(x, w).tolist()
