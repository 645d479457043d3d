"""From a profiler's events to the time of each operation, none of it counted twice.

XLA's threads run operations one after the other; an operation hands parts of itself to
other threads, and a loop's event holds the events of its body. So each thread has a
stack of what it is at, and its time belongs to what is on top. A part that another
thread takes over belongs to the operation that handed it out: the profiler numbers it.
"""

import collections
import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

IDLE = ""  # on a stack: the thread waits
RUNTIME = "XLA's runtime"  # its thread, between operations
BEFORE = "a call before its operations"  # arguments, and memory for what it computes
AFTER = "a call after its operations"  # mostly memory that is given back
STEP = "a step of the profile"

_HANDED, _TAKEN = 15, 15  # the profiler's kind of event for a thread pool's parts
_RUNTIME = re.compile(r"ThunkExecutor::Execute$")
_CALL = re.compile(r"PjitFunction|ParseArguments|Execute\w*OnSingleDevice")


class Event(NamedTuple):
    """An event of a profile, in nanoseconds."""

    thread: str
    start: float
    duration: float
    name: str
    op: str = ""  # the instruction's name
    program: str = ""
    handed: int | None = None  # the number of a part given to the pool
    taken: int | None = None  # the number of a part that begins here


@dataclasses.dataclass
class Time:
    """What an operation took, in nanoseconds."""

    share: float = 0  # of the wall time, each moment shared by the threads at work
    threads: float = 0  # added up over the threads
    count: int = 0


@dataclasses.dataclass
class Step:
    """One step: its length, its operations, and how long each thread worked."""

    wall: float
    ops: dict[str, Time]
    busy: dict[str, float]
    idle: float = 0  # no thread at work


def read(file: str) -> list[Event]:
    """Read the events of a file that `jax.profiler.trace` wrote."""
    import jax

    profile = jax.profiler.ProfileData.from_file(file)
    return [
        _event(f"{line.name} #{number}", event)
        for plane in profile.planes
        for number, line in enumerate(plane.lines)
        for event in line.events
    ]


def _event(thread: str, event: Any) -> Event:
    stats = dict(event.stats)
    return Event(
        thread,
        event.start_ns,
        event.duration_ns,
        event.name,
        stats.get("hlo_op", ""),
        stats.get("hlo_module", ""),
        stats["_p"] if stats.get("_pt") == _HANDED else None,
        stats["_c"] if stats.get("_ct") == _TAKEN else None,
    )


def steps_of(events: Sequence[Event]) -> list[Step]:
    """Return the time of every operation in each of the marked steps.

    It goes through the events once, from one change on any thread to the next. What a
    step leaves behind, as memory that is given back, counts in the next one.
    """
    steps: list[Step] = []
    current: Step | None = None
    stacks: dict[str, list[str]] = collections.defaultdict(list)
    owners: dict[int, str] = {}
    now = 0.0
    for time, _, event, closes in _changes(events):
        if current is not None:
            _spend(current, stacks, time - now)
        now, stack = time, stacks[event.thread]
        if event.handed is not None:
            owners[event.handed] = _top(stack)
        elif closes:
            _close(stack)
        elif event.taken is not None:
            stack.append(owners.get(event.taken) or BEFORE)
        else:
            stack.append(_key(event))
            if event.op and current is not None:
                current.ops[event.op].count += 1
        if event.name == STEP:
            current = None if closes else _new_step(event.duration)
            steps += [current] if current else []
    return steps


def _close(stack: list[str]) -> None:
    """Take the top off; after the operations of a call the call is at its end."""
    done = stack.pop() if stack else BEFORE
    if _top(stack) == BEFORE and done != BEFORE:
        stack[-1] = AFTER


def _changes(events: Iterable[Event]) -> list[tuple]:
    """Return beginnings and ends in order of time: at one moment, ends come first.

    Of events that begin together the longest comes first, which holds the others.
    """
    changes: list[tuple] = []
    for event in events:
        if event.handed is not None:
            changes.append((event.start, (1, 0), event, False))
        elif event.taken is not None:
            changes.append((event.start, (2, 0), event, False))
        elif event.name.endswith("::StopRegion"):
            changes.append((event.start, (0, 0), event, True))
        elif event.duration > 0 and _is_work(event):
            last = event.start + event.duration
            changes.append((event.start, (2, -event.duration), event, False))
            changes.append((last, (0, 0), event, True))
    return sorted(changes, key=lambda change: change[:2])


def _is_work(event: Event) -> bool:
    """Return whether an event says what its thread does: work, or waiting for it."""
    return bool(
        event.op
        or _RUNTIME.search(event.name)
        or _CALL.search(event.name)
        or _waits(event)
        or event.name == STEP
    )


def _waits(event: Event) -> bool:
    return not event.op and ("wait for" in event.name or "::Await" in event.name)


def _key(event: Event) -> str:
    if event.op:
        return event.op
    if _waits(event) or event.name == STEP:
        return IDLE
    return RUNTIME if _RUNTIME.search(event.name) else BEFORE


def _top(stack: list[str]) -> str:
    return stack[-1] if stack else IDLE


def _spend(step: Step, stacks: dict[str, list[str]], time: float) -> None:
    """Give a stretch of time, in which nothing changes, to what the threads are at."""
    if time <= 0:
        return
    working = [(thread, _top(stack)) for thread, stack in stacks.items()]
    working = [(thread, key) for thread, key in working if key != IDLE]
    if not working:
        step.idle += time
    for thread, key in working:
        step.ops[key].share += time / len(working)
        step.ops[key].threads += time
        step.busy[thread] += time


def quietest(steps: Sequence[Step]) -> list[Step]:
    """Return the faster half of the steps, which other programs disturbed least."""
    return sorted(steps, key=lambda step: step.wall)[: (len(steps) + 1) // 2]


def _new_step(wall: float) -> Step:
    times: dict[str, Time] = collections.defaultdict(Time)
    return Step(wall, times, collections.defaultdict(float))


def mean(steps: Sequence[Step]) -> Step:
    """Return the mean step."""
    count = len(steps)
    whole = _new_step(0)
    for step in steps:
        whole.wall += step.wall / count
        whole.idle += step.idle / count
        for thread, time in step.busy.items():
            whole.busy[thread] += time / count
        for name, one in step.ops.items():
            whole.ops[name].share += one.share / count
            whole.ops[name].threads += one.threads / count
            whole.ops[name].count += one.count
    for one in whole.ops.values():
        one.count = round(one.count / count)
    return whole
