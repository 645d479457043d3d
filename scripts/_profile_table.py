"""What `bench.py profile` prints: kinds of work, threads and dearest operations."""

import collections
from typing import Any

from _profile_flops import flops_of
from _profile_kinds import COPIES, KINDS, OTHER, Kind, kind_of, layer_of, passes
from _profile_program import Program
from _profile_times import AFTER, BEFORE, RUNTIME, Step

WAITING = "waiting"
_LEGEND = """
ms: of the step's time, each moment shared equally by the threads at work, so that the
column adds up to the step. thread ms: added up over the threads, of {cores} cores'
time; a thread that waits within an operation counts as busy. MB: written as results.\
"""
Row = dict[str, Any]


def rows_of(program: Program, step: Step) -> list[Row]:
    """Return a row for each operation that took time, the dearest first."""
    rows = []
    for name, time in step.ops.items():
        one = program.find(name)
        row: Row = {"op": name, "ms": time.share / 1e6, "thread ms": time.threads / 1e6}
        row |= {"times": time.count, "bytes": 0, "flops": 0}
        row |= {"arrays": "", "layer": "", "pass": ""}
        if one is None:
            known = name in (RUNTIME, BEFORE, AFTER)
            kind = Kind(OTHER, name if known else "another program")
        else:
            kind = kind_of(program, one)
            row |= {"bytes": one.bytes * time.count, "arrays": program.arrays(one)}
            row["flops"] = flops_of(program, one) * time.count
            row |= {"layer": layer_of(program, one), "pass": passes(one.op_name)}
        rows.append(row | {"kind": kind.kind, "how": kind.how})
    return sorted(rows, key=lambda row: -row["ms"])


def kinds_of(rows: list[Row], step: Step, cores: int) -> list[Row]:
    """Return a row for each kind of work, one for each way of doing it, and waiting."""
    found = []
    for kind in KINDS:
        own = [row for row in rows if row["kind"] == kind]
        if not own:
            continue
        found.append(_sum(own) | {"kind": kind, "how": ""})
        ways = collections.defaultdict(list)
        for row in own:
            ways[row["how"]].append(row)
        several = [
            _sum(some) | {"kind": kind, "how": how} for how, some in ways.items()
        ]
        found += sorted(several, key=lambda row: -row["ms"])
    busy = sum(step.busy.values())
    waiting = max(0, cores * step.wall - busy)
    row = {"kind": WAITING, "how": "", "ms": step.idle / 1e6, "ops": 0}
    row |= {"bytes": 0, "flops": 0}
    return [*found, row | {"thread ms": waiting / 1e6}]


def _sum(rows: list[Row]) -> Row:
    total: Row = {key: sum(row[key] for row in rows) for key in ("ms", "thread ms")}
    total |= {key: sum(row[key] for row in rows) for key in ("bytes", "flops")}
    return total | {"ops": sum(row["times"] for row in rows)}


def shown(kinds: list[Row], step: Step, cores: int) -> str:
    """Return the table of kinds as text."""
    wall = step.wall / 1e6
    heads = {"ms": 8, "share": 7, "thread ms": 11, " share": 7, "ops": 7, "MB": 8}
    heads |= {"GFLOP/s": 9}
    lines = ["".join([" " * 43, *(f"{head:>{n}}" for head, n in heads.items())])]
    for row in kinds:
        name = f"  {row['how']}" if row["how"] else row["kind"]
        lines.append(
            f"{name:43.43}{row['ms']:8.2f}{row['ms'] / wall:7.1%}"
            f"{row['thread ms']:11.2f}{row['thread ms'] / wall / cores:7.1%}"
            f"{row['ops']:7,}{row['bytes'] / 1e6:8.1f}{_speed(row):>9}"
        )
    lines.append(
        f"{'the whole step':43}{wall:8.2f}{1:7.1%}{cores * wall:11.2f}{1:7.1%}"
    )
    lines.append(_LEGEND.format(cores=cores))
    return "\n".join(lines)


def _speed(row: Row) -> str:
    """Return the operations a second, in thousand millions; nothing without any."""
    return f"{row['flops'] / row['ms'] / 1e6:.0f}" if row["flops"] and row["ms"] else ""


def shown_threads(step: Step) -> str:
    """Return a line for each thread: how long it worked, and how long it waited."""
    lines = []
    for thread, busy in sorted(step.busy.items(), key=lambda pair: -pair[1]):
        waits = (step.wall - busy) / 1e6
        name = thread.partition("/")[0].removeprefix("tf_")
        lines.append(f"  {name:24} busy {busy / 1e6:8.2f} ms, waiting {waits:8.2f} ms")
    return "\n".join(["threads", *lines])


def shown_dearest(rows: list[Row], count: int) -> str:
    """Return the dearest operations, two lines each."""
    lines = [f"the {count} dearest operations"]
    own = [row for row in rows if row["op"] not in (RUNTIME, BEFORE, AFTER)]
    for row in own[:count]:
        times = f" x {row['times']}" if row["times"] > 1 else ""
        how = f", {row['how']}" if row["how"] else ""
        speed = f", {_speed(row)} GFLOP/s" if row["flops"] else ""
        lines.append(
            f"{row['ms']:8.2f} ms ({row['thread ms']:.2f} thread ms){times}  "
            f"{row['kind']}{how}{speed}  [{row['op']}]"
        )
        if row["arrays"]:
            lines.append(f"{'':12}{row['layer']} {row['pass']}: {row['arrays']}")
    return "\n".join(lines)


def copied(rows: list[Row]) -> int:
    """Return the bytes that layout copies write in a step."""
    return sum(row["bytes"] for row in rows if row["kind"] == COPIES)
