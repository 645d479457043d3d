"""A reader for IDX files, gzipped or not, that checks all that their headers say.

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

_CHUNK = 2**20  # bytes read at once: a false header can make us allocate no more
_GZIP_MAGIC = b"\x1f\x8b"
_TYPES = {  # the third byte -> the elements, in words and in NumPy's
    0x08: ("unsigned bytes", "u1"),
    0x09: ("signed bytes", "i1"),
    0x0B: ("int16", ">i2"),
    0x0C: ("int32", ">i4"),
    0x0D: ("float32", ">f4"),
    0x0E: ("float64", ">f8"),
}
_BYTES = (0x08,)
WHOLE_NUMBERS = (0x08, 0x09, 0x0B, 0x0C)


class DatasetError(ValueError):
    """A data file is missing, damaged or of the wrong kind; the message says which."""


@runtime_checkable
class Stream(Protocol):
    """A source of bytes: an open file, or one that is being decompressed."""

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
    return read_shaped(file, (shape,), sha256=sha256)


def read_shaped(
    file: str | Path | Traversable,
    shapes: Sequence[Sequence[int | None]],
    *,
    types: Sequence[int] = _BYTES,
    sha256: str | None = None,
) -> np.ndarray:
    """Read an IDX file as `read_idx` does: with as many axes as one of the shapes has.

    `types` are the element types that it may have, by the format's numbers.
    """
    file = Path(file) if isinstance(file, str) else file
    try:
        with file.open("rb") as raw:
            gzipped = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            stream: Stream = gzip.GzipFile(fileobj=raw) if gzipped else raw
            header, sizes = _read_header(stream, file, shapes, types, gzipped)
            dtype = np.dtype(_TYPES[header[2]][1])
            body = _read_body(stream, file, sizes, dtype.itemsize)
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
    return np.frombuffer(body, dtype).reshape(sizes)


def _read_header(
    stream: Stream,
    file: Path | Traversable,
    shapes: Sequence[Sequence[int | None]],
    types: Sequence[int],
    gzipped: bool,
) -> tuple[bytes, tuple[int, ...]]:
    """Return the header's bytes and the sizes of the axes, which must fit a shape."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        kind, remedy = foreign.described(magic + _beginning(stream), gzipped)
        raise DatasetError(
            f"{file}: not an IDX file but {kind}: it should begin with 00 00 08 "
            f"0{len(shapes[0])}, got {magic.hex(' ') or 'nothing'}. {remedy}"
        )
    if magic[2] not in types:
        raise DatasetError(
            f"{file}: holds {_TYPES[magic[2]][0]}, expected unsigned bytes (type 0x08)."
        )
    shape = next((shape for shape in shapes if len(shape) == magic[3]), None)
    if shape is None:
        raise DatasetError(_wrong_axes(file, magic[3], len(shapes[0])))
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
    """Read as many bytes as recognise a foreign file; fewer if it is damaged."""
    try:
        return stream.read(foreign.SHOWN)
    except (OSError, EOFError, zlib.error):
        return b""


def _wrong_axes(file: Path | Traversable, axes: int, wanted: int) -> str:
    """Say that a file has the wrong number of axes."""
    kinds = {1: " (labels)", 3: " (images)"}
    found = f"{axes} {'axis' if axes == 1 else 'axes'}{kinds.get(axes, '')}"
    exchanged = " Were two files exchanged?" if axes in kinds else ""
    return f"{file}: has {found}, expected {wanted}{kinds.get(wanted, '')}.{exchanged}"


def _read_body(
    stream: Stream, file: Path | Traversable, sizes: tuple[int, ...], item: int
) -> bytearray:
    """Read as many bytes as `sizes` promise, no fewer and no more."""
    promised = math.prod(sizes) * item
    body = bytearray()
    while chunk := stream.read(min(_CHUNK, promised + 1 - len(body))):
        body += chunk
    if len(body) != promised:
        held = f"only {len(body):,}" if len(body) < promised else "more"
        kind = "truncated" if len(body) < promised else "oversized"
        factors = [*sizes, item] if item > 1 else sizes
        raise DatasetError(
            f"{file}: {kind}: its header promises {' x '.join(map(str, factors))} = "
            f"{promised:,} bytes, but it holds {held}. Download it again."
        )
    return body
