"""Where a step of a network spends its time: `bench.py profile NETWORK`."""

import contextlib
import dataclasses
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM = 3  # steps before the profile


@dataclasses.dataclass(frozen=True)
class Profile:
    """Show where a training step of a network spends its time, by kind of work.

    The kinds are convolutions by map, products, layout copies and so on; the dearest
    operations follow with their shapes and layers. It takes about a minute.
    """

    network: str
    """One of keras.applications, as in ResNet50; or of nn, as in "nn MobileNet"."""
    lax: bool = False
    """JAX's own convolutions in place of jaxconv's."""
    inference: bool = False
    """Inference in place of a training step."""
    steps: int = 8
    """How many steps are recorded; the faster half of them counts."""
    top: int = 10
    """How many of the dearest operations are shown."""
    batch_size: int = 8
    """Images in each step; of the small ones of nn's models eight times as many."""
    size: int = 96
    """Pixels on each side of an image of keras.applications."""
    dtype: str = "float32"
    """The type of parameters and images."""
    flags: str = ""
    """XLA_FLAGS, as in --flags=--xla_cpu_multi_thread_eigen=false."""
    hlo: Path | None = None
    """Write the compiled program to this file."""
    json: Path | None = None
    """Write every figure to this file."""


def profile(settings: Profile) -> int:
    """Record some steps, and print where their time goes."""
    from _networks import KERAS, NN

    from jaxconv._command_line import fail

    if settings.network not in KERAS + NN:
        names = ", ".join(KERAS + NN)
        return fail(f"NETWORK: {settings.network!r} is none of {names}", 2)
    for name in ("steps", "top", "batch_size", "size"):
        if getattr(settings, name) < 1:
            return fail(f"--{name.replace('_', '-')}: it must be at least 1", 2)
    load = os.getloadavg()[0]
    run = _Run(settings)
    plain = [run() for _ in range(settings.steps)]
    steps = run.recorded(settings.steps)
    print(f"load average before: {load:.1f} (quiet: about 0; else all is longer)")
    return _report(settings, run, statistics.median(plain), steps)


def _network(settings: Profile) -> tuple[Any, Any]:
    """Build the network; return the block that each contestant compiles it in, too."""
    from _networks import NN, keras_network

    name, batch, dtype = settings.network, settings.batch_size, settings.dtype
    if name in NN:
        from _networks_nn import WITHIN, nn_network

        return nn_network(name, batch, dtype), WITHIN
    from _network_times import PATCHED

    return keras_network(name, batch, settings.size, dtype), PATCHED


class _Run:
    """A compiled step, and the state that it goes on with."""

    def __init__(self, settings: Profile) -> None:
        import jax

        network, within = _network(settings)
        self._inference, self._state = settings.inference, network.state
        self._x, self._y = network.inputs[0]
        if settings.inference:
            step: Any = jax.jit(network.infer)
        else:
            step = jax.jit(network.train, donate_argnums=0)
        with within["lax" if settings.lax else "jaxconv"]():
            begin = time.perf_counter()
            lowered = step.lower(*self._arguments())
            self.traced = time.perf_counter() - begin
            self.compiled = lowered.compile()
            self.compile = time.perf_counter() - begin - self.traced
        for _ in range(WARM):
            self()

    def _arguments(self) -> tuple:
        more = () if self._inference else (self._y,)
        return self._state, self._x, *more

    def __call__(self, mark: Callable[[], Any] = contextlib.nullcontext) -> float:
        """Take a step; return its seconds."""
        import jax

        with mark():
            begin = time.perf_counter()
            result = jax.block_until_ready(self.compiled(*self._arguments()))
            seconds = time.perf_counter() - begin
        if not self._inference:
            self._state = result[0]
        return seconds

    def recorded(self, count: int) -> list[Any]:
        """Take some steps under the profiler, and return their times."""
        import jax
        from _profile_times import STEP, read, steps_of

        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0
        with tempfile.TemporaryDirectory() as folder:
            with jax.profiler.trace(folder, profiler_options=options):
                for _ in range(count):
                    self(lambda: jax.profiler.TraceAnnotation(STEP))
            file = next(Path(folder).rglob("*.xplane.pb"))
            return steps_of(read(str(file)))


def _report(settings: Profile, run: _Run, plain: float, steps: list[Any]) -> int:
    """Print the tables; write the figures where that is asked for."""
    from _profile_program import parse
    from _profile_table import (
        copied,
        kinds_of,
        rows_of,
        shown,
        shown_dearest,
        shown_threads,
    )
    from _profile_times import mean, quietest

    text = run.compiled.as_text()
    if settings.hlo is not None:
        settings.hlo.write_text(text)
    program, step = parse(text), mean(quietest(steps))
    cores = len(os.sched_getaffinity(0))
    rows = rows_of(program, step)
    kinds = kinds_of(rows, step, cores)
    sizes = _memory(run.compiled)
    what = "inference" if settings.inference else "training step"
    print(
        f"{settings.network}, {what}, {'lax' if settings.lax else 'jaxconv'}: "
        f"{1e3 * plain:.1f} ms, {step.wall / 1e6:.1f} ms under the profiler; "
        f"tracing {run.traced:.1f} s, compiling {run.compile:.1f} s"
    )
    print(
        f"{len(program.instructions):,} instructions; MB: "
        + ", ".join(f"{name} {size / 1e6:.1f}" for name, size in sizes.items())
        + f"; layout copies write {copied(rows) / 1e6:.1f} MB\n"
    )
    print(shown(kinds, step, cores), shown_threads(step), sep="\n\n", end="\n\n")
    print(shown_dearest(rows, settings.top))
    if settings.json is not None:
        found = {
            **{"network": settings.network, "what": what, "lax": settings.lax},
            **{"ms": 1e3 * plain, "profiled ms": step.wall / 1e6, "cores": cores},
            **{"tracing s": run.traced, "compiling s": run.compile},
            **{"instructions": len(program.instructions), "bytes": sizes},
            **{"copied bytes": copied(rows), "kinds": kinds, "operations": rows},
        }
        settings.json.write_text(json.dumps(found, indent=1))
    return 0


def _memory(compiled: Any) -> dict[str, int]:
    """Return what the program asks for, in bytes."""
    found = compiled.memory_analysis()
    sizes = {
        "arguments": found.argument_size_in_bytes,
        "temporary": found.temp_size_in_bytes,
        "result": found.output_size_in_bytes,
        "result in the arguments' place": found.alias_size_in_bytes,
    }
    peak = sum(sizes.values()) - 2 * found.alias_size_in_bytes
    return sizes | {"together": max(peak, getattr(found, "peak_memory_in_bytes", 0))}
