"""The command line of the page: a typed configuration in, an exit code out."""

import dataclasses
import errno
import functools
import os
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from jaxconv._command_line import fail, parse
from jaxconv.explore.model import open_model
from jaxconv.explore.server import Server
from jaxconv.explore.state import make_state
from jaxconv.explore.warm import warm_up
from jaxconv.nn import WeightsError
from jaxconv.train.runs import RunError

_TO_START = 60  # seconds in which a browser reads the file that leads to the page


@dataclasses.dataclass(frozen=True)
class Explore:
    """Draw a digit, and see both passes of a convolution.

    Serves a page to this computer's own browser, and to nothing outside it, until
    Ctrl-C.

    Raises:
      ValueError: there is no such port.
    """

    port: int = 8765
    """The port on this computer under which the page is found; 0: any that is free."""

    browser: bool = True
    """Whether to open the page in a browser."""

    run: Path | None = None
    """The folder of a run made by training with --run, for the model. None: the
    chapter's model, which is trained on first use, in seconds."""

    allow_code: bool = False
    """Let the page's checker run functions that are pasted into it. They run as you,
    on this computer, and can do whatever you can. Open the page by the address that is
    printed: the secret in it keeps out other users of the computer."""

    def __post_init__(self) -> None:
        """Check the port."""
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be from 0 to 65535, got {self.port}.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C, and return the exit code.

    2: a bad argument, a port that is in use, or a folder that holds no run.
    """
    asked = parse(Explore, arguments)
    try:
        server = Server(asked.port, asked.allow_code)  # before the model is trained
    except OSError as error:
        return fail(_why_not(asked.port, error), 2)
    with server:
        say = functools.partial(print, flush=True)
        try:
            model = open_model(asked.run, say)
        except (RunError, WeightsError) as error:
            return fail(str(error), 2)
        warm_up(model)
        with make_state(model, asked.allow_code) as state:
            server.answer_from(state)
            say(f"The page: {server.url}  Ctrl-C ends it.")
            if asked.browser:
                threading.Thread(target=_open, args=(server.url,), daemon=True).start()
            server.serve_forever()
    return 0


def _why_not(port: int, error: OSError) -> str:
    """Say why the port cannot be had."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is in use, perhaps by another explorer. Take another: --port "
            f"{port + 1 if port < 65535 else port - 1}, or --port 0 for any."
        )
    return f"port {port} cannot be had: {error.strerror or error}. Try --port 8765."


def _open(url: str) -> None:
    """Open the page in a browser.

    The command line of a browser can be read by every user of the computer. An address
    with a secret is opened by way of a file, which only its owner can read.
    """
    if "?secret=" not in url or os.name != "posix":
        return _show(url)
    with tempfile.NamedTemporaryFile("w", suffix=".html") as file:
        print(f'<meta http-equiv="refresh" content="0; url={url}">', file=file)
        file.flush()
        _show(Path(file.name).as_uri())
        time.sleep(_TO_START)


def _show(url: str) -> None:
    """Let a browser show an address; say so where there is none."""
    try:
        browser = webbrowser.get()
        # A browser that runs in the terminal would take it over, unless it was chosen.
        shows = type(browser) is not webbrowser.GenericBrowser
        opened = (shows or "BROWSER" in os.environ) and browser.open(url)
    except (webbrowser.Error, OSError):
        opened = False
    if not opened:
        print("No browser was found: open the address yourself.", flush=True)


if __name__ == "__main__":
    from jaxconv._program import run

    sys.argv[0] = "python -m jaxconv.explore.cli"
    run(main, "train")
