"""Classify pictures by a trained model: predict.py RUN IMAGE... See --help."""

from _entry import run


def main() -> int:
    """Predict, and return the exit code."""
    from jaxconv.train.predict import main

    return main()


if __name__ == "__main__":
    run(main, "train")
