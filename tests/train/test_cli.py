"""The command line and the script of training: help, mistakes, pipes and Ctrl-C."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxconv.train import Config
from jaxconv.train.cli import main
from tests.one_line import error_of
from tests.tiers import fast

ROOT = Path(__file__).resolve().parents[2]
QUICK = ["--max-batches", "30", "--max-test-images", "500", "--validate-every", "10"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "abc"], "Error parsing --epochs: invalid literal for int()"),
        (["--epochs", "0"], "--epochs must be a whole number of at least 1, got 0."),
        (
            ["--batch-size", "-3"],
            "--batch-size must be a whole number of at least 1, got -3.",
        ),
        (
            ["--learning-rate", "nan"],
            "--learning-rate must be a number above 0, got nan",
        ),
        (["--momentum", "1"], "--momentum must be at least 0 and below 1, got 1.0."),
        (["--seed", "-1"], "--seed must be a whole number of at least 0, got -1."),
        (["--num-classes", "0"], "--num-classes must be a whole number of at least 1"),
        (["--warm-up", "9", "--schedule", "one-cycle"], "--warm-up is for the sched"),
        (["--patience", "2"], "--patience counts validations on held-out images."),
        (["--resume"], "--resume needs the folder of a run. Set run to one."),
        (["--method", "fast"], "invalid choice 'fast' for argument '--method'."),
        (
            ["--method", "winograd"],
            'conv1: jaxconv: method "winograd" does not serve x',
        ),
        (["--max-batches", "1.5"], "Error parsing --max-batches: invalid literal"),
        (["--data-dir", "/no/" + "x " * 60], f"/no/{'x ' * 60}: no such folder"),
        (["--nope", "3"], "Unrecognized options: --nope, 3"),
        (["--epochs"], "Missing value for argument '--epochs'."),
        (["--data-dir", "/nowhere"], "/nowhere: no such folder. Check --data-dir."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_argument_is_one_line_and_code_2(arguments, message, capsys):
    code, err = error_of(main, arguments, capsys)
    assert code == 2
    assert f"error: {message}" in err


def test_help_explains_every_setting_with_its_default(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert stop.value.code == 0
    assert "--batch-size INT Images in each step. (default: 60)" in text
    assert "(default: 20190402)" in text
    assert text.count("(default:") == len(Config.__dataclass_fields__)


def test_divergence_is_one_line_and_code_1(capsys):
    assert main(["--learning-rate", "1e38", *QUICK]) == 1
    assert capsys.readouterr().err.count("\n") == 1


# The script, as its user runs it


# Ctrl-C as a terminal has it: a shell that starts tests in the background ignores it.
START = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
print("started", flush=True)
del sys.argv[0]
sys.path.insert(0, "scripts")
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def script(*arguments, **kwargs):
    """Start the script behind a line that says so: it must not start anew itself."""
    arguments = ["scripts/train.py", "--no-huge-pages", *arguments]
    command = [sys.executable, "-c", START, *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, **kwargs)


@pytest.mark.exhaustive
def test_the_script_prints_plain_lines_into_a_pipe():
    process = script(*QUICK, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    assert "\x1b" not in out
    lines = out.splitlines()
    assert lines[-2].startswith("The model's validation accuracy is ")
    assert lines[-1].startswith("Time for 30 batches, validation included: ")


@pytest.mark.exhaustive
@pytest.mark.parametrize("arguments", [QUICK, ["--help"]], ids=["run", "help"])
def test_a_reader_that_leaves_is_no_traceback(arguments):
    process = script(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=300) == 1


@pytest.mark.parametrize("seconds", fast([0.3, 1.0], 0.3))
def test_ctrl_c_before_the_training_loop_is_one_line(seconds):
    process = script(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == "started\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (130, "")
    assert err == "Interrupted: stopped at once.\n"


def read_terminal(master: int, until: str, seconds: float) -> str:
    """Read what a program shows on its terminal until `until` appears or it ends."""
    text, deadline = "", time.monotonic() + seconds
    while until not in text and time.monotonic() < deadline:
        if not select.select([master], [], [], 0.2)[0]:
            continue
        try:
            chunk = os.read(master, 4096)
        except OSError:  # the program has closed its side
            break
        if not chunk:
            break
        text += chunk.decode()
    return text


def test_the_script_shows_a_bar_on_a_terminal_and_ctrl_c_ends_it_cleanly():
    pty = pytest.importorskip("pty", reason="needs a POSIX terminal")
    master, slave = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    process = script(
        "--max-test-images", "100", stdout=slave, stderr=slave, env=environment
    )
    os.close(slave)
    shown = read_terminal(master, "batches is ", 300)
    process.send_signal(signal.SIGINT)
    shown += read_terminal(master, "never shown", 300)
    os.close(master)
    assert process.wait(timeout=60) == 130
    assert "Validation accuracy after 100 batches is " in shown
    assert "images/s" in shown
    assert "/1000" in shown
    assert "The model's validation accuracy is " in shown
    assert "Stopping after " in shown
    assert "Interrupted after " in shown
    assert "Traceback" not in shown
