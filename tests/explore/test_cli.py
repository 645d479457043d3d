"""The command: what goes wrong is one line, and the page is opened."""

import functools
import socket
import urllib.parse
import webbrowser
from pathlib import Path

import pytest

from jaxconv.explore import cli
from jaxconv.explore.server import Server
from jaxconv.train.runs import RunError
from tests.explore import small
from tests.one_line import error_of

called = functools.partial(error_of, cli.main)


BAD = {
    "--port 70000": "error: --port must be from 0 to 65535, got 70000.",
    "--port -1": "error: --port must be from 0 to 65535, got -1.",
    "--port eight": "--port",
    "--prot 1": "Did you mean --port?",
    "--code": "Did you mean --allow-code?",
    "page": "--help lists the options.",
}


@pytest.mark.parametrize(("given", "said"), BAD.items(), ids=BAD.keys())
def test_bad_options_are_one_line(given, said, capsys):
    code, line = called(given.split(), capsys)
    assert code == 2
    assert said in line


def test_a_port_in_use_is_one_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, line = called([f"--port={port}"], capsys)
    assert code == 2
    assert f"error: port {port} is in use, perhaps by another explorer." in line
    assert "--port 0 for any" in line


def test_a_port_that_may_not_be_had_is_one_line(capsys, monkeypatch):
    def refused(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Server, "server_bind", refused)
    code, line = called(["--port=80"], capsys)
    assert code == 2
    assert "error: port 80 cannot be had: Permission denied. Try --port 8765." in line


def test_a_folder_without_a_run_is_one_line(tmp_path, capsys, monkeypatch):
    def refused(run, say):
        raise RunError(f"{run}: holds no run.")

    monkeypatch.setattr(cli, "open_model", refused)
    code, line = called(["--port=0", f"--run={tmp_path}"], capsys)
    assert (code, line.endswith(f"error: {tmp_path}: holds no run.\n")) == (2, True)


@pytest.mark.parametrize("allow_code", [True, False])
@pytest.mark.parametrize("browser", [True, False])
def test_the_page_is_served_and_opened(allow_code, browser, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(cli, "open_model", lambda run, say: small.model())
    monkeypatch.setattr(cli, "warm_up", lambda model: None)
    monkeypatch.setattr("jaxconv.explore.checker.Child", lambda limit: Silent())
    monkeypatch.setattr(Server, "serve_forever", lambda self: None)
    monkeypatch.setattr(cli.threading, "Thread", lambda **facts: Now(facts, opened))
    given = (
        ["--port=0"] + ["--allow-code"] * allow_code + ["--no-browser"] * (not browser)
    )
    assert cli.main(given) == 0
    line = capsys.readouterr().out
    assert line.startswith("The page: http://127.0.0.1:")
    assert ("secret=" in line) == allow_code
    assert [url in line for url in opened] == [True] * browser


class Silent:
    def close(self):
        pass


class Now:
    """A thread that notes what it would open."""

    def __init__(self, facts, opened):
        self.start = lambda: opened.extend(facts["args"])


def test_a_secret_is_not_on_the_browsers_command_line(monkeypatch):
    seen = []

    def show(address):
        file = Path(urllib.parse.urlparse(address).path)
        seen.append((address, file, file.stat().st_mode & 0o777, file.read_text()))

    monkeypatch.setattr(cli, "_show", show)
    monkeypatch.setattr(cli, "_TO_START", 0)
    cli._open("http://127.0.0.1:1/?secret=abc")
    ((address, file, mode, text),) = seen
    assert address.startswith("file:///")
    assert mode == 0o600
    assert 'content="0; url=http://127.0.0.1:1/?secret=abc"' in text
    assert not file.exists()


def none():
    raise webbrowser.Error("could not locate runnable browser")


BROWSERS = {
    "none": none,
    "one in the terminal": lambda: webbrowser.GenericBrowser("true"),
    "one that fails": lambda: webbrowser.BackgroundBrowser("/no/such"),
}


@pytest.mark.parametrize("browser", BROWSERS.values(), ids=BROWSERS.keys())
def test_a_missing_browser_is_one_line(browser, monkeypatch, capsys):
    monkeypatch.setattr(webbrowser, "get", browser)
    monkeypatch.delenv("BROWSER", raising=False)
    cli._open("http://127.0.0.1:1/")
    assert capsys.readouterr().out == (
        "No browser was found: open the address yourself.\n"
    )
