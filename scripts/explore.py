"""Draw a digit, and see both passes of a convolution, in a browser. See --help."""

from _entry import run


def main() -> int:
    """Serve the page, and return the exit code."""
    from jaxconv.explore.cli import main

    return main()


if __name__ == "__main__":
    run(main, "train")
