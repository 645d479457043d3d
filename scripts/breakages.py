"""Break the code line by line and see that the tests fail. See --help.

Each breakage of `tests/breakages.toml` is made in a copy of the working tree, where the
fast tests that it names must then fail. Exit code 0: at least 95 % do. 1: fewer do, or
tests could not run. 2: a text that a breakage replaces is not in its file exactly once,
or a bad argument.

They are listed by hand because tools such as mutmut and cosmic-ray make thousands, and
each needs a process of its own: seconds to import JAX, then those of its tests.
"""

import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests" / "breakages.toml"
LEAST = 0.95  # the share that must be found


class Breakage(NamedTuple):
    """A line that is changed, and the tests, of which at least one must fail."""

    name: str
    file: str
    text: str
    becomes: str
    tests: list[str]


def breakages(only: str = "") -> list[Breakage]:
    """Return the breakages whose name or file contains `only`."""
    rows = tomllib.loads(LIST.read_text())["breakage"]
    found = [Breakage(**row) for row in rows]
    return [one for one in found if only in one.name or only in one.file]


def lost(found: list[Breakage]) -> list[str]:
    """Return a line for each breakage whose text is not in its file exactly once."""
    lines = []
    for one in found:
        file = ROOT / one.file
        count = file.read_text().count(one.text) if file.exists() else 0
        if count != 1:
            lines.append(f"{one.name}: {one.file} has {count} times {one.text!r}")
    return lines


def copy_tree(folder: Path) -> Path:
    """Copy the tracked files and those that git would add, no builds or caches."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def run_tests(folder: Path, tests: list[str]) -> tuple[int, str]:
    """Run tests in a copy; return pytest's exit code and the line of the failure."""
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "--tb=no", *tests]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    lines = (ran.stdout + ran.stderr).strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return ran.returncode, (failed or lines or [""])[0 if failed else -1]


def survives(one: Breakage, folders: "SimpleQueue[Path]") -> tuple[Breakage, bool, str]:
    """Make a breakage in a free copy; return whether its tests still pass, and a line.

    pytest ends with 1 where tests fail, and with 2 where they cannot be collected.
    """
    folder, start = folders.get(), time.perf_counter()
    file = folder / one.file
    whole = file.read_text()
    try:
        file.write_text(whole.replace(one.text, one.becomes))
        code, line = run_tests(folder, one.tests)
    finally:
        file.write_text(whole)
        folders.put(folder)
    took = f"{time.perf_counter() - start:4.0f} s"
    if code in (1, 2):
        return one, False, f"found     {took}  {one.name}\n                    {line}"
    kind = "SURVIVED" if code == 0 else f"CODE {code}"
    return one, True, f"{kind:8}  {took}  {one.name}\n                    {line}"


def main() -> int:
    """Make the breakages and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="those with this in name or file")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument(
        "--control",
        action="store_true",
        help="instead, run the tests on the code as it is: they must pass",
    )
    settings = parser.parse_args()
    chosen = breakages(settings.only)
    if not chosen or settings.jobs < 1:
        parser.error(f"nothing to do: {len(chosen)} breakages, {settings.jobs} jobs")
    if gone := lost(chosen):
        print(*gone, sep="\n", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(settings.jobs):
            copies.put(copy_tree(Path(folder) / str(number)))
        if settings.control:
            where = copies.get()
            for tests in sorted({tuple(one.tests) for one in chosen}):
                code, line = run_tests(where, list(tests))
                print(*tests, line, flush=True)
                if code:
                    return 1
            return 0
        with concurrent.futures.ThreadPoolExecutor(settings.jobs) as pool:
            runs = [pool.submit(survives, one, copies) for one in chosen]
            left = []
            for run in concurrent.futures.as_completed(runs):
                one, survived, line = run.result()
                print(line, flush=True)
                left += [one.name] if survived else []
    red = len(chosen) - len(left)
    print(f"{red} of {len(chosen)} found ({red / len(chosen):.1%})")
    for name in left:
        print(f"not found: {name}")
    return int(red < LEAST * len(chosen))


if __name__ == "__main__":
    sys.exit(main())
