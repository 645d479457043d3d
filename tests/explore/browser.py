"""The page in a real browser: one server for all tests, a fresh tab for each.

Playwright's Python package drives Chromium. Without either, the tests are skipped. A
tab notes what goes wrong in it (errors of scripts, messages of the console, requests to
other servers), and the test that opened it fails at its end if there was any.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = "chromium", "chromium-browser", "google-chrome"
START_SECONDS, ANSWER_SECONDS = 120, 10
# The settings of every tab: nothing moves, so that pictures of it are the same.
WIDTHS, THEMES = (400, 1024, 1920), ("light", "dark")


class Served(NamedTuple):
    """A running server: where it is, and the folder in which it keeps its model.

    `url` opens the page, and holds the secret with which the page may run code.
    """

    address: str
    url: str
    cache: Path

    def post(self, name: str, **body: Any) -> dict[str, Any]:
        """Ask the server as the page does, and return its answer."""
        request = urllib.request.Request(
            f"{self.address}/api/{name}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def served(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Start `python -m jaxconv.explore` on a free port, and end it after all tests.

    After the browser: without one, tests are skipped at once.
    """
    cache = tmp_path_factory.mktemp("cache")
    yield from serve(cache)


def serve(cache: Path, *options: str) -> Iterator[Served]:
    """Yield a server that a process runs; end the process when resumed."""
    command = [sys.executable, "-m", "jaxconv.explore", "--no-browser", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--allow-code", *options],
        cwd=ROOT,
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    too_late = threading.Timer(START_SECONDS, process.kill)
    too_late.start()
    try:
        url = _url(process)
        too_late.cancel()
        yield Served(url.partition("/?")[0], url, cache)
    finally:
        too_late.cancel()
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _url(process: subprocess.Popen[str]) -> str:
    """Return the address that the server prints once it answers."""
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise RuntimeError(f"the server ended before it answered: {printed}")


def chromium_path() -> str | None:
    """Return the browser's path, or None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Start one headless Chromium for all tests."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = chromium_path()
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is there")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any, served: Served) -> Iterator[Callable[..., Any]]:
    """Return `open_page(section, width=1280, theme="light")`: a tab with that section.

    When the test ends, it fails if the tab complained.
    """
    opened = []

    def opener(section: str, *, width: int = 1280, theme: str = "light") -> Any:
        tab, complaints = new_tab(chromium, served, width, theme)
        opened.append((tab, complaints))
        tab.goto(f"{served.url}#{section}")
        tab.wait_for_selector(f"#{section} [data-test]", state="visible")
        return tab

    yield opener
    heard = []
    for tab, complaints in opened:
        tab.context.close()
        heard += complaints
    assert not heard, heard


def settle(tab: Any, section: str) -> None:
    """Wait until a section has all answers that it asked for.

    By a selector: the page's content security policy forbids the evaluation of strings.
    """
    tab.wait_for_selector(f'#{section}[data-busy="0"]', state="attached")


def new_tab(
    chromium: Any, served: Served, width: int, theme: str, **settings: Any
) -> tuple[Any, list[str]]:
    """Open an empty tab, and return it with the list of complaints that it fills."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,
        **{"reduced_motion": "reduce"} | settings,
    )
    context.set_default_timeout(1000 * ANSWER_SECONDS)
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    tab.on("console", lambda message: _note(message, complaints))
    tab.on("request", lambda request: _foreign(request.url, served, complaints))
    return tab, complaints


def _note(message: Any, complaints: list[str]) -> None:
    if message.type in ("error", "warning"):
        complaints.append(f"{message.type}: {message.text}")


def _foreign(url: str, served: Served, complaints: list[str]) -> None:
    if not url.startswith((f"{served.address}/", "data:", "blob:")):
        complaints.append(f"asked another server: {url}")
