"""Check the gradients of the kernel in a Python file.

    python -m jaxconv.check kernel.py --x-shape 2,3,8,8 --w-shape 3,4,3,3

The file defines output(x, w), linear in each, and its gradients: input_grad(g, w) and
param_grad(x, g), or backward(x, w, g) -> (dx, dw), or, if output is a JAX function,
none, to check the derivative that JAX takes by its rule. For a layer with state it
defines make_layer(w), which returns a layer with the methods forward(x) and backward(g)
whose filters are w. It may also set x_shape, w_shape, layout, scale and amplification.

Exit code 0: every check holds. 1: one does not. 2: a bad file or argument.
"""

import argparse
import contextlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from jaxconv._command_line import fail, nearest
from jaxconv._program import run
from jaxconv.check.kernel_file import (
    CALLED,
    FACTS,
    KernelFileError,
    find,
    loaded,
    with_own_derivative,
)

_NAME = "python -m jaxconv.check"
_WIDE = ("float64", "complex128")  # types that JAX must switch on


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ").split()[0]
        known = re.findall(r"--([\w-]+)", self.format_usage())
        if unknown.startswith("--") and (near := nearest(unknown, known)):
            message += f". Did you mean --{near}?"
        raise SystemExit(fail(message, 2))


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a file, print the report, and return the exit code."""
    sys.argv[0] = _NAME
    given = _parser().parse_args(arguments)
    try:
        with loaded(given.file) as names:
            kernel = find(names, vars(given), given.file, fresh=given.fresh)
            report = _check(given, kernel)
    except (KernelFileError, ValueError) as error:
        return fail(str(error), 2)
    text, table = str(report), report.table(skipped=True)
    if given.skipped:
        text = text.replace(report.table(), table)
    print(text.replace("see .table(skipped=True)", "--skipped shows them"))
    return 0 if report.ok else 1


def _check(given: argparse.Namespace, kernel: Any) -> Any:
    """Run the check with what the options say, and else the file."""
    import jax

    from jaxconv.check.bilinear import check_bilinear

    options: dict[str, Any] = dict(kernel.facts)
    for name in (*FACTS, "dtype", "seed", "entries", "timeout"):
        if (value := getattr(given, name)) is not None:
            options[name] = value
    for name in ("x_shape", "w_shape"):
        if name not in options:
            raise KernelFileError(
                f"the shape of {name[0]} is missing. Set {name} in {given.file.name}, "
                f"or give it as in --{name.replace('_', '-')} 2,3,8,8"
            )
    shapes = options["x_shape"], options["w_shape"]
    functions: dict[str, Any] = with_own_derivative(kernel, *shapes, given.file)
    if functions.keys() != kernel.functions.keys():
        print(f"{given.file.name} has no gradient: the one that JAX takes is checked.")
    wide = str(options.get("dtype")) in _WIDE
    with jax.enable_x64(True) if wide else contextlib.nullcontext():
        return check_bilinear(**functions, **options)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=_NAME,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, metavar="FILE.py")
    sizes: dict[str, Any] = {"type": _shape, "metavar": "N,N,..."}
    parser.add_argument("--x-shape", help="the shape of x, as in 2,3,8,8", **sizes)
    parser.add_argument("--w-shape", help="the shape of w, as in 3,4,3,3", **sizes)
    parser.add_argument("--layout", help="the axes of x and g, and of w: NHWC/HWIO")
    parser.add_argument("--scale", help='"batch": dw is divided by it on purpose')
    for key, called in CALLED.items():
        option = f"--{key.replace('_', '-')}"
        parser.add_argument(option, metavar="NAME", help=f"the name of {called}")
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="make a new layer for each call, as its gradients add up on purpose",
    )
    parser.add_argument("--dtype", help="the type of the arguments, as in float64")
    parser.add_argument(
        "--amplification",
        type=float,
        help="for transforms: the largest error accepted, in units of rounding",
    )
    parser.add_argument("--timeout", type=float, help="seconds for one call")
    parser.add_argument("--seed", type=int, help="seeds the random whole numbers")
    parser.add_argument("--entries", type=int, help="derivatives compared one by one")
    parser.add_argument(
        "--skipped", action="store_true", help="show the checks that were skipped, too"
    )
    return parser


def _shape(text: str) -> tuple[int, ...]:
    sizes = re.fullmatch(r"\(?\s*(\d+(?:\s*[,x]\s*\d+)*)\s*,?\s*\)?", text)
    if sizes is None:
        raise argparse.ArgumentTypeError(
            f"must be sizes with commas between, as in 2,3,8,8, got {text!r}"
        )
    return tuple(int(size) for size in re.findall(r"\d+", sizes[1]))


if __name__ == "__main__":
    run(main, "test")
