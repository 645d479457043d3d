"""Run a program with its memory in huge pages, of 2 MB, where Linux gives them.

    python -m jaxconv.hugepages train.py --lr 1
    python -m jaxconv.hugepages -m package.module
    python -m jaxconv.hugepages pytest -x

A file that ends in .py, or an option of Python, goes to this Python; anything else is a
command. The program takes the place of this one, so signals and the exit code are its
own. It gets GLIBC_TUNABLES=glibc.malloc.hugetlb=1 in its environment, which saves most
page faults of memory that is asked for anew, as XLA does in every step. Where that is
of no use, or GLIBC_TUNABLES is set already, a line says so and the program runs all the
same.

Exit code 2: no program given. 126: it cannot be run. 127: it is not found.
"""

import os
import signal
import sys
from collections.abc import Sequence

from jaxconv._program import HUGE_PAGES, why_small_pages

_NAME = "jaxconv.hugepages"


def main(words: Sequence[str]) -> int:
    """Become the program; return an exit code if that cannot be."""
    if not words:
        _say("no program given, as in: python -m jaxconv.hugepages train.py")
        return 2
    if words[0] in ("-h", "--help"):
        print(__doc__, end="")
        return 0
    why = why_small_pages()
    if why is not None:
        _say(f"huge pages are not asked for: {why}.")
    environment = os.environ | (HUGE_PAGES if why is None else {})
    of_python = words[0].startswith("-") or words[0].endswith(".py")
    command = [sys.executable, *words] if of_python else list(words)
    for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores them, its heirs would too
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environment)
    except FileNotFoundError:
        _say(f"{command[0]}: no such program.")
        return 127
    except OSError as error:
        _say(f"{command[0]}: {error.strerror}.")
        return 126


def _say(line: str) -> None:
    print(f"{_NAME}: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
