"""How every script starts and ends: Ctrl-C, missing extras, output nobody reads."""

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn


def leave(*_: object) -> NoReturn:
    """End at once on Ctrl-C: outside a script's own loop there is nothing to keep."""
    cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar hides it
    print(f"{cursor}Interrupted: stopped at once.", file=sys.stderr, flush=True)
    os._exit(130)  # no clean-up: threads of JAX may be running


def run(main: Callable[[], int], extra: str) -> NoReturn:
    """Run a script's main function, which imports what is heavy, and exit.

    `extra` is the project's extra that brings what the script needs.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, leave)
    try:
        code = main()
        if sys.stdout is not None:
            sys.stdout.flush()
    except ModuleNotFoundError as error:
        print(f"{error}. Install it: pip install -e '.[{extra}]'", file=sys.stderr)
        code = 2
    except OSError as error:  # output that cannot be written, or is read no longer
        if not isinstance(error, BrokenPipeError):
            print(f"{sys.argv[0]}: error: {error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
