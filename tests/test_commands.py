"""The commands that pip installs."""

import sys

import pytest

from jaxconv import _commands, _program


@pytest.mark.parametrize("command", ["train", "predict", "export", "explore"])
def test_each_command_runs_its_program(command, monkeypatch, capsys):
    def run(main, extra, *, huge_pages):
        assert (extra, huge_pages) == ("train", command == "train")
        raise SystemExit(main())

    monkeypatch.setattr(_commands, "run", run)
    monkeypatch.setattr(sys, "argv", [f"/bin/jaxconv-{command}", "--zzz"])
    with pytest.raises(SystemExit) as stop:
        getattr(_commands, command)()
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith(f"jaxconv-{command}: error: ")


STARTED = {
    "/usr/bin/jaxconv-train": True,
    r"jaxconv-predict.exe": True,
    "jaxconv-mine.py": False,
    "/usr/bin/pytest": False,
    "": False,
}


@pytest.mark.parametrize(("program", "ours"), STARTED.items(), ids=STARTED.keys())
def test_only_our_commands_take_ctrl_c_over_at_import(program, ours, monkeypatch):
    monkeypatch.setattr(sys, "argv", [program])
    monkeypatch.setattr(sys, "orig_argv", ["python", program])
    assert _program._is_the_program() == ours
