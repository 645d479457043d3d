"""The command line: a typed configuration in, an exit code out."""

import contextlib
import dataclasses
import io
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

import tyro

from jaxconv.conv.methods import MethodError
from jaxconv.data import DatasetError
from jaxconv.train.config import Config
from jaxconv.train.loop import DivergedError, Result, train
from jaxconv.train.report import make_report

_Settings = TypeVar("_Settings")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the arguments say, and return the exit code.

    0: done. 1: training diverged. 2: a bad argument or bad data. 130: interrupted.
    """
    config = parse(Config, arguments)
    terminal = sys.stdout is not None and sys.stdout.isatty()
    try:
        result = train(config, make_report(terminal))
    except (DatasetError, MethodError) as error:
        return fail(str(error), 2)
    except DivergedError as error:
        return fail(str(error), 1)
    print(closing_lines(result))
    return 130 if result.interrupted else 0


def parse(settings: type[_Settings], arguments: Sequence[str] | None) -> _Settings:
    """Read the arguments into a dataclass; exit with one line and code 2 if bad.

    `--help` prints every field with its docstring and its default.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), _wide_unless_help(arguments):
            return tyro.cli(settings, args=arguments)
    except SystemExit as stop:
        if stop.code:
            raise SystemExit(fail(_one_line(said.getvalue(), settings), 2)) from None
        raise


@contextlib.contextmanager
def _wide_unless_help(arguments: Sequence[str] | None) -> Iterator[None]:
    """Have errors printed on lines so long that none is wrapped."""
    given = sys.argv[1:] if arguments is None else arguments
    columns = os.environ.get("COLUMNS")
    if not {"-h", "--help"} & set(given):
        os.environ["COLUMNS"] = "10000"
    try:
        yield
    finally:
        os.environ.pop("COLUMNS", None)
        if columns is not None:
            os.environ["COLUMNS"] = columns


def fail(message: str, code: int) -> int:
    """Print the message to standard error, as a program does, and return the code."""
    print(f"{sys.argv[0]}: error: {message}", file=sys.stderr)
    return code


def closing_lines(result: Result) -> str:
    """Say what a run reached."""
    first = f"The model's validation accuracy is {result.accuracy:.2%}"
    ended = "Interrupted after" if result.interrupted else "Time for"
    return (
        f"{first}\n{ended} {result.batches:,} batches, validation included: "
        f"{result.seconds:.1f} s"
    )


def _one_line(panel: str, settings: type) -> str:
    """Take the message out of tyro's panel: what stands between title and next rule."""
    lines = [line.strip("│| \t") for line in panel.splitlines()]
    body = [line for line in lines if line][1:]
    text = itertools.dropwhile(_is_rule, body)
    message = " ".join(itertools.takewhile(lambda line: not _is_rule(line), text))
    message = message.removeprefix(f"Error parsing {settings.__name__}: ")
    name, _, rest = message.partition(" ")
    if name in {field.name for field in dataclasses.fields(settings)}:
        return f"--{name.replace('_', '-')} {rest}"
    return message


def _is_rule(line: str) -> bool:
    return not line.strip("─-╭╮╰╯ ")
