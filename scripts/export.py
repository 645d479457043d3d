"""Write a trained model as a program that runs without jaxconv. See --help."""

from _entry import run


def main() -> int:
    """Export, and return the exit code."""
    from jaxconv.train.export import main

    return main()


if __name__ == "__main__":
    run(main, "train")
