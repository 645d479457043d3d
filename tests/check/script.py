"""The script verify.py, run in this process."""

import runpy
import sys

import pytest


def script(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the script and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["scripts/verify.py", *arguments])
    monkeypatch.syspath_prepend("scripts")
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path("scripts/verify.py", run_name="__main__")
    return stop.value.code
