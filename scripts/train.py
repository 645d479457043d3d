"""Train a model on MNIST; without arguments, the chapter's experiment. See --help."""

import sys

if __name__ == "__main__":
    try:
        from jaxconv.train.cli import main

        sys.exit(main())
    except ModuleNotFoundError as error:
        sys.exit(f"{error}. Install it: python -m pip install -e '.[train]'")
    except KeyboardInterrupt:
        sys.exit("Interrupted before there was anything to keep.")
