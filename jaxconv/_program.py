"""Start and end every program of the project, commands and scripts alike.

Ctrl-C, a missing package and a closed output end a program with one line at most and an
exit code. This file imports only the standard library: it runs before JAX is imported.
"""

import os
import platform
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

DEBUG = "JAXCONV_DEBUG"  # in the environment, once --debug is given
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # glibc reads it at the start
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_SMALL_PAGES = "--no-huge-pages"
_OF_THE_KERNEL = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_HERE = Path(__file__).resolve().parents[1]


def leave(*_: object) -> NoReturn:
    """End at once on Ctrl-C: outside a program's own loop there is nothing to keep."""
    error = sys.__stderr__  # sys.stderr may be caught at the moment
    if error is not None:
        # Clear the line of a progress bar, and show the cursor, which it hides.
        begin = "\r\x1b[K\x1b[?25h" if error.isatty() else ""
        print(f"{begin}Interrupted: stopped at once.", file=error, flush=True)
    os._exit(130)  # no clean-up: threads of JAX may be running


def leave_on_interrupt() -> None:
    """Let Ctrl-C end the program without a traceback, unless it is ignored."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, leave)


def run(main: Callable[[], int], extra: str, *, huge_pages: bool = False) -> NoReturn:
    """Run a program's main function, which imports what is heavy, and exit.

    `extra` is the project's extra that brings what the program needs; `huge_pages`
    calls `restart_with_huge_pages` first. With --debug, errors that are printed in one
    line show their traceback too.
    """
    leave_on_interrupt()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller: libraries expect one
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    imported = _silence_runtime() and "jax" in sys.modules
    if huge_pages and not {"--help", "-h", "--version", "-V"} & set(sys.argv[1:]):
        restart_with_huge_pages()
    if imported:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ)
    if "--debug" in sys.argv[1:]:
        sys.argv.remove("--debug")
        os.environ[DEBUG] = "1"
    try:
        code = show_version() if {"--version", "-V"} & set(sys.argv[1:]) else main()
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        leave()
    except ModuleNotFoundError as error:
        _trace()
        print(f"{sys.argv[0]}: error: {missing(error, extra)}", file=sys.stderr)
        code = 2
    except OSError as error:  # output that cannot be written, or is read no longer
        if not isinstance(error, BrokenPipeError):
            _trace()
            print(f"{sys.argv[0]}: error: {error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    if code == 130:  # a compilation may have been cut in half: no clean-up
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _trace() -> None:
    """Print the traceback of the error that is being handled, with --debug."""
    if DEBUG in os.environ:
        import traceback

        traceback.print_exc()


def _silence_runtime() -> bool:
    """Where several processes train, silence the log of JAX's runtime, written in C++.

    When one of them ends, the runtime prints a page and a stack trace in each of the
    others, which report it in one line (`jaxconv/train/distributed.py`). Return whether
    the log's level was changed: JAX reads it when it is imported.
    """
    several = any(word.partition("=")[0] == "--coordinator" for word in sys.argv[1:])
    if not several or "--debug" in sys.argv[1:]:
        return False
    if os.environ.get(_LOG_LEVEL, "1") != "1":  # 1 is JAX's own choice
        return False
    os.environ[_LOG_LEVEL] = "4"  # 3: what is fatal; 4: nothing
    return True


def restart_with_huge_pages() -> None:
    """Start the program anew, once, with memory in pages of 2 MB where glibc can.

    Nothing is done where that is of no use, or the user says --no-huge-pages.
    """
    if _SMALL_PAGES in sys.argv:
        sys.argv.remove(_SMALL_PAGES)
        return
    if why_small_pages() is not None:
        return
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"Memory in huge pages; {_SMALL_PAGES} for small ones.", file=sys.stderr)
        sys.stderr.flush()
    command = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, command, os.environ | HUGE_PAGES)


def why_small_pages() -> str | None:
    """Return why a program is not to ask for huge pages; None if it is.

    XLA's CPU asks for memory anew in every step, and each page of 4 kB that is touched
    first costs a page fault: a good part of a training step. glibc of 2.35 or later
    can ask the kernel for pages of 2 MB.
    """
    if "GLIBC_TUNABLES" in os.environ:
        return f"GLIBC_TUNABLES is set, to {os.environ['GLIBC_TUNABLES']!r}"
    if platform.system() != "Linux":
        return f"{platform.system()} does not give them on request"
    try:
        said = _OF_THE_KERNEL.read_text()
    except OSError:
        return "this kernel has none"
    if "[always]" in said:
        return "this kernel gives them to every program anyway"
    if "[madvise]" not in said:
        return "this kernel is set to give them to no program"
    try:
        library = os.confstr("CS_GNU_LIBC_VERSION") or ""
        name, version = library.split()
        release = tuple(map(int, version.split(".")))
    except (OSError, ValueError):
        return "only glibc asks for them, and this is another C library"
    if name != "glibc" or release < (2, 35):
        return f"glibc asks for them from version 2.35 on, and this is {library}"
    return None


def show_version() -> int:
    """Print the versions that a bug report should name."""
    import jax

    import jaxconv

    python = ".".join(map(str, sys.version_info[:3]))
    print(f"jaxconv {jaxconv.__version__} (jax {jax.__version__}, Python {python})")
    return 0


def missing(error: ModuleNotFoundError, extra: str) -> str:
    """Return which package is missing and which command installs it.

    If the error names a command, its own text is returned. In a checkout the command
    installs the checkout, wherever it is called from.
    """
    if "pip install" in str(error):
        return str(error)
    where = "jaxconv"
    if (_HERE / "pyproject.toml").is_file():
        where = "." if Path.cwd() == _HERE else str(_HERE)
    editable = "" if where == "jaxconv" else "-e "
    return f'{error}. Install it: python -m pip install {editable}"{where}[{extra}]"'


def _is_the_program() -> bool:
    """Whether Python was started as `python -m jaxconv.something`, or by a command."""
    command = Path((sys.argv or [""])[0]).name
    if command.startswith("jaxconv-") and not command.endswith(".py"):
        return True
    before, _, module = " ".join(sys.orig_argv[:6]).partition(" -m ")
    return module.startswith("jaxconv.") and not before.endswith(".py")


if _is_the_program():  # the package is imported before its program's code runs
    leave_on_interrupt()
