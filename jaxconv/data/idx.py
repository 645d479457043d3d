"""A reader for IDX files, gzipped or not, that believes nothing it has not seen.

The format: two zero bytes, a byte for the element type (0x08: unsigned bytes), a byte
for the number of axes, each axis's size as a big-endian uint32, then the elements.
Source: Yann LeCun's MNIST page, "File formats for the MNIST database".
"""

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from jaxconv.data import foreign

_CHUNK = 2**20  # bytes read at once: what a false header can make us allocate
_GZIP_MAGIC = b"\x1f\x8b"
_TYPES = {
    0x08: "unsigned bytes",
    0x09: "signed bytes",
    0x0B: "int16",
    0x0C: "int32",
    0x0D: "float32",
    0x0E: "float64",
}


class DatasetError(ValueError):
    """A data file is missing, damaged or not what it should be; the text says how."""


@runtime_checkable
class Stream(Protocol):
    """What is read from: an open file, or one that is being decompressed."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...


def read_idx(
    file: str | Path | Traversable,
    shape: Sequence[int | None],
    *,
    sha256: str | None = None,
) -> np.ndarray:
    """Read one IDX file of unsigned bytes.

    Args:
      file: the file; if its first bytes are gzip's, it is decompressed.
      shape: the size that each axis must have; None for any size of at least 1.
      sha256: the hexadecimal digest that the uncompressed file must have.

    Returns:
      The elements as a uint8 array.

    Raises:
      DatasetError: the file cannot be read, is not IDX, or not of this type and shape;
        it holds fewer or more bytes than its header promises; or the digest differs.
    """
    file = Path(file) if isinstance(file, str) else file
    try:
        with file.open("rb") as raw:
            gzipped = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            stream: Stream = gzip.GzipFile(fileobj=raw) if gzipped else raw
            header, sizes = _read_header(stream, file, shape, gzipped)
            body = _read_body(stream, file, sizes)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(
            f"{file}: cannot be read: {str(error).rstrip('.')}: the gzip file is "
            "truncated or damaged. Download it again."
        ) from error
    except OSError as error:
        raise DatasetError(
            f"{file}: cannot be read: {error.strerror or error}."
        ) from error
    if sha256 and hashlib.sha256(header + body).hexdigest() != sha256:
        raise DatasetError(
            f"{file}: wrong SHA-256 checksum: the file was changed or damaged. Install "
            "jaxconv again."
        )
    return np.frombuffer(body, np.uint8).reshape(sizes)


def _read_header(
    stream: Stream,
    file: Path | Traversable,
    shape: Sequence[int | None],
    gzipped: bool,
) -> tuple[bytes, tuple[int, ...]]:
    """Return the header's bytes and the sizes of the axes, once they fit `shape`."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        kind, remedy = foreign.described(magic + _beginning(stream), gzipped)
        raise DatasetError(
            f"{file}: not an IDX file but {kind}: it should begin with 00 00 08 "
            f"0{len(shape)}, got {magic.hex(' ') or 'nothing'}. {remedy}"
        )
    if magic[2] != 0x08:
        raise DatasetError(
            f"{file}: holds {_TYPES[magic[2]]}, expected unsigned bytes (type 0x08)."
        )
    if magic[3] != len(shape):
        raise DatasetError(_wrong_axes(file, magic[3], len(shape)))
    packed = stream.read(4 * len(shape))
    if len(packed) < 4 * len(shape):
        raise DatasetError(f"{file}: truncated: it ends within its header.")
    sizes = struct.unpack(f">{len(shape)}I", packed)
    pairs = zip(sizes, shape, strict=True)
    if any(size != want if want is not None else size < 1 for size, want in pairs):
        wanted = " x ".join("any" if want is None else str(want) for want in shape)
        turned = struct.unpack(f"<{len(shape)}I", packed)
        hint = ""
        if all(want in (None, size) for size, want in zip(turned, shape, strict=True)):
            hint = " Its sizes are little-endian: write them big-endian."
        raise DatasetError(
            f"{file}: holds {' x '.join(map(str, sizes))} elements, expected "
            f"{wanted}.{hint}"
        )
    return magic + packed, sizes


def _beginning(stream: Stream) -> bytes:
    """Read on, as far as a foreign file is recognised; less if it is damaged."""
    try:
        return stream.read(foreign.SHOWN)
    except (OSError, EOFError, zlib.error):
        return b""


def _wrong_axes(file: Path | Traversable, axes: int, wanted: int) -> str:
    """Say that a file has not as many axes as it should."""
    kinds = {1: " (labels)", 3: " (images)"}
    found = f"{axes} {'axis' if axes == 1 else 'axes'}{kinds.get(axes, '')}"
    exchanged = " Were two files exchanged?" if axes in kinds else ""
    return f"{file}: has {found}, expected {wanted}{kinds.get(wanted, '')}.{exchanged}"


def _read_body(
    stream: Stream, file: Path | Traversable, sizes: tuple[int, ...]
) -> bytearray:
    """Read as many bytes as `sizes` promise, no fewer and no more."""
    promised = math.prod(sizes)
    body = bytearray()
    while chunk := stream.read(min(_CHUNK, promised + 1 - len(body))):
        body += chunk
    if len(body) != promised:
        held = f"only {len(body):,}" if len(body) < promised else "more"
        kind = "truncated" if len(body) < promised else "oversized"
        raise DatasetError(
            f"{file}: {kind}: its header promises {' x '.join(map(str, sizes))} = "
            f"{promised:,} bytes, but it holds {held}. Download it again."
        )
    return body
