"""`python -m jaxconv.hugepages`, and which scripts ask for huge pages themselves."""

import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jaxconv import hugepages

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable


@pytest.fixture
def started(monkeypatch):
    """Note each program that would be started, with its GLIBC_TUNABLES."""
    seen = []

    def become(file, command, environment):
        assert file == command[0]
        seen.append((command, environment.get("GLIBC_TUNABLES")))
        sys.exit()  # as that program

    monkeypatch.setattr(os, "execvpe", become)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(hugepages, "why_small_pages", lambda: None)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    return seen


COMMANDS = {
    "train.py --lr 1": [PYTHON, "train.py", "--lr", "1"],
    "-m pytest -x": [PYTHON, "-m", "pytest", "-x"],
    "-u train.py": [PYTHON, "-u", "train.py"],
    "pytest -x": ["pytest", "-x"],
    "./program train.py": ["./program", "train.py"],
}


@pytest.mark.parametrize(("words", "command"), COMMANDS.items(), ids=COMMANDS)
def test_files_and_options_of_python_go_to_python(words, command, started, capsys):
    with pytest.raises(SystemExit):
        hugepages.main(words.split())
    assert started == [(command, "glibc.malloc.hugetlb=1")]
    assert capsys.readouterr() == ("", "")


def test_a_program_runs_all_the_same_where_huge_pages_are_not_asked_for(
    started, monkeypatch, capsys
):
    monkeypatch.setattr(hugepages, "why_small_pages", lambda: "there are none")
    with pytest.raises(SystemExit):
        hugepages.main(["program"])
    assert started == [(["program"], None)]
    line = "jaxconv.hugepages: huge pages are not asked for: there are none.\n"
    assert capsys.readouterr().err == line


def test_the_users_own_setting_stays(monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=1")
    why = hugepages.why_small_pages()
    assert why == "GLIBC_TUNABLES is set, to 'glibc.malloc.check=1'"


def test_help_is_its_description(started, capsys):
    assert hugepages.main(["--help"]) == 0
    assert "python -m jaxconv.hugepages train.py" in capsys.readouterr().out
    assert started == []


ERRORS = {
    "no program": ([], 2, "no program given, as in: python -m jaxconv.hugepages train"),
    "no such program": (["no-such-program"], 127, "no-such-program: no such program."),
    "a folder": ([str(ROOT)], 126, f"{ROOT}: Permission denied."),
}


@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS.keys())
def test_what_cannot_be_run_is_one_line_and_a_code(case, monkeypatch, capsys):
    words, code, line = case
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(hugepages, "why_small_pages", lambda: None)
    assert hugepages.main(words) == code
    said = capsys.readouterr().err
    assert said.startswith(f"jaxconv.hugepages: {line}")
    assert said.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_program_takes_the_place_of_this_one_as_it_was_started():
    script = "echo $$ $GLIBC_TUNABLES; grep SigIgn /proc/$$/status; exit 7"
    environment = os.environ | {"GLIBC_TUNABLES": "x", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [PYTHON, "-m", "jaxconv.hugepages", "sh", "-c", script],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
    )
    out, _ = process.communicate(timeout=100)
    pid, tunables, _, ignored = out.split()
    assert (pid, tunables) == (str(process.pid), "x")
    own = {signal.SIGPIPE, signal.SIGXFSZ}  # that Python ignores
    assert not any(int(ignored, 16) >> (number - 1) & 1 for number in own)
    assert process.returncode == 7


@pytest.mark.parametrize("name", ["boards", "train"])
def test_scripts_that_train_ask_for_huge_pages(name, monkeypatch):
    asked = []
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import _entry

    monkeypatch.setattr(_entry, "run", lambda *_, **facts: asked.append(facts))
    runpy.run_path(str(ROOT / "scripts" / f"{name}.py"), run_name="__main__")
    assert asked == [{"huge_pages": True}]
