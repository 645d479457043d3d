"""`python -m jaxconv.train`: what `scripts/train.py` does, wherever jaxconv is."""

import sys

from jaxconv._program import run


def main() -> int:
    """Train, and return the exit code."""
    from jaxconv.train.cli import main

    return main()


if __name__ == "__main__":
    sys.argv[0] = "python -m jaxconv.train"
    run(main, "train", huge_pages=True)
