"""How training scales over devices, computed from the formulas below.

Every number on the page comes out of `arithmetic`, from the times of a step that it is
given; `tests/test_devices_page.py` compares.
"""

import dataclasses
import math
import textwrap
from collections.abc import Sequence
from typing import Any

COUNTS = (8, 16, 32, 64, 128, 256, 512, 1024)


@dataclasses.dataclass(frozen=True)
class Link:
    """What joins the devices: bytes a second each way, and seconds for a message."""

    name: str
    bandwidth: float
    latency: float


@dataclasses.dataclass(frozen=True)
class Net:
    """A model: its gradients' numbers, and the layers that normalise over the batch."""

    name: str
    gradients: int
    norms: int


LINKS = (
    Link("10 Gbit/s Ethernet", 1.25e9, 30e-6),
    Link("100 Gbit/s Ethernet", 12.5e9, 10e-6),
    Link("400 Gbit/s InfiniBand", 50e9, 5e-6),
    Link("NVLink-class", 450e9, 3e-6),
)
NETS = {
    "chapter5": Net("chapter5", 251_690, 0),
    "resnet20": Net("resnet20", 269_434, 19),
    "ResNet-50": Net("ResNet-50", 25_557_032, 53),
}
SMALL = 4  # all-reduces for each layer that normalises: two forward, two back


def ring_bytes(gradients: int, devices: int) -> float:
    """Return the bytes that each device sends in a ring: 2 (n - 1) / n of all."""
    return 2 * (devices - 1) / devices * 4 * gradients


def large_seconds(gradients: int, devices: int, link: Link) -> float:
    """Return the time of the gradients' all-reduce, by a ring or a tree."""
    ring = ring_bytes(gradients, devices) / link.bandwidth
    ring += 2 * (devices - 1) * link.latency
    tree = 2 * 4 * gradients / link.bandwidth + _tree(devices, link)
    return min(ring, tree)


def seconds(net: Net, devices: int, link: Link) -> float:
    """Return the time that a step's communication takes."""
    small = SMALL * net.norms * _tree(devices, link)
    return large_seconds(net.gradients, devices, link) + small


def efficiency(net: Net, step: float, devices: int, link: Link) -> float:
    """Return the share of time spent computing; communication is not overlapped."""
    return step / (step + seconds(net, devices, link))


def best_count(net: Net, batch: int, step: float, link: Link) -> tuple[int, float]:
    """Return how many devices, a power of 2, finish one batch first, and the speed-up.

    One device takes `step` seconds for the batch, n take `step` / n and communicate.
    Each has at least one image.
    """
    counts = [2**k for k in range(1, 11) if 2**k <= batch]
    speeds = [step / (step / n + seconds(net, n, link)) for n in counts]
    best = max(range(len(counts)), key=speeds.__getitem__)
    return (counts[best], speeds[best]) if speeds[best] > 1 else (1, 1.0)


def _tree(devices: int, link: Link) -> float:
    return 2 * math.ceil(math.log2(devices)) * link.latency


FORMULAS = """\
bytes = 2 (n - 1) / n * 4 * parameters           each device sends, in a ring
ring  = bytes / bandwidth + 2 (n - 1) * latency
tree  = 2 * 4 * parameters / bandwidth + 2 ceil(log2 n) * latency
small = 4 * normalising layers * 2 ceil(log2 n) * latency
communication = min(ring, tree) + small
efficiency    = step / (step + communication)    each device has a batch of its own
speed-up      = step / (step / n + communication)           all share one batch
"""
HOW = (
    "Gradients are float32. A step has one all-reduce that carries all gradients and "
    "the loss, after the whole backward pass: nothing hides it. A layer that "
    "normalises over the batch adds four small ones, which wait for each other: the "
    "sums of its mean and its variance, and those of their gradients; a layer that "
    "normalises within an image adds none. A batch that is filled up adds one or two "
    "counts of its rows. Libraries choose a ring or a tree by size; here the faster "
    "one is taken."
)


def arithmetic(steps: dict[str, tuple[int, float, str]]) -> str:
    """Return the page's part on 8 to 1,024 devices.

    Args:
      steps: for each of `NETS`, images in a device's batch, seconds of its step, and
        where that was measured.
    """
    links = "; ".join(
        f"{link.name} {link.bandwidth / 1e9:g} GB/s each way and "
        f"{link.latency * 1e6:g} µs a message"
        for link in LINKS
    )
    times = "; ".join(
        f"{name} {seconds * 1e3:.1f} ms for {batch} images, {where}"
        for name, (batch, seconds, where) in steps.items()
    )
    parts = [
        "### Arithmetic for 8 to 1,024 devices",
        wrapped(HOW),
        f"```text\n{FORMULAS}```",
        wrapped(f"Links, assumed: {links}. Steps of one device: {times}."),
        "Megabytes that each device sends in a step:",
        table(
            ("devices", *NETS),
            [
                (
                    n,
                    *(f"{ring_bytes(net.gradients, n) / 1e6:.2f}" for net in _nets()),
                )
                for n in COUNTS
            ],
        ),
    ]
    for name, (batch, step, _) in steps.items():
        parts += _of_net(NETS[name], batch, step)
    parts += [
        wrapped(
            "Where it stops paying, if all devices share one batch of the size above: "
            "the number of devices, a power of 2, that ends a step soonest, and the "
            "speed-up. More devices than images have nothing to do."
        ),
        table(
            ("model", *(link.name for link in LINKS)),
            [
                (name, *(_best(NETS[name], batch, step, link) for link in LINKS))
                for name, (batch, step, _) in steps.items()
            ],
        ),
    ]
    return "\n\n".join(parts)


def _of_net(net: Net, batch: int, step: float) -> list[str]:
    """Return the table of one model: communication, and what is left of the speed."""
    rows = [
        (
            n,
            *(
                f"{seconds(net, n, link) * 1e3:.2f} ms, "
                f"{efficiency(net, step, n, link):.0%}"
                for link in LINKS
            ),
        )
        for n in COUNTS
    ]
    return [
        wrapped(
            f"{net.name}, {batch} images on each device: communication in a step, and "
            "the efficiency. Below 50% the devices wait longer than they compute."
        ),
        table(("devices", *(link.name for link in LINKS)), rows),
    ]


def _best(net: Net, batch: int, step: float, link: Link) -> str:
    count, speed = best_count(net, batch, step, link)
    return f"{count}: {speed:.1f} times as fast" if count > 1 else "1: none helps"


def _nets() -> list[Net]:
    return list(NETS.values())


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table of Markdown."""
    first, *others = (f"| {' | '.join(map(str, line))} |" for line in (header, *rows))
    return "\n".join([first, "|" + "---|" * len(header), *others])


def wrapped(text: str) -> str:
    """Return text in lines of at most 88 columns."""
    return textwrap.fill(text, 88, break_long_words=False, break_on_hyphens=False)
