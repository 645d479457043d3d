"""Name the kind of a file that should be IDX and is not, by its first bytes."""

import string

SHOWN = 512  # bytes at a file's beginning that are enough to recognise it

_AGAIN = "Download the file itself again."
_UNPACK = "Unpack it."
_OTHER = "Convert it to IDX."
# How a file begins -> what it is, and what to do.
_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "a gzip file within a gzip file", "Decompress it once: gzip -d."),
    (b"PK\x03\x04", "a zip archive", _UNPACK),
    (b"PK\x05\x06", "an empty zip archive", _AGAIN),
    (b"BZh", "a bzip2 file", _UNPACK),
    (b"\xfd7zXZ\0", "an xz file", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstandard file", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!", "a rar archive", _UNPACK),
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the data",
        "Run git lfs pull where it came from.",
    ),
    (b"\x93NUMPY", "a NumPy array", _OTHER),
    (b"\x89PNG", "a PNG image", _OTHER),
    (b"\xff\xd8\xff", "a JPEG image", _OTHER),
    (b"\x89HDF", "an HDF5 file", _OTHER),
    (b"PAR1", "a Parquet file", _OTHER),
    (b"MATLAB", "a MATLAB file", _OTHER),
    (b"%PDF", "a PDF file", _AGAIN),
    (b"\x80\x02", "a pickle", _OTHER),
    (b"\x80\x03", "a pickle", _OTHER),
    (b"\x80\x04", "a pickle", _OTHER),
    (b"\x80\x05", "a pickle", _OTHER),
)


def described(head: bytes, gzipped: bool) -> tuple[str, str]:
    """Return what a file is, in words, and what to do about it.

    Args:
      head: its first bytes, at most `SHOWN` of them; decompressed if `gzipped`.
      gzipped: whether the file is compressed; a second compression is then named.
    """
    if not head:
        return ("an empty file, compressed" if gzipped else "an empty file"), _AGAIN
    for beginning, kind, remedy in _BEGINNINGS:
        if head.startswith(beginning):
            return kind, remedy
    if head[257:262] == b"ustar":
        return "a tar archive", _UNPACK
    return _text(head)


def _text(head: bytes) -> tuple[str, str]:
    """Name a web page, a server's answer, and other text."""
    words = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if words.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<!--")):
        return "a web page (HTML)", _AGAIN
    if words.startswith(b"<"):
        return "an XML file, perhaps a server's refusal", _AGAIN
    if words.startswith((b"{", b"[")):
        return "a JSON file, perhaps a server's refusal", _AGAIN
    if all(byte in _PRINTABLE for byte in head):
        return "text", _OTHER
    return "of an unknown kind", "Is it the right file?"


_PRINTABLE = frozenset(string.printable.encode())
