"""The commands that pip installs: `jaxconv-train` and others do what the scripts do."""

import importlib
import sys
from typing import NoReturn

from jaxconv._program import run


def train() -> NoReturn:
    """Train a model, as `scripts/train.py`."""
    _run("jaxconv-train", "jaxconv.train.cli", huge_pages=True)


def predict() -> NoReturn:
    """Classify pictures, as `scripts/predict.py`."""
    _run("jaxconv-predict", "jaxconv.train.predict")


def export() -> NoReturn:
    """Export a trained model, as `scripts/export.py`."""
    _run("jaxconv-export", "jaxconv.train.export")


def explore() -> NoReturn:
    """Show both passes of a convolution on a page, as `scripts/explore.py`."""
    _run("jaxconv-explore", "jaxconv.explore.cli")


def _run(command: str, module: str, *, huge_pages: bool = False) -> NoReturn:
    sys.argv[0] = command  # for messages, without the folder that pip put it into
    run(lambda: importlib.import_module(module).main(), "train", huge_pages=huge_pages)
