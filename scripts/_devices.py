"""Measure training on 1 and 2 devices and processes: `bench.py devices` runs it."""

import dataclasses
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from _scaling import arithmetic, table, wrapped
from _sections import with_section

ROOT = Path(__file__).parents[1]
BATCHES = {"chapter5": 60, "resnet20": 120}
WAYS = {  # processes, devices of each, whether each has one core and a batch of its own
    "1 process, 1 device": (1, 1, False),
    "1 process, 2 devices": (1, 2, False),
    "2 processes, 1 device each": (2, 1, False),
    "1 process on one core": (1, 1, True),
    "2 processes, a core and a batch each": (2, 1, True),
}
# One such device trains about 2,500 images a second in mixed precision.
RESNET50 = (256, 0.1, "assumed, as a graphics processor of 2020 takes")
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Devices:
    """Time training on 1 and 2 devices and processes; write it into BENCHMARKS.md.

    The page's arithmetic for more devices is written from the same times. It takes
    about five minutes. Run it on a machine that does nothing else.
    """

    rounds: int = 5
    """How often each way is timed, in turn; the medians are shown."""
    seconds: float = 4.0
    """How long each timing takes; starting and compiling come on top."""
    json: Path | None = None
    """Write every figure to this file."""
    to: Path | None = None
    """Write into this file, not into scripts/BENCHMARKS.md."""


def devices(settings: Devices) -> int:
    """Measure, and write the section."""
    from _timing import circumstances

    where = circumstances(False)
    rows: list[Row] = []
    for number in range(settings.rounds):
        for model, batch in BATCHES.items():
            for way, shares in WAYS.items():
                speed = measured(model, batch, *shares, settings.seconds)
                row = {"model": model, "way": way, "images_per_second": speed}
                rows.append(row | {"round": number})
                print(f"{model}, {way}: {speed:,.0f} images/s", flush=True)
    if settings.json is not None:
        settings.json.write_text(json.dumps({"where": where, "rows": rows}, indent=1))
    file = settings.to or ROOT / "scripts" / "BENCHMARKS.md"
    before = file.read_text() if file.is_file() else ""
    file.write_text(with_section(before, "devices", section(where, rows)))
    return 0


def section(where: Row, rows: list[Row]) -> str:
    """Return the section of BENCHMARKS.md on devices and processes."""
    speeds = {
        (model, way): statistics.median(
            row["images_per_second"]
            for row in rows
            if (row["model"], row["way"]) == (model, way)
        )
        for model in BATCHES
        for way in WAYS
    }
    first = next(iter(WAYS))
    steps = {
        # as the page shows it, so that its numbers follow from the page
        model: (batch, round(batch / speeds[model, first], 4), "measured above")
        for model, batch in BATCHES.items()
    }
    lines = [
        (way, *(f"{speeds[model, way]:,.0f}" for model in BATCHES)) for way in WAYS
    ]
    titles = [f"{model}, batches of {batch}" for model, batch in BATCHES.items()]
    count = len({row["round"] for row in rows})
    return "\n\n".join(
        [
            "## More devices and more processes",
            wrapped(
                "`python scripts/bench.py devices` writes this section. Images a "
                f"second in training: medians of {count} rounds, each way in turn, on "
                f"{where['processor']}, {where['cores']} cores, jax {where['jax']}; "
                f"load average before {where['load before']} (quiet: about 0). All "
                "devices are parts of this one processor: the first three ways share "
                "its cores and one batch, so they show what sharing costs, and no gain "
                "can be seen. In the last two each process is bound to one core and "
                "has a whole batch: two do the more work than one, the less their "
                "communication costs. Processes talk over the loopback by gloo."
            ),
            table(("images/s", *titles), lines),
            arithmetic(steps | {"ResNet-50": RESNET50}),
        ]
    )


def measured(
    model: str, batch: int, processes: int, count: int, bound: bool, seconds: float
) -> float:
    """Return images a second of all processes, measured by new ones.

    Where they are `bound`, each has a core, and a batch of its own.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(count), "PYTHONPATH": paths}
    started = []
    for number in range(processes):
        work: Row = {"model": model, "batch": batch, "seconds": seconds}
        if bound:
            work |= {"core": number, "batch": processes * batch}
        if processes > 1:
            work |= {"port": port, "processes": processes, "number": number}
        command = [sys.executable, __file__, json.dumps(work)]
        started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        )
    try:
        said = [process.communicate(timeout=300)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    return float(said[0].split()[-1])


def _work(work: Row) -> None:
    """Train for some seconds, and print images a second; all processes do the same."""
    if "core" in work:  # before JAX counts the cores
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[work["core"] % len(cores)]})
    from jaxconv.data import load_mnist
    from jaxconv.train import Config, init_state, make_optimizer, make_step
    from jaxconv.train.batches import Batches
    from jaxconv.train.devices import Devices
    from jaxconv.train.distributed import start
    from jaxconv.train.models import make_model
    from jaxconv.train.scaling import scaling_of

    several: Row = {}
    if "port" in work:
        several = {
            "coordinator": f"127.0.0.1:{work['port']}",
            "num_processes": work["processes"],
            "process_id": work["number"],
        }
    config = Config(model=work["model"], batch_size=work["batch"], **several)
    start(config)
    devices, train = Devices(0), load_mnist()[0]
    batches = Batches(train, scaling_of(train[0]), work["batch"], devices)
    model, optimizer = make_model(config, 10), make_optimizer(config)
    state = devices.replicate(init_state(model, optimizer, batches.shape, 0))
    parts = config.microbatches if devices.count == 1 else 1
    step = make_step(model, optimizer, parts, sharding=devices.whole)

    def run(first: int, count: int) -> float:
        nonlocal state
        begin = time.perf_counter()
        for number in range(first, first + count):
            state, metrics = step(state, *batches.at(number, 0)[:3])
            if number % 10 == 9:
                metrics.loss.block_until_ready()
        metrics.loss.block_until_ready()
        return time.perf_counter() - begin

    run(0, 3)
    # All take the first process's count of steps, so that none waits at the end.
    count = max(10, int(work["seconds"] / run(3, 10) * 10))
    if several:
        import numpy as np
        from jax.experimental import multihost_utils

        count = int(multihost_utils.broadcast_one_to_all(np.int32(count)))
    print(count * work["batch"] / run(13, count))


if __name__ == "__main__":
    _work(json.loads(sys.argv[1]))
