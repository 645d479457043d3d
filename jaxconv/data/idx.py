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
            header, sizes = _read_header(stream, file, shape)
            body = _read_body(stream, file, sizes)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{file}: cannot be read: {reason}.") from error
    if sha256 and hashlib.sha256(header + body).hexdigest() != sha256:
        raise DatasetError(
            f"{file}: wrong SHA-256 checksum: the file was changed or damaged. Install "
            "jaxconv again."
        )
    return np.frombuffer(body, np.uint8).reshape(sizes)


def _read_header(
    stream: Stream, file: Path | Traversable, shape: Sequence[int | None]
) -> tuple[bytes, tuple[int, ...]]:
    """Return the header's bytes and the sizes of the axes, once they fit `shape`."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise DatasetError(
            f"{file}: not an IDX file: it should begin with 00 00 08 0{len(shape)}, "
            f"got {magic.hex(' ') or 'nothing'}."
        )
    if magic[2] != 0x08:
        raise DatasetError(
            f"{file}: holds {_TYPES[magic[2]]}, expected unsigned bytes (type 0x08)."
        )
    if magic[3] != len(shape):
        kinds = {1: " (labels)", 3: " (images)"}
        raise DatasetError(
            f"{file}: has {magic[3]} axes{kinds.get(magic[3], '')}, expected "
            f"{len(shape)}{kinds.get(len(shape), '')}. Were two files exchanged?"
        )
    packed = stream.read(4 * len(shape))
    if len(packed) < 4 * len(shape):
        raise DatasetError(f"{file}: truncated: it ends within its header.")
    sizes = struct.unpack(f">{len(shape)}I", packed)
    pairs = zip(sizes, shape, strict=True)
    if any(size != want if want is not None else size < 1 for size, want in pairs):
        wanted = " x ".join("any" if want is None else str(want) for want in shape)
        raise DatasetError(
            f"{file}: holds {' x '.join(map(str, sizes))} elements, expected {wanted}."
        )
    return magic + packed, sizes


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
            f"{promised:,} bytes, but it holds {held}."
        )
    return body
