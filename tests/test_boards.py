"""The script that learns the moves of games, and what is said where a package lacks."""

import subprocess
import sys
from pathlib import Path

import pytest

from jaxconv.data import chess, go

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "boards.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("reader", "package", "module"),
    [(go, "sgfmill", "sgfmill.sgf_grammar"), (chess, "chess", "chess.pgn")],
    ids=["go", "chess"],
)
def test_a_missing_library_is_named_with_its_extra(
    reader, package, module, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    message = rf'{reader.__name__}: needs the package {package}, .* -e "\.\[boards\]"'
    with pytest.raises(ModuleNotFoundError, match=message) as error:
        reader.read_game("(;SZ[5])" if package == "sgfmill" else "[A]")
    assert error.value.name == package


@pytest.mark.extras
def test_the_loss_falls_below_that_of_guessing_on_games_held_out_too():
    pytest.importorskip("sgfmill")
    done = run("--epochs", 1, "--filters", 16)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("60 games on 9 x 9 points; 6 of other sizes are")
    guess, last = done.stdout.splitlines()[-2:]
    for column in (-3, -2):  # the training games' loss, and the others'
        assert float(last.split()[2 + column + 3]) < float(
            guess.split()[1 + column + 3]
        )


@pytest.mark.extras
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--games", "nowhere"], "nowhere: holds 0 games of one size"),
        (["--epochs", "0"], "--epochs, --filters, --learning-rate must be positive"),
        (["--filters", "many"], "--filters"),
    ],
    ids=["no games", "no epochs", "no number"],
)
def test_bad_arguments_are_one_line(arguments, message):
    pytest.importorskip("sgfmill")
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "error: " in done.stderr
