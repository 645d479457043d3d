"""The command line: a typed configuration in, an exit code out."""

import sys
from collections.abc import Sequence

import jax

from jaxconv.conv.methods import MethodError
from jaxconv.data import DatasetError
from jaxconv.train.config import Config
from jaxconv.train.experiment import train
from jaxconv.train.measured import DivergedError
from jaxconv.train.options import fail, parse
from jaxconv.train.presets import take_preset
from jaxconv.train.report import batches, make_report
from jaxconv.train.result import Result

__all__ = ["closing_lines", "fail", "main", "parse"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the arguments say, and return the exit code.

    0: done. 1: training diverged, or memory ran out. 2: a bad argument or bad data.
    130: interrupted.
    """
    given = sys.argv[1:] if arguments is None else arguments
    try:
        preset, given = take_preset(given)
    except ValueError as error:
        return fail(str(error), 2)
    config = parse(Config, given, preset)
    if config.optimizer == "adam" and _sets("momentum", given):
        print("--momentum has no effect with --optimizer adam.", file=sys.stderr)
    terminal = sys.stdout is not None and sys.stdout.isatty()
    try:
        result = train(config, make_report(terminal))
    except (DatasetError, MethodError) as error:
        return fail(str(error), 2)
    except DivergedError as error:
        return fail(str(error), 1)
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not _is_of_memory(error):
            raise
        return fail(
            f"out of memory with --batch-size {config.batch_size}. Try a lower one.", 1
        )
    print(closing_lines(result))
    return 130 if result.interrupted else 0


def closing_lines(result: Result) -> str:
    """Say what a run reached."""
    first = f"The model's validation accuracy is {result.accuracy:.2%}"
    ended = "Interrupted after" if result.interrupted else "Time for"
    return (
        f"{first}\n{ended} {batches(result.batches)}, validation included: "
        f"{result.seconds:.1f} s"
    )


def _sets(option: str, given: Sequence[str]) -> bool:
    """Whether the arguments set an option, to whatever value."""
    return any(word.partition("=")[0] == f"--{option}" for word in given)


def _is_of_memory(error: BaseException) -> bool:
    """Whether there was not enough memory: XLA says so in words only."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


if __name__ == "__main__":
    from jaxconv._program import run

    sys.argv[0] = "python -m jaxconv.train.cli"
    run(main, "train", huge_pages=True)
