"""Load `jaxconv/_program.py`, which starts and ends every script.

It is loaded from its file: importing the package would import JAX, and Ctrl-C and
missing packages must be caught before that.
"""

import os
import signal
from types import ModuleType


def _leave(*_: object) -> None:
    os.write(2, b"Interrupted: stopped at once.\n")
    os._exit(130)


if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # until `run` sets its own
    signal.signal(signal.SIGINT, _leave)


def _load() -> ModuleType:
    """Run the package's file and return it as a module."""
    import importlib.util
    from pathlib import Path

    file = Path(__file__).resolve().parents[1] / "jaxconv" / "_program.py"
    spec = importlib.util.spec_from_file_location("_program", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run = _load().run
