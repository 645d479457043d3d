"""Find the functions of a kernel in a Python file of the user's, by their names."""

import contextlib
import dataclasses
import importlib.machinery
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxconv.check.adapters import of_layer, of_vjp
from jaxconv.check.modes import first_line

NAMES = {  # what each function may be called, unless its name is given
    "output": ("output", "_output", "forward"),
    "input_grad": ("input_grad", "_input_grad"),
    "param_grad": ("param_grad", "_param_grad"),
    "backward": ("backward", "_backward"),
    "make_layer": ("make_layer",),
}
CALLED = {
    "output": "output(x, w)",
    "input_grad": "input_grad(g, w)",
    "param_grad": "param_grad(x, g)",
    "backward": "backward(x, w, g)",
    "make_layer": "make_layer(w)",
}
FACTS: dict[str, Any] = {  # what the file may say of its kernel, and of which type
    "x_shape": (tuple, list),
    "w_shape": (tuple, list),
    "layout": str,
    "scale": str,
    "amplification": (int, float),
}
_GRADIENTS = ("input_grad", "param_grad", "backward")


class KernelFileError(Exception):
    """A file that cannot be loaded, or lacks a function or a shape."""


@dataclasses.dataclass(frozen=True)
class KernelFile:
    """The functions and facts of one file."""

    functions: dict[str, Callable[..., Any]]  # by the arguments of check_bilinear
    facts: dict[str, Any]


@contextlib.contextmanager
def loaded(path: Path) -> Iterator[dict[str, Any]]:
    """Run a file as a module and yield its names, while its imports work.

    Raises:
      KernelFileError: there is no such file, or running it raised.
    """
    if path.suffix != ".py":
        raise KernelFileError(f"FILE must be a Python file, NAME.py, got {path}")
    if not path.is_file():
        raise KernelFileError(f"there is no file {path}")
    name = f"checked_{path.stem}"
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before, arguments = list(sys.path), sys.argv
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[name] = module
    sys.argv = [str(path)]  # its own, should it read them
    try:
        _run(loader, module, path)
        yield vars(module)
    finally:
        sys.path[:], sys.argv = before, arguments
        del sys.modules[name]


def find(
    names: Mapping[str, Any],
    given: Mapping[str, str | None],
    path: Path,
    fresh: bool = False,
) -> KernelFile:
    """Return the functions and facts that a file holds.

    Args:
      names: what the file defines.
      given: the names of functions that are called otherwise, by keys of `NAMES`.
      path: the file, for messages.
      fresh: whether each call gets a new layer.

    Raises:
      KernelFileError: there is no output, or a name that was given does not exist.
    """
    found = {key: _function(names, key, given.get(key), path) for key in NAMES}
    functions = {key: function for key, function in found.items() if function}
    make_layer = functions.pop("make_layer", None)
    whole = "output" in functions and functions.keys() & set(_GRADIENTS)
    if make_layer is not None and (given.get("make_layer") or not whole):
        layer = of_layer(make_layer, fresh=fresh)
        functions = {"output": layer.output, "backward": layer.backward}
    if "output" not in functions:
        raise KernelFileError(
            f"{path.name} has no {CALLED['output']}. {_advice(names)}"
        )
    separate = {"input_grad", "param_grad"} & functions.keys()
    if "backward" in functions and separate:
        of_user = any(given.get(key) for key in separate)
        if of_user or (len(separate) == 2 and not given.get("backward")):
            del functions["backward"]
        else:
            functions = {key: functions[key] for key in ("output", "backward")}
    facts = {}
    for fact, kind in FACTS.items():
        value = names.get(fact, names.get(fact.upper()))
        if isinstance(value, kind):  # the name may stand for something else
            facts[fact] = value
    return KernelFile(functions, facts)


def with_own_derivative(
    kernel: KernelFile, x_shape: Any, w_shape: Any, path: Path
) -> dict[str, Callable[..., Any]]:
    """Return the functions, with JAX's derivative where the file has no gradient.

    Raises:
      KernelFileError: there is none, and JAX cannot trace the output.
    """
    functions = dict(kernel.functions)
    if functions.keys() & set(_GRADIENTS):
        return functions
    output = functions["output"]
    arrays = (jnp.ones(shape, "float32") for shape in (x_shape, w_shape))
    try:
        jax.eval_shape(output, *arrays)
    except Exception as error:
        raise KernelFileError(
            f"{path.name} has {getattr(output, '__name__', 'output')} but no gradient, "
            "and JAX cannot differentiate it. Write "
            f"{' and '.join(CALLED[key] for key in _GRADIENTS[:2])}, or "
            f"{CALLED['backward']} -> (dx, dw)"
        ) from error
    return functions | {"backward": of_vjp(output)}


def _run(loader: Any, module: Any, path: Path) -> None:
    try:
        loader.exec_module(module)
    except SystemExit:
        raise KernelFileError(
            f"{path.name} ended itself while it was loaded. Put what it runs under "
            'if __name__ == "__main__":'
        ) from None
    except ModuleNotFoundError as error:
        raise KernelFileError(
            f"{path.name} imports {error.name}, which is not installed here"
        ) from error
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        where = f", line {lines[-1]}" if lines else ""
        raise KernelFileError(
            f"{path.name} raised {first_line(error)} while it was loaded{where}"
        ) from error


def _function(
    names: Mapping[str, Any], key: str, given: str | None, path: Path
) -> Callable[..., Any] | None:
    """Return the function of that key, or None if the file has none."""
    for name in NAMES[key] if given is None else (given,):
        if callable(names.get(name)):
            return names[name]
    if given is None:
        return None
    option = f"--{key.replace('_', '-')}"
    what = "is no function" if given in names else "does not exist"
    raise KernelFileError(f"{option}: {given} {what} in {path.name}. {_advice(names)}")


def _advice(names: Mapping[str, Any]) -> str:
    """Say what the file has instead, and how to name it."""
    own = {
        name: value
        for name, value in names.items()
        if callable(value) and getattr(value, "__module__", None) == names["__name__"]
    }
    for name, value in own.items():
        if inspect.isclass(value) and hasattr(value, "backward"):
            return (
                f"Of its class {name} write make_layer(w), which returns a {name} "
                "whose filters are w"
            )
    functions = [name for name, value in own.items() if not inspect.isclass(value)]
    if not functions:
        return "It defines no function"
    shown = ", ".join(functions[:8]) + (", ..." if len(functions) > 8 else "")
    return f"Its functions are {shown}: name them, as in --output {functions[0]}"
