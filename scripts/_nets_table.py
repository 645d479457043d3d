"""Whole networks, timed and as tables: `bench.py nets` runs it."""

import dataclasses
import gc
import json
import sys
from pathlib import Path
from typing import Any, Literal

import _sections
from _networks import KERAS, NN
from _progress import write

ROOT = Path(__file__).parents[1]
QUICK = ("ResNet50", "MobileNetV2")
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Nets:
    """Time whole networks: a training step and inference, by lax, jaxconv and PyTorch.

    Six of keras.applications, without weights, on lax and, under jaxconv.patch(), on
    jaxconv; and five models of jaxconv.nn, which on lax call lax's convolution. In
    PyTorch they are the same networks. Compile time and memory are beside. It takes
    about a quarter of an hour. Run it on a machine that does nothing else, as it is and
    by python -m jaxconv.hugepages scripts/bench.py nets.
    """

    quick: bool = False
    """ResNet50 and MobileNetV2 only, for a third of the time."""
    only: str = ""
    """Only the networks with this in their name."""
    seconds: float = 15.0
    """How long each map of each network is timed; compiling comes on top."""
    batch_size: int = 8
    """Images in each step, of 96 x 96 pixels; of smaller ones eight times as many."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of weights and images."""
    losses: bool = False
    """Time nothing: compare the losses of 10 steps by lax and by jaxconv in float64."""
    json: Path | None = None
    """Write every figure to this file, after each network."""
    from_json: tuple[Path, ...] = ()
    """Measure nothing: write figures that --json wrote into BENCHMARKS.md, a table for
    each file in place of one of its kind, and the last into README.md."""
    to: Path | None = None
    """With --from-json: write into this file alone, not into the two."""


def nets(settings: Nets) -> int:
    """Measure, or read what was measured; print it or write the section."""
    from jaxconv._command_line import fail

    if settings.from_json:
        runs = [json.loads(file.read_text()) for file in settings.from_json]
        return _write_section(runs, settings.to)
    known = QUICK if settings.quick else (*KERAS, *NN)
    chosen = [name for name in known if settings.only in name]
    if not chosen:
        return fail(f"--only: no network has {settings.only!r} in its name", 2)
    if settings.batch_size < 1:
        return fail(f"--batch-size: at least 1, got {settings.batch_size}", 2)
    return (_compare_losses if settings.losses else _time)(settings, chosen)


def _time(settings: Nets, chosen: list[str]) -> int:
    """Time the networks; print a line for each map, and the tables."""
    from _measure import announce
    from _nets_page import line, tables

    where, torch = announce()
    seconds = settings.seconds / (3 if settings.quick else 1)
    run: Row = {"where": where, "rows": []}
    for name in chosen:
        rows = _timed(name, settings, seconds, torch)
        for row in rows:
            print(line(row), flush=True)
        run["rows"] += rows
        write(settings.json, run)
        _forget()
    print(f"\n{tables(run)}")
    return 0


def _timed(name: str, settings: Nets, seconds: float, torch: bool) -> list[Row]:
    from _network_times import time_network

    network, within = _built(name, settings.batch_size, settings.dtype)
    twin = _twin(name, network.inputs, settings.dtype) if torch else None
    batch = len(network.inputs[0][0])
    facts = {"network": name, "dtype": settings.dtype, "batch": batch}
    return time_network(facts, network, twin, seconds, within)


def _built(name: str, batch: int, dtype: str) -> tuple[Any, Any]:
    """Return a network, and the blocks that lax and jaxconv compile it in."""
    if name in KERAS:
        from _network_times import PATCHED
        from _networks import keras_network

        return keras_network(name, batch, dtype=dtype), PATCHED
    from _networks_nn import WITHIN, nn_network

    return nn_network(name, batch, dtype), WITHIN


def _twin(name: str, inputs: list[Any], dtype: str) -> Any:
    """Return the same network in PyTorch."""
    from _networks_torch import NETWORKS, stepping

    if name in KERAS:
        return stepping(NETWORKS[name](), inputs, dtype, last=True)
    from _networks_nn import twin

    return stepping(twin(name), inputs, dtype, last=False)


def _compare_losses(settings: Nets, chosen: list[str]) -> int:
    """Print both loss curves' largest relative difference, for each network."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from _network_times import losses

    rows = []
    for name in chosen:
        network, within = _built(name, settings.batch_size, "float64")
        found = losses(network, within=within)
        pairs = zip(found["jaxconv"], found["lax"], strict=True)
        worst = max(abs(ours - theirs) / abs(theirs) for ours, theirs in pairs)
        print(
            f"{name}: losses of {len(found['lax'])} steps in float64, from "
            f"{found['lax'][0]:.3f} to {found['lax'][-1]:.3f}, differ by {worst:.1e}",
            flush=True,
        )
        rows.append({"network": name, "difference": worst, **found})
        write(settings.json, {"losses": rows})
        _forget()
    return 0


def _write_section(runs: list[Row], to: Path | None) -> int:
    """Write the section of BENCHMARKS.md on networks, and README's table."""
    from _nets_page import section, smallest

    file = to or ROOT / "scripts" / "BENCHMARKS.md"
    page = file.read_text() if file.is_file() else ""
    old = _sections.section_of(page, "nets")
    file.write_text(_sections.with_section(page, "nets", section(runs, old)))
    if to is None:
        readme = ROOT / "README.md"
        text = readme.read_text()
        readme.write_text(_sections.with_section(text, "nets", smallest(runs[-1])))
    return 0


def _forget() -> None:
    """Give back what a network's programs and weights hold."""
    import jax

    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()
    jax.clear_caches()
    gc.collect()
