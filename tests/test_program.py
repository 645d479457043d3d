"""How programs start and end: version, missing packages, Ctrl-C, exit codes."""

import io
import os
import platform
import re
import signal
import subprocess
import sys
import types
from pathlib import Path

import jax
import pytest

import jaxconv
from jaxconv import _program
from tests.tiers import fast

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def run(monkeypatch):
    """Run a main function as a program, without touching the signals of the tests."""
    monkeypatch.setattr(_program.signal, "signal", lambda *_: None)

    def run(main, *arguments):
        monkeypatch.setattr(sys, "argv", ["the-program", *arguments])
        with pytest.raises(SystemExit) as stop:
            _program.run(main, "train")
        return stop.value.code

    return run


def lacking(name):
    def main():
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    return main


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_every_program_tells_its_version(option, run, capsys):
    assert run(lambda: 1, option) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"jaxconv {jaxconv.__version__} (jax {jax.__version__}, Pyth")
    assert out.count("\n") == 1


PLACES = {
    "in the checkout": (ROOT, ROOT, 'pip install -e ".[train]"'),
    "beside it": (ROOT, ROOT / "tests", f'pip install -e "{ROOT}[train]"'),
    "installed": (ROOT / "tests", ROOT, 'pip install "jaxconv[train]"'),
}


@pytest.mark.parametrize("case", PLACES.values(), ids=PLACES.keys())
def test_a_missing_package_is_one_line_with_the_command(case, run, monkeypatch, capsys):
    home, where, command = case
    monkeypatch.setattr(_program, "_HERE", home)
    monkeypatch.chdir(where)
    assert run(lacking("tyro")) == 2
    line = capsys.readouterr().err
    assert line == (
        f"the-program: error: No module named 'tyro'. Install it: python -m {command}\n"
    )


def test_the_exit_code_is_mains(run):
    assert run(lambda: 3) == 3


@pytest.mark.parametrize("how", ["raised", "returned"])
def test_an_interrupted_program_leaves_without_clean_up(how, monkeypatch, capfd):
    class LeftError(Exception):
        pass

    def leave(code):
        raise LeftError(code)

    def main():
        if how == "raised":
            raise KeyboardInterrupt
        return 130

    monkeypatch.setattr(_program.signal, "signal", lambda *_: None)
    monkeypatch.setattr(_program.os, "_exit", leave)
    monkeypatch.setattr(sys, "argv", ["the-program"])
    with pytest.raises(LeftError, match="130"):
        _program.run(main, "train")


MODULES = {
    ("python", "-m", "jaxconv.train"): True,
    ("python", "-X", "dev", "-m", "jaxconv.train.cli", "--epochs", "1"): True,
    ("python", "-m", "pytest", "jaxconv"): False,
    ("python", "my.py", "-m", "jaxconv.train"): False,
    ("python", "-m", "mine"): False,
    ("python",): False,
}


@pytest.mark.parametrize(("words", "ours"), MODULES.items(), ids=map(" ".join, MODULES))
def test_only_our_own_modules_take_ctrl_c_over_at_import(words, ours, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", list(words))
    assert _program._is_the_program() == ours


def python(*arguments):
    """Start a program that Ctrl-C reaches.

    A shell that starts tests in the background has it ignored, and children inherit
    that; not so a handler.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    "module", fast(["jaxconv.train", "jaxconv.train.cli"], "jaxconv.train")
)
def test_the_modules_train_as_the_script_does(module):
    process = python("-m", module, "--epochs", "0")
    out, err = process.communicate(timeout=100)
    expected = (
        f"python -m {module}: error: --epochs must be a whole number of at least 1, "
        "got 0.\n"
    )
    assert (process.returncode, out, err) == (2, "", expected)


@pytest.mark.parametrize("words", [["scripts/train.py"], ["-m", "jaxconv.train"]])
def test_ctrl_c_during_the_imports_is_one_line(words):
    process = python("-X", "importtime", *words)
    for line in process.stderr:  # until JAX's own modules are being read
        if "jax._src" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=100)
    said = [line for line in err.splitlines() if not line.startswith("import time:")]
    assert said == ["Interrupted: stopped at once."]
    assert process.returncode == 130


def test_an_error_that_names_its_command_is_left_as_it_is(run, capsys):
    def main():
        raise ModuleNotFoundError("It needs x. Run pip install x.", name="x")

    assert run(main) == 2
    assert capsys.readouterr().err.endswith("error: It needs x. Run pip install x.\n")


def system(
    monkeypatch, name="Linux", said="always [madvise] never", library="glibc 2.35"
):
    """Pretend that this is another system."""
    kernel = types.SimpleNamespace(read_text=lambda: said)
    if said is None:
        kernel = Path("/no/such/file")
    monkeypatch.setattr(platform, "system", lambda: name)
    monkeypatch.setattr(_program, "_OF_THE_KERNEL", kernel)
    monkeypatch.setattr(os, "confstr", lambda name: library)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)


SYSTEMS = {
    "another system": ({"name": "Darwin"}, "Darwin does not give them"),
    "no huge pages": ({"said": None}, "this kernel has none"),
    "always": ({"said": "[always] madvise never"}, "to every program anyway"),
    "never": ({"said": "always madvise [never]"}, "to no program"),
    "another library": ({"library": None}, "another C library"),
    "old glibc": ({"library": "glibc 2.34"}, "from version 2.35 on, .* is glibc 2.34"),
    "glibc without a number": ({"library": "glibc next"}, "another C library"),
}


@pytest.mark.parametrize(("facts", "why"), SYSTEMS.values(), ids=SYSTEMS.keys())
def test_a_system_where_huge_pages_are_of_no_use_is_told(facts, why, monkeypatch):
    system(monkeypatch)
    assert _program.why_small_pages() is None
    system(monkeypatch, **facts)
    assert re.search(why, _program.why_small_pages() or "")


@pytest.fixture
def restarts(monkeypatch):
    """Note each restart, on a system where huge pages are for the asking."""
    seen = []
    monkeypatch.setattr(os, "execve", lambda *args: seen.append(args))
    system(monkeypatch)
    monkeypatch.setattr(sys, "argv", ["the-program", "--seed", "1"])
    monkeypatch.setattr(
        sys, "orig_argv", ["python", "-u", "the-program", "--seed", "1"]
    )
    return seen


def test_a_program_starts_anew_for_huge_pages(restarts, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    _program.restart_with_huge_pages()
    ((program, arguments, environment),) = restarts
    assert program == sys.executable
    assert arguments == [sys.executable, "-u", "the-program", "--seed", "1"]
    assert environment["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=1"
    assert "--no-huge-pages" in terminal.getvalue()


def test_a_program_does_not_start_anew_against_the_users_will(restarts, monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "")
    _program.restart_with_huge_pages()
    monkeypatch.delenv("GLIBC_TUNABLES")
    monkeypatch.setattr(sys, "argv", ["the-program", "--no-huge-pages", "--seed", "1"])
    _program.restart_with_huge_pages()
    assert sys.argv == ["the-program", "--seed", "1"]
    system(monkeypatch, said="[always] madvise never")
    _program.restart_with_huge_pages()
    assert restarts == []


def test_only_training_that_runs_starts_anew(restarts, run, monkeypatch):
    assert run(lambda: 0) == 0
    assert restarts == []
    monkeypatch.setattr(sys, "argv", ["the-program", "--help"])
    with pytest.raises(SystemExit):
        _program.run(lambda: 0, "train", huge_pages=True)
    assert restarts == []
    monkeypatch.setattr(sys, "argv", ["the-program"])
    with pytest.raises(SystemExit):
        _program.run(lambda: 0, "train", huge_pages=True)
    assert len(restarts) == 1
