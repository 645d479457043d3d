"""Strict settings for every test, two tiers of them, and fixtures that files share.

`pytest` runs the fast tier: every kind of fact, on few seeds and mostly one method,
compiled without optimisation. `pytest --exhaustive` runs everything, compiled as users
compile; `-m "exhaustive or extras"` beside it leaves out what the fast tier ran. Tests
marked `extras` need a library that `.[test]` does not bring, and are skipped without.
"""

import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jaxlib.version
import jaxtyping
import numpy as np
import pytest

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_default_matmul_precision", "highest")

# What small programs compute is at stake, not their speed: so they compile in half the
# time and take half the memory.
UNOPTIMISED = "--xla_backend_optimization_level=0"
if jaxlib.version.__version_info__ < (0, 11, 1):  # unknown to later ones
    UNOPTIMISED += " --xla_cpu_use_fusion_emitters=false"
# Of these files a worker of pytest-xdist takes all tests: they share dear fixtures.
WHOLE = (
    "tests/test_chapter_channels.py",
    "tests/test_clients.py",
    "tests/train/test_processes.py",
    "tests/train/test_train.py",
)
# These share one server and one browser: one worker takes all of them.
IN_BROWSER = tuple(
    f"tests/explore/test_{name}.py"
    for name in ("code_page", "frame", "page", "toy_page")
)


def _memory_bytes() -> int:
    """Return the memory of the machine, or less where its container has less."""
    if sys.platform != "linux":
        return 0
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with contextlib.suppress(OSError, ValueError):  # no file, or no limit: "max"
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(found)


# A worker forgets what it has compiled beyond its share of a third of the memory, but
# not below 1000 MiB nor above 4000: each program holds some megabytes, and memory maps,
# of which Linux gives a process few.
_share = _memory_bytes() // (3 * int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
MOST_BYTES = min(max(_share, 1000 * 2**20), 4000 * 2**20)
# How much more it may hold before it forgets again, which takes a second.
FURTHER_BYTES = 400 * 2**20


_jaxtyped = jaxtyping.jaxtyped


def _check_outer_functions(**settings: Any) -> Any:
    """Decorate functions as jaxtyping's hook does, but for those within functions.

    They are defined anew in each call, and to decorate one takes a millisecond.
    """
    decorate = _jaxtyped(**settings)
    return lambda f: f if "<locals>" in getattr(f, "__qualname__", "") else decorate(f)


jaxtyping.jaxtyped = _check_outer_functions


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--exhaustive",
        action="store_true",
        help="run all tests, compiled with optimisation, not the fast tier alone",
    )


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("exhaustive"):
        _compile_fast()


def _compile_fast() -> None:
    """Let XLA read its flags now; code under test, and its processes, find none."""
    before = os.environ.get("XLA_FLAGS")
    os.environ["XLA_FLAGS"] = f"{before or ''} {UNOPTIMISED}"
    jax.devices()
    if before is None:
        del os.environ["XLA_FLAGS"]
    else:
        os.environ["XLA_FLAGS"] = before


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if config.getoption("exhaustive"):
        return
    left_out = [item for item in items if item.get_closest_marker("exhaustive")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal out tests one by one, but for files that stay whole, which come first."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            if file in IN_BROWSER:
                return "tests/explore"
            return file if file in WHOLE else nodeid

    return Scheduling(config, log)


_most_bytes = MOST_BYTES


def pytest_runtest_teardown() -> None:
    """Forget compiled programs before they fill the memory."""
    global _most_bytes
    if _resident_bytes() > _most_bytes:
        jax.clear_caches()
        gc.collect()
        with contextlib.suppress(OSError):  # of another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        _most_bytes = max(MOST_BYTES, _resident_bytes() + FURTHER_BYTES)


def _resident_bytes() -> int:
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def our_errors() -> Iterator[None]:
    """Switch off the hook that checks annotations: it would raise before we do."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
