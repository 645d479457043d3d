"""The file format of weights: safetensors, with a checksum among the metadata."""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import jax.numpy as jnp
import numpy as np

RESERVED = "jaxconv."  # begins our own names in metadata
DIGEST = "jaxconv.sha256"
FORMAT = "jaxconv.format"  # a second name: damage to one leaves the other
CODES = {  # the format's names of dtypes, and JAX's
    "BOOL": "bool",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
}
_BEGINNINGS = {  # what other kinds of files begin with
    b"PK": "a zip archive, as torch.save and numpy.savez write",
    b"\x80": "a pickle, as older torch.save writes",
    b"\x93NUMPY": "an array of numpy.save",
    b"\x89HDF": "an HDF5 file, as Keras writes",
    b"\x1f\x8b": "compressed by gzip",
    b"version https://git-lfs": "a pointer of Git LFS; get the file with git lfs pull",
    b"<": "HTML or XML; was an error page saved?",
}


class WeightsError(ValueError):
    """A file of weights is damaged, of another kind, or of another model."""


def package() -> Any:
    """Return the safetensors package, which only reading and writing need."""
    try:
        import safetensors
    except ImportError as error:
        raise ImportError(
            "Weights are kept in safetensors files, which need another package. Run "
            'pip install safetensors, or pip install -e ".[train]".'
        ) from error
    return safetensors


def digest(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Return the checksum of arrays and metadata, whatever their order in a file."""
    notes = sorted((k, v) for k, v in metadata.items() if k not in (DIGEST, FORMAT))
    total = hashlib.sha256(json.dumps(notes).encode())
    for name, array in sorted(arrays.items()):
        total.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        total.update(array.reshape(-1).view(np.uint8).data)
    return total.hexdigest()


def flush(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def read(caller: str, path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return a file's arrays and all its metadata, checked against its checksum.

    The package checks that names, shapes and offsets fit together and fill the file;
    NumPy then reads the numbers, with JAX's type for bfloat16.
    """
    library = package()
    if path.is_dir():
        raise WeightsError(f"{caller}: {path} is a folder. Name a file in it.")
    if not path.exists():
        raise FileNotFoundError(f"{caller}: there is no file {path}.")
    with open(path, "rb") as file:
        beginning = file.read(32)
        if not beginning:
            raise WeightsError(f"{caller}: {path} is empty.")
        try:
            with library.safe_open(path, framework="np") as opened:
                metadata = dict(opened.metadata() or {})
        except library.SafetensorError as error:
            raise WeightsError(
                f"{caller}: {path} {_what_is_wrong(beginning)} (safetensors: {error})."
            ) from error
        arrays = _arrays(caller, path, file)
    marks = {DIGEST, FORMAT} & metadata.keys()
    if marks and metadata.get(DIGEST) != digest(arrays, metadata):
        raise WeightsError(
            f"{caller}: {path} is damaged: its content does not have the checksum that "
            "was saved with it. Copy or download it again."
        )
    if marks and metadata.get(FORMAT) != "1":
        raise WeightsError(
            f"{caller}: {path} is damaged, or of a later version of jaxconv: its "
            f"{FORMAT} is {metadata.get(FORMAT)!r}, not '1'."
        )
    return arrays, metadata


def _arrays(caller: str, path: Path, file: BinaryIO) -> dict[str, np.ndarray]:
    """Return a file's arrays by name."""
    file.seek(0)
    size = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(size))
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in CODES:
            raise WeightsError(
                f"{caller}: {name} in {path} is of dtype {entry['dtype']}, which JAX "
                f"does not have. It reads {', '.join(CODES)}."
            )
        file.seek(8 + size + entry["data_offsets"][0])
        shape = entry["shape"]
        flat = np.fromfile(file, jnp.dtype(CODES[entry["dtype"]]), math.prod(shape))
        arrays[name] = flat.reshape(shape)
    return arrays


def _what_is_wrong(beginning: bytes) -> str:
    """Say what kind of file this is, by its first bytes: one that cannot be read."""
    for start, kind in _BEGINNINGS.items():
        if beginning.lstrip().startswith(start) and beginning[8:9] != b"{":
            return f"is not a safetensors file but {kind}"
    if beginning[8:9] == b"{":
        return "is damaged or cut off"
    return "is not a safetensors file"
