"""Write a trained model as a program that runs without jaxconv: the program `export`.

The file is a zip archive of two: `model.jaxexport`, a StableHLO program as `jax.export`
serialises it, and `model.json`, which says what goes in and comes out. To use it:

    import json, zipfile, jax

    with zipfile.ZipFile("exported.zip") as file:
        model = jax.export.deserialize(bytearray(file.read("model.jaxexport")))
        about = json.loads(file.read("model.json"))
    probabilities = model.call(images)  # uint8 (n, channels, h, w), any n
    print([about["classes"][best] for best in probabilities.argmax(axis=1)])
"""

import dataclasses
import json
import re
import secrets
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import jax
import jax.numpy as jnp
import tyro
from jax.export import Exported, export, symbolic_shape

from jaxconv._command_line import fail, parse
from jaxconv.conv.primitives.jax_internals import traceback_in_locations_limit
from jaxconv.conv.primitives.portable import every_method_is
from jaxconv.nn import WeightsError
from jaxconv.train.classifier import classifier
from jaxconv.train.runs import Run, RunError, open_run

PROGRAM, ABOUT = "model.jaxexport", "model.json"
Platform = Literal["cpu", "cuda", "rocm", "tpu"]

_EXPORTABLE = "xla"  # the method that every machine has
_REFUSED = "custom calls whose targets have no compatibility guarantees"  # jax's words


class ExportError(ValueError):
    """A model has a layer that cannot run elsewhere; the message says which call."""


@dataclasses.dataclass(frozen=True)
class Export:
    """Write a trained model as a program that runs without jaxconv.

    It takes images of bytes, any number at once, scales them as for training, and gives
    the probabilities of the classes. The file is a zip archive that holds the program,
    model.jaxexport for jax.export.deserialize, and model.json: the classes and shapes.

    Raises:
      ValueError: JAX does not export to a platform.
    """

    run: Annotated[Path, tyro.conf.arg(metavar="RUN")]
    """The folder of a run, made by training with --run."""

    output: Path | None = None
    """The file to write. None: exported.zip in the run's folder."""

    platforms: str = "cpu"
    """The platforms to export for: any of cpu, cuda, rocm and tpu, with commas."""

    def __post_init__(self) -> None:
        """Check the platforms."""
        names = get_args(Platform)
        for name in self.platforms.split(","):
            if name not in names:
                raise ValueError(
                    f"platforms must be of {', '.join(names)}, with commas between, "
                    f"got {name!r}."
                )


def export_model(
    run: Run, platforms: Sequence[str] = ("cpu",)
) -> tuple[Exported, dict[str, Any]]:
    """Return a model as an exported program, and what `model.json` says of it.

    Where a convolution calls a library of this machine, every convolution is computed
    by XLA's own, which any machine has, and the second result names what was replaced.

    Raises:
      ExportError: something else than a convolution calls such a library.
    """
    about = {
        "classes": list(run.classes),
        "input": {"shape": ["n", *run.input_shape], "dtype": "uint8"},
        "output": {
            "shape": ["n", len(run.classes)],
            "dtype": "float32",
            "meaning": "probabilities of the classes",
        },
        "platforms": list(platforms),
        "replaced": None,
        "model": run.settings["settings"]["model"],
        "data": run.settings["data"]["name"],
        "versions": run.settings["versions"],
    }
    try:
        return _exported(run, platforms), about
    except ValueError as error:
        if _REFUSED not in str(error):
            raise
        targets = _targets(error)
    try:
        with every_method_is(_EXPORTABLE):
            program = _exported(run, platforms)
    except ValueError as error:
        if _REFUSED not in str(error):
            raise
        raise ExportError(
            f"the model calls {_targets(error)}, which other machines may not have, "
            "outside of its convolutions. Leave that layer out."
        ) from error
    about["replaced"] = f'convolutions that called {targets}, by method "{_EXPORTABLE}"'
    return program, about


def _exported(run: Run, platforms: Sequence[str]) -> Exported:
    (n,) = symbolic_shape("n")
    images = jax.ShapeDtypeStruct((n, *run.input_shape), jnp.uint8)
    with traceback_in_locations_limit(0):  # the file names no paths of this machine
        return export(jax.jit(classifier(run)), platforms=platforms)(images)


def _targets(error: ValueError) -> str:
    """Return the names of the custom calls that jax does not export."""
    names = re.findall(r"custom_call @([^\s(]+)", str(error))
    return ", ".join(dict.fromkeys(names)) or "a library"


def write(file: Path, program: Exported, about: dict[str, Any]) -> None:
    """Write the archive, whole or not at all; the same model gives the same bytes.

    Raises:
      OSError: it cannot be written.
    """
    parts = {
        PROGRAM: bytes(program.serialize()),
        ABOUT: json.dumps(about, indent=1).encode(),
    }
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    try:
        with zipfile.ZipFile(temporary, "x") as archive:
            for name, content in parts.items():
                archive.writestr(zipfile.ZipInfo(name), content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Export as the arguments say, and return the exit code."""
    asked = parse(Export, arguments)
    file = asked.output or asked.run / "exported.zip"
    try:
        run = open_run(asked.run)
        program, about = export_model(run, asked.platforms.split(","))
        write(file, program, about)
    except (RunError, WeightsError, ExportError) as error:
        return fail(str(error), 2)
    except OSError as error:
        return fail(f"{file}: cannot be written: {error.strerror or error}.", 2)
    if about["replaced"]:
        print(f"Replaced: {about['replaced']}.", file=sys.stderr)
    print(f"{file}: {_size(file)}, for {' and '.join(about['platforms'])}")
    return 0


def _size(file: Path) -> str:
    return f"{file.stat().st_size / 1e6:.1f} MB"


if __name__ == "__main__":
    from jaxconv._program import run as _run

    sys.argv[0] = "python -m jaxconv.train.export"
    _run(main, "train")
