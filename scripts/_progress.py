"""What every command of `bench.py` does: show progress, write its figures."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def bar(things: list[Any], title: str) -> Iterable[Any]:
    """Return the things, with a progress bar where a terminal shows it."""
    from rich.progress import track

    return track(things, title, disable=not sys.stdout.isatty())


def write(file: Path | None, results: dict[str, Any]) -> None:
    """Write results as JSON, if a file is given."""
    if file is not None:
        file.write_text(json.dumps(results, indent=1) + "\n")
