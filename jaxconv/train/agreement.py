"""Agreement among the processes of a run: on settings, errors, and when to stop."""

import contextlib
import os
import signal
import zlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from jaxconv.train._abort import flush


def check_same(values: dict[str, Any]) -> None:
    """Raise ValueError, in all processes, where one has other values than process 0."""
    if jax.process_count() == 1:
        return
    from jax.experimental import multihost_utils

    sums = [zlib.crc32(repr(value).encode()) for value in values.values()]
    with _without_output():  # the library that connects the processes prints messages
        found = multihost_utils.process_allgather(np.array(sums, np.uint32))
    unequal = found != found[0]
    if not unequal.any():
        return
    other = int(unequal.any(axis=1).argmax())
    names = [name for name, bad in zip(values, unequal[other], strict=True) if bad]
    raise ValueError(
        f"{', '.join(names)} must be the same in all processes, but process {other} "
        "has another value than process 0."
    )


@contextlib.contextmanager
def raised_in_all() -> Iterator[None]:
    """Raise an error of process 0 in all processes; all must reach the block's end."""
    failed: Exception | None = None
    try:
        yield
    except Exception as error:
        failed = error
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        text = str(failed or "").encode()[:1000]
        padded = np.frombuffer(text.ljust(1000, b"\0"), np.uint8)
        told = multihost_utils.broadcast_one_to_all(padded)
        message = np.asarray(told).tobytes().rstrip(b"\0").decode(errors="ignore")
        if message and not failed:
            raise ValueError(message)
    if failed is not None:
        raise failed


def stop_together(step: int, asked: bool) -> bool:
    """Return whether to stop before this step: the same in all processes.

    It is called before each step. One process that was asked to stop, or got SIGTERM,
    stops all of them, a few steps later.
    """
    if jax.process_count() == 1:
        return asked
    from jax.experimental import multihost_utils

    if asked:
        os.kill(os.getpid(), signal.SIGTERM)  # JAX's notice: it tells the others
    return multihost_utils.reached_preemption_sync_point(step)


@contextlib.contextmanager
def _without_output() -> Iterator[None]:
    """Discard what C++ writes to standard output."""
    flush()
    try:
        kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # there is no standard output
        yield
        return
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
