"""The benchmark's whole report: `bench.py report` runs it."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _progress import bar, write
from _sections import kept

SHARE_OF_TRAINING = 0.15  # of a report's time


@dataclasses.dataclass(frozen=True)
class BenchmarkReport:
    """Time all layers and models and write what the documentation shows of them.

    It writes scripts/BENCHMARKS.md but for the sections of other commands, and its
    chart scripts/benchmarks.png, from the same figures. Run it on a machine that does
    nothing else.
    """

    minutes: float = 18.0
    """About how long the whole run takes, compiling included."""
    only: str = ""
    """Only layers and models with this in their name; needs --to."""
    flags: str = ""
    """XLA_FLAGS for jaxconv and lax alike."""
    to: Path | None = None
    """Write BENCHMARKS.md and the chart into this folder."""
    json: Path | None = None
    """Write every figure to this file, after each layer."""
    from_json: Path | None = None
    """Measure nothing: write the report of figures that --json wrote."""


def report(settings: BenchmarkReport) -> int:
    """Measure, or read what was measured, and write tables and chart."""
    import matplotlib  # noqa: F401  if it is missing, say so before measuring

    from jaxconv._command_line import fail

    if settings.only and settings.to is None:
        return fail("--only: a partial report would replace the whole one: add --to", 2)
    if settings.from_json is not None:
        results = json.loads(settings.from_json.read_text())
        if not {"where", "ops", "train", "only"} <= set(results):
            return fail(
                f"--from-json: {settings.from_json} was not written by `report`",
                2,
            )
        if results["only"] and settings.to is None:
            return fail(f"--from-json: it holds {results['only']!r} only: add --to", 2)
    else:
        results = {}
        for results in _measured(settings):  # the last is the whole
            write(settings.json, results)
        if not results:
            return fail(f"--only: nothing has {settings.only!r} in its name", 2)
    from _chart import draw
    from _report import CHART, ROOT, benchmarks

    folder = ROOT / "scripts" if settings.to is None else settings.to
    folder.mkdir(parents=True, exist_ok=True)
    draw(results["ops"], results["where"], folder / CHART)
    page = folder / "BENCHMARKS.md"
    before = page.read_text() if page.is_file() else ""
    page.write_text(kept(before, benchmarks(results)))
    print(f"Written: {page}")
    return 0


def _measured(settings: BenchmarkReport) -> Iterator[dict[str, Any]]:
    """Time models and layers, and yield all results so far after each."""
    from _measure import announce, time_layer, time_model
    from _nets import INPUTS
    from _suite import layers, maps_of
    from _timing import shares

    models = [name for name in INPUTS if settings.only in name]
    chosen = [one for one in layers(quick=False) if settings.only in one.key]
    if not models and not chosen:
        return
    where, torch = announce()
    results: dict[str, Any] = {"where": where, "only": settings.only}
    results |= {"train": [], "ops": []}
    whole = 60 * settings.minutes
    for_models = whole * (SHARE_OF_TRAINING if chosen else 1) if models else 0
    seconds = shares(for_models, len(models))
    for model in bar(models, "Timing models"):
        results["train"] += time_model(model, next(seconds), 60, torch)
        yield results
    cells = sum(len(maps_of(layer)) for layer in chosen)
    seconds = shares(whole - for_models, cells)
    for layer in bar(chosen, "Timing layers"):
        results["ops"] += time_layer(layer, seconds, False, torch)
        yield results
