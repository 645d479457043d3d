"""The command line of training: a typed configuration in, an exit code out."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import jax

from jaxconv._command_line import as_options, fail, parse
from jaxconv.train.config import Config
from jaxconv.train.distributed import LostError, joint
from jaxconv.train.experiment import load_data, train
from jaxconv.train.measured import DivergedError
from jaxconv.train.observers import batches, make_display
from jaxconv.train.presets import take_preset
from jaxconv.train.result import Result

__all__ = ["closing_lines", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the arguments say, and return the exit code.

    0: done. 1: training diverged, or memory ran out. 2: a bad argument, bad data, or a
    folder that cannot be written. 130: interrupted.
    """
    return joint(lambda: _main(sys.argv[1:] if arguments is None else arguments))


def _main(given: Sequence[str]) -> int:
    """Do what `main` says, without waiting for other processes at the end."""
    try:
        preset, given = take_preset(given)
    except ValueError as error:
        return fail(str(error), 2)
    config = parse(Config, given, preset)
    if config.optimizer == "adam" and _sets("momentum", given):
        print("--momentum has no effect with --optimizer adam.", file=sys.stderr)
    try:
        return _find_rate(config) if config.find_learning_rate else _train(config)
    except (DivergedError, LostError) as error:
        return fail(as_options(str(error), Config), 1)
    except ValueError as error:
        return fail(as_options(str(error), Config), 2)
    except BrokenPipeError:  # the reader of standard output is gone
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return fail(f"{where}{error.strerror or error}.", 2)
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not _is_of_memory(error):
            raise
        return fail(
            f"out of memory with --batch-size {config.batch_size}. Try a lower one, "
            "and --accumulate for as many images in each update.",
            1,
        )


def _train(config: Config) -> int:
    """Train, say what was reached, and return the exit code."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    result = train(config, make_display(terminal))
    if jax.process_index() == 0:
        print(closing_lines(result, config))
    return 130 if result.interrupted else 0


def _find_rate(config: Config) -> int:
    """Propose a learning rate, and draw how the loss depends on it."""
    from jaxconv.train.models import make_model
    from jaxconv.train.rate_finder import find_learning_rate, plot

    data = load_data(config)
    found = find_learning_rate(make_model(config, len(data.classes)), data, config)
    folder = Path(config.run or ".").expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    plot(found, folder / "learning_rates.png")
    print(
        f"Tried {len(found.rates)} learning rates from {found.rates[0]:.0e} to "
        f"{found.rates[-1]:.1g}. The loss over them: {folder / 'learning_rates.png'}\n"
        f"Take about --learning-rate {found.suggestion:g}"
    )
    if found.losses[-1] < 2 * found.losses.min():
        print(
            "The loss has not risen: the data may be learned before the rates are too "
            "large. Look at the picture."
        )
    return 0


def closing_lines(result: Result, config: Config | None = None) -> str:
    """Say what a run reached, and where it is kept."""
    config = config or Config()
    on = f" on {config.held_out:,} held-out images" if config.held_out else ""
    if config.overfit_batches:
        on = " on the images it was trained on"
    ended = "Interrupted after" if result.interrupted else "Time for"
    lines = [
        f"The model's validation accuracy is {result.accuracy:.2%}{on}",
        f"{ended} {batches(result.batches)}, validation included: "
        f"{result.seconds:.1f} s",
    ]
    if config.run is not None:
        page = Path(config.run).expanduser() / "report.html"
        lines.append(f"Kept in {config.run}; to look at: {os.fspath(page)}")
    return "\n".join(lines)


def _sets(option: str, given: Sequence[str]) -> bool:
    """Whether the arguments set an option to any value."""
    return any(word.partition("=")[0] == f"--{option}" for word in given)


def _is_of_memory(error: BaseException) -> bool:
    """Whether there was not enough memory: XLA says so only in the message."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


if __name__ == "__main__":
    from jaxconv._program import run

    sys.argv[0] = "python -m jaxconv.train.cli"
    run(main, "train", huge_pages=True)
