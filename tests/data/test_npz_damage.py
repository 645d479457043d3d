"""Files called .npz that are none, or damaged, are named as what they are."""

import io
import struct
import zipfile

import numpy as np
import pytest

from jaxconv.data import DatasetError, load
from jaxconv.data.npz import read_npz
from tests.data.test_mnist import damaged

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 6, 5), dtype=np.uint8)
LABELS = np.tile(np.arange(3), 4)


def array_file(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def only_array() -> bytes:
    file = io.BytesIO()
    np.save(file, IMAGES)
    return file.getvalue()


def boastful() -> bytes:
    """Promise an array of 91 TiB."""
    header = (
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999, 1000, 1000)}"
    )
    header = header.ljust(117) + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
        archive.writestr("images.npy", start + header)
        archive.writestr("labels.npy", b"")
    return file.getvalue()


def strange() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a\nb.png", b"")
    return file.getvalue()


WHOLE = array_file(images=IMAGES, labels=LABELS)
FOREIGN = {
    "a page": (
        b"<!doctype html>",
        r"is not an \.npz file but a web page \(HTML\)\. Downl",
    ),
    "nothing": (b"", r"is not an \.npz file but an empty file\. Download"),
    "an array": (
        only_array(),
        r"but a NumPy array\. Save images and labels in one file",
    ),
    "a pickle": (b"\x80\x04x", r"but a pickle\. Save it by numpy\.savez"),
    "more before": (
        b"x" + WHOLE,
        r"is not an \.npz file but of an unknown kind\. Is it",
    ),
    "cut": (WHOLE[:-30], r"is truncated: the end of the archive is missing"),
    "a flipped bit": (
        WHOLE[:300] + bytes([WHOLE[300] ^ 1]) + WHOLE[301:],
        r"images is damaged: Bad CRC-32",
    ),
    "other files": (strange(), r"holds 'a\\nb\.png', expected images and labels"),
    "too much": (boastful(), r"images needs too much memory: Unable to allocate"),
}


@pytest.mark.parametrize(("data", "message"), FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_or_damaged_file_is_named_as_what_it_is(tmp_path, data, message):
    file = tmp_path / "x.npz"
    file.write_bytes(data)
    with pytest.raises(DatasetError, match=message) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_300_damaged_files_are_read_rightly_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    file = tmp_path / "x.npz"
    file.write_bytes(WHOLE)
    whole = read_npz(file, None)
    refused = read = 0
    for _ in range(300):
        file.write_bytes(damaged(WHOLE, rng))
        try:
            data = read_npz(file, None)
        except DatasetError as error:
            refused += str(error).startswith(f"{file}: ") and "\n" not in str(error)
        else:
            read += 1
            np.testing.assert_array_equal(data.train[0], whole.train[0])
            np.testing.assert_array_equal(data.train[1], whole.train[1])
    assert refused + read == 300
    assert refused > 200
