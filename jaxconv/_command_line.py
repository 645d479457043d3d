"""Read settings, a dataclass, from the command line; report errors in one line."""

import contextlib
import dataclasses
import difflib
import io
import itertools
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from jaxconv._program import DEBUG

_Settings = TypeVar("_Settings")
_UNKNOWN = "Unrecognized options: "  # tyro's words
_LACKING = "Missing from "


def parse(
    settings: type[_Settings],
    arguments: Sequence[str] | None,
    default: _Settings | None = None,
) -> _Settings:
    """Read the arguments into a dataclass; exit with one line and code 2 if bad.

    `--help` prints every field with its docstring and its default: the dataclass's own,
    or that of `default`. Fields without a default are positional arguments.
    """
    import tyro  # an extra: whoever calls says what is missing

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), _wide_unless_help(arguments):
            given: dict[str, Any] = {} if default is None else {"default": default}
            unnamed = (tyro.conf.PositionalRequiredArgs,)
            return tyro.cli(settings, args=arguments, config=unnamed, **given)
    except SystemExit as stop:
        if stop.code:
            line = as_options(_one_line(said.getvalue(), settings), settings)
            raise SystemExit(fail(line, 2)) from None
        raise


def fail(message: str, code: int) -> int:
    """Print the message to standard error, as a program does, and return the code.

    With --debug, the traceback of the error that is being handled comes before.
    """
    if DEBUG in os.environ and sys.exc_info()[0] is not None:
        traceback.print_exc()
    print(f"{sys.argv[0]}: error: {message}", file=sys.stderr)
    return code


def as_options(text: str, settings: type) -> str:
    """Replace settings that a message names by their options: `a_b` by `--a-b`.

    Names of one word stay, as the message may use the word in its usual meaning.
    """
    for name in (field.name for field in dataclasses.fields(settings)):
        if "_" in name:
            option = f"--{name.replace('_', '-')}"
            text = re.sub(rf"(?<![\w/.-]){name}(?![\w/]|\.\w)", option, text)
    return text


def nearest(word: str, options: Sequence[str]) -> str | None:
    """Return the option that an unknown word probably stands for.

    The word may be its initials, lack its hyphens, be a part of it, or be misspelt.

    >>> nearest("--lr", ["batch-size", "learning-rate"])
    'learning-rate'
    """
    word = word.lstrip("-").partition("=")[0].lower().replace("_", "-")
    if not word:
        return None
    for alike in (
        lambda option: word == "".join(part[0] for part in option.split("-")),
        lambda option: word.replace("-", "") == option.replace("-", ""),
        lambda option: option.startswith(word) or word.startswith(option),
        lambda option: word in option.split("-"),
    ):
        if found := [option for option in options if alike(option)]:
            return found[0]
    close = difflib.get_close_matches(word, options, n=1)
    return close[0] if close else None


@contextlib.contextmanager
def _wide_unless_help(arguments: Sequence[str] | None) -> Iterator[None]:
    """Print errors on lines so long that none is wrapped."""
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


def _one_line(panel: str, settings: type) -> str:
    """Take the message out of tyro's panel: the lines between title and next rule."""
    lines = [line.strip("│| \t") for line in panel.splitlines()]
    body = [line for line in lines if line][1:]
    text = itertools.dropwhile(_is_rule, body)
    message = " ".join(itertools.takewhile(lambda line: not _is_rule(line), text))
    message = message.removeprefix(f"Error parsing {settings.__name__}: ")
    if message.startswith(_LACKING):
        name = message.partition(": ")[2].partition(" ")[0]
        return f"{name} is missing. --help says what it is."
    fields = [
        field.name
        for field in dataclasses.fields(settings)
        if field.default is not dataclasses.MISSING
    ]
    if message.startswith(_UNKNOWN):
        return f"{message}. {_meant(message.removeprefix(_UNKNOWN), fields)}"
    name, _, rest = message.partition(" ")
    if name in fields:
        return f"--{name.replace('_', '-')} {rest}"
    return message


def _meant(unknown: str, fields: Sequence[str]) -> str:
    """Propose an option for the first unknown word that resembles one."""
    words = unknown.split(", ")
    options = [field.replace("_", "-") for field in fields]
    for word in sorted(words, key=lambda word: not word.startswith("-")):
        if near := nearest(word, options):
            return f"Did you mean --{near}?"
    return "--help lists the options."


def _is_rule(line: str) -> bool:
    return not line.strip("─-╭╮╰╯ ")
