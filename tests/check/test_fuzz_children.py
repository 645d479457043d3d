"""Processes that compute the fuzzer's cases end with what started them."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jaxconv.check import fuzz_cases

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pipe(monkeypatch):
    """Let the standard input be a pipe; return the end that its parent holds."""
    read, write = os.pipe()
    with open(read) as stdin, open(write, "w") as parent:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield parent


@pytest.fixture
def exits(monkeypatch):
    """Note the exit code with which a process would end at once."""
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    return codes


def test_a_process_ends_when_its_input_does(pipe, exits):
    before = threading.active_count()
    print("one\ntwo\n", file=pipe, flush=True)
    assert fuzz_cases.read_cases() == ["one", "two"]
    assert threading.active_count() == before + 1
    assert exits == []
    pipe.close()
    for _ in range(500):
        if exits:
            break
        time.sleep(0.01)
    assert exits == [1]


def test_cases_without_an_empty_line_are_computed(pipe, exits):
    before = threading.active_count()
    print("one\ntwo", file=pipe)
    pipe.close()
    assert fuzz_cases.read_cases() == ["one", "two"]
    assert threading.active_count() == before


CHILD = """
import os, time
from pathlib import Path
from jaxconv.check import fuzz_cases

def hang(line):
    Path(f"hangs-{os.getpid()}").touch()
    time.sleep(100)

fuzz_cases.check = hang
fuzz_cases.main(fuzz_cases.read_cases())
"""
PARENT = f"""
import sys
from jaxconv.check import fuzz, fuzz_children

class Hanging(fuzz_children.Children):
    def __init__(self, *given):
        super().__init__(*given)
        self._command = [sys.executable, "-c", {CHILD!r}]

fuzz.Children = Hanging
fuzz.fuzz([["onednn/float32/0/mb1ic1oc1iw1kw1"]] * 2)
"""


def runs(pid):
    """Return whether a process runs, which one that was not waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def until(holds, seconds):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


@pytest.mark.exhaustive
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_a_parent_that_is_killed_leaves_no_process_that_hangs(how, tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        assert until(lambda: len(list(tmp_path.iterdir())) == 2, 60)
    finally:
        parent.send_signal(how)
        parent.wait()
    children = [int(file.name.partition("-")[2]) for file in tmp_path.iterdir()]
    left = [pid for pid in children if not until(lambda pid=pid: not runs(pid), 10)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []
