"""A process that runs pasted code, so that what goes wrong in it ends only itself.

It reads a JSON string with the code from each line of standard input, and writes the
answer of `check_source` as a line. Alone a process can be stopped after a time limit.
"""

import json
import os
import signal
import sys
from typing import Any, TextIO

from jaxconv.explore.answers import to_json
from jaxconv.explore.checking import SourceError, check_source

READY = "ready"


def main() -> None:
    """Answer until standard input ends; each run gets `argv[1]` seconds."""
    seconds = int(sys.argv[1])
    questions, answers = _channels()
    print(READY, file=answers, flush=True)
    for line in questions:
        _end_after(seconds + 5)  # even if the server, which stops it, is gone
        print(to_json(_answer(json.loads(line))), file=answers, flush=True)
        _end_after(0)


def _channels() -> tuple[TextIO, TextIO]:
    """Take standard input and output; the code finds nothing there."""
    questions, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    return questions, answers


def _end_after(seconds: int) -> None:
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)


def _answer(source: str) -> dict[str, Any]:
    try:
        return check_source(source)
    except SourceError as error:
        return {"error": str(error)}
    except BaseException as error:  # whatever the functions raise: nothing ends it
        return {"error": f"The check stops: {type(error).__name__}."}


if __name__ == "__main__":
    main()
