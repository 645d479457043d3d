"""Time jaxconv, JAX's own convolutions and PyTorch in turn, in one process.

    python scripts/bench.py ops     output and gradients of 25 layers, in two layouts
    python scripts/bench.py layers  pooling and dense layers of jaxconv.nn
    python scripts/bench.py rules   what each rule of "auto" gains
    python scripts/bench.py train   the training steps of three models
    python scripts/bench.py nets    whole networks: training step, inference, memory;
                                    writes its section, and the table in README.md
    python scripts/bench.py profile NETWORK
                                    where the time of a network's step goes
    python scripts/bench.py devices training on 1 and 2 devices and processes
    python scripts/bench.py report  ops and train; writes scripts/BENCHMARKS.md and
                                    its chart

Each has its --help. They need: pip install -e '.[bench]'

Memory is in pages of the usual size, as in a program that does nothing about it. For
huge pages begin with python -m jaxconv.hugepages scripts/bench.py, for all contestants.
"""

import dataclasses
import itertools
import os
import sys
from pathlib import Path
from typing import Any

from _benchmark_report import BenchmarkReport, report
from _devices import Devices, devices
from _entry import run
from _nets_table import Nets, nets
from _profile import Profile, profile
from _progress import bar, write


@dataclasses.dataclass(frozen=True)
class Ops:
    """Time output, input gradient, filter gradient, and all three in one jitted step.

    They are compared with lax and jax.vjp and, where it is installed, PyTorch. It takes
    about ten minutes.
    """

    quick: bool = False
    """A third of the layers, each half as long: about two minutes."""
    only: str = ""
    """Only the layers with this in their name, as in "depthwise" or "NHWC"."""
    methods: bool = False
    """Also time each method by name."""
    seconds: float = 1.0
    """How long each map of each layer is timed; compiling comes on top."""
    flags: str = ""
    """XLA_FLAGS for jaxconv and lax alike, such as
    --flags=--xla_cpu_multi_thread_eigen=false."""
    json: Path | None = None
    """Write every figure to this file."""


@dataclasses.dataclass(frozen=True)
class Layers:
    """Time max pooling and Dense, forward and gradients, against plain JAX and PyTorch.

    It takes about half a minute.
    """

    quick: bool = False
    """Fewer layers, each half as long."""
    only: str = ""
    """Only the layers with this in their name, as in "pool" or "NHWC"."""
    seconds: float = 1.0
    """How long each map of each layer is timed; compiling comes on top."""
    flags: str = ""
    """XLA_FLAGS for jaxconv and plain JAX alike."""
    json: Path | None = None
    """Write every figure to this file."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """Take each rule of "auto" away in turn, and time what that changes.

    With oneDNN and without: the three maps of every layer whose plan changes and, with
    --steps, the training steps of the models. It takes about a quarter of an hour.
    """

    only: str = ""
    """Only the rules that take a method or arrangement of this name."""
    seconds: float = 0.5
    """How long each layer is timed; compiling comes on top."""
    steps: bool = False
    """Also time the training steps, each for 8 times as long."""
    json: Path | None = None
    """Write every figure to this file."""


@dataclasses.dataclass(frozen=True)
class Train:
    """Time training steps of the chapter's model, a small ResNet and a MobileNet.

    The first is jaxconv's own; the other two are Flax's, on lax and, under
    jaxconv.patch(), on jaxconv. It takes about two minutes.
    """

    quick: bool = False
    """A third of the time."""
    only: str = ""
    """Only the models with this in their name."""
    seconds: float = 30.0
    """How long each model is timed; compiling comes on top."""
    batch_size: int = 60
    """Images in each step."""
    flags: str = ""
    """XLA_FLAGS for jaxconv and lax alike."""
    json: Path | None = None
    """Write every figure to this file."""


def main() -> int:
    """Run a benchmark, and return the exit code."""
    kinds: dict[str, tuple[type, Any]] = {
        "ops": (Ops, ops),
        "layers": (Layers, layers_of_nn),
        "rules": (Rules, rules),
        "train": (Train, train),
        "nets": (Nets, nets),
        "profile": (Profile, profile),
        "devices": (Devices, devices),
        "report": (BenchmarkReport, report),
    }
    if sys.argv[1:2] and sys.argv[1] in ("-h", "--help"):
        print(f"usage: bench.py {{{','.join(kinds)}}} [--help]\n\n{__doc__.strip()}")
        return 0
    if not sys.argv[1:] or sys.argv[1] not in kinds:
        print(f"usage: bench.py {{{','.join(kinds)}}} [--help]", file=sys.stderr)
        return 2
    flags = [word for word in sys.argv if word.startswith("--flags=")]
    if flags:  # before JAX starts
        os.environ["XLA_FLAGS"] = flags[0].removeprefix("--flags=")
    from jaxconv._command_line import parse

    kind, run_it = kinds[sys.argv[1]]
    return run_it(parse(kind, sys.argv[2:]))


def ops(settings: Ops) -> int:
    """Time every layer; print a table, and write what is asked for."""
    from _measure import announce, time_layer
    from _suite import layers
    from _terminal import print_layers

    from jaxconv._command_line import fail

    chosen = [one for one in layers(settings.quick) if settings.only in one.key]
    if not chosen:
        return fail(f"--only: no layer has {settings.only!r} in its name", 2)
    where, torch = announce()
    seconds = itertools.repeat(settings.seconds / (2 if settings.quick else 1))
    rows = []
    for layer in bar(chosen, "Timing layers"):
        rows += time_layer(layer, seconds, settings.methods, torch)
    print_layers(rows)
    write(settings.json, {"where": where, "rows": rows})
    return 0


def layers_of_nn(settings: Layers) -> int:
    """Time pooling and dense layers; print a table, and write what is asked for."""
    from _layers import names, shown, time_it
    from _measure import announce

    from jaxconv._command_line import fail

    chosen = [name for name in names(settings.quick) if settings.only in name]
    if not chosen:
        return fail(f"--only: no layer has {settings.only!r} in its name", 2)
    where, torch = announce()
    seconds = settings.seconds / (2 if settings.quick else 1)
    rows: list[dict[str, Any]] = []
    for name in bar(chosen, "Timing layers"):
        rows += time_it(name, seconds, torch)
    print(shown(rows))
    write(settings.json, {"where": where, "rows": rows})
    return 0


def rules(settings: Rules) -> int:
    """Print what each rule gains, most and least, and where."""
    from _measure import announce
    from _rules import gains, gains_of_steps, tried

    where, _ = announce()
    rows: list[dict[str, Any]] = []
    for table, rule in tried():
        if settings.only not in rule.take:
            continue
        name = f"{table}: {rule.take}, {rule.because}"
        found = list(gains(table, rule, settings.seconds))
        if settings.steps:
            found += gains_of_steps(table, rule, 8 * settings.seconds)
        print(f"\n{name}" + ("" if found else "\n  changes no plan"))
        for one in sorted(found, key=lambda one: -one["gain"]):
            print(
                f"  {one['gain']:6.2f}  {one['what']} ({one['ms']:.2f} ms)", flush=True
            )
        rows += [{"rule": name, **one} for one in found]
    write(settings.json, {"where": where, "rows": rows})
    return 0


def train(settings: Train) -> int:
    """Time every model's step; print the time of an epoch, and the ratios."""
    from _measure import announce, time_model
    from _nets import INPUTS
    from _terminal import print_steps

    from jaxconv._command_line import fail

    chosen = [name for name in INPUTS if settings.only in name]
    if not chosen:
        return fail(f"--only: no model has {settings.only!r} in its name", 2)
    where, torch = announce()
    seconds = settings.seconds / (3 if settings.quick else 1)
    rows: list[dict[str, Any]] = []
    for model in chosen:
        found = time_model(model, seconds, settings.batch_size, torch)
        print_steps(found)
        rows += found
    write(settings.json, {"where": where, "rows": rows})
    return 0


if __name__ == "__main__":
    run(main, "bench")
