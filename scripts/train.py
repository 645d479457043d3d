"""Train a model on MNIST; without arguments, the chapter's experiment. See --help."""

from _entry import run


def main() -> int:
    """Train, and return the exit code."""
    from jaxconv.train.cli import main

    return main()


if __name__ == "__main__":
    run(main, "train", huge_pages=True)
