"""`python -m jaxconv.explore`: what `scripts/explore.py` does."""

import sys

from jaxconv._program import run


def main() -> int:
    """Serve the page, and return the exit code."""
    from jaxconv.explore.cli import main

    return main()


if __name__ == "__main__":
    sys.argv[0] = "python -m jaxconv.explore"
    run(main, "train")
