"""Files and folders that are not what they should be are named as what they are."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from jaxconv.data import DatasetError, load_mnist, read_idx
from tests.data.files import NAMES, contents, idx, write

IMAGES = NAMES["train_images"]
ARRAY = np.zeros((3, 28, 28), np.uint8)
WHOLE = idx(ARRAY)


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(IMAGES, WHOLE)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo(IMAGES)
        entry.size = len(WHOLE)
        archive.addfile(entry, io.BytesIO(WHOLE))
    return file.getvalue()


def saved() -> bytes:
    file = io.BytesIO()
    np.save(file, ARRAY)
    return file.getvalue()


LITTLE = b"\0\0\x08\3" + struct.pack("<3I", 3, 28, 28) + ARRAY.tobytes()
FOREIGN = {  # what the file holds -> what is said
    "page": (b"<!DOCTYPE html>\n<html>", r"a web page \(HTML\).*Download the file"),
    "page, later": (b"\xef\xbb\xbf\n\n <HTML lang=en>", r"a web page \(HTML\)"),
    "xml": (
        b'<?xml version="1.0"?><Error>',
        r"an XML file, perhaps a server's refusal",
    ),
    "json": (b'{"message": "Not Found"}', r"a JSON file, perhaps a server's refusal"),
    "zip": (zipped(), r"a zip archive.*got 50 4b 03 04\. Unpack it"),
    "git lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n",
        r"a Git LFS pointer.*git lfs pull",
    ),
    "gzip twice": (
        gzip.compress(gzip.compress(WHOLE)),
        r"a gzip file within a gzip file.*gzip -d",
    ),
    "page, gzipped": (gzip.compress(b"<!DOCTYPE html>"), r"a web page \(HTML\)"),
    "bzip2": (bz2.compress(WHOLE), r"a bzip2 file"),
    "xz": (lzma.compress(WHOLE), r"an xz file"),
    "tar": (tarred(), r"a tar archive"),
    "tar, gzipped": (gzip.compress(tarred()), r"a tar archive"),
    "numpy": (saved(), r"a NumPy array.*Convert it to IDX"),
    "pickle": (pickle.dumps(ARRAY), r"a pickle"),
    "png": (b"\x89PNG\r\n\x1a\n0000", r"a PNG image"),
    "text": (b"5,0,4,1\n", r"but text"),
    "anything": (b"\xff\xfeh\0i\0", r"of an unknown kind.*got ff fe 68 00"),
    "empty": (b"", r"an empty file: .*got nothing"),
    "empty, gzipped": (gzip.compress(b""), r"an empty file, compressed"),
    "half a gzip": (gzip.compress(WHOLE)[:-20], r"truncated or damaged\. Download it"),
    "the head of a gzip": (gzip.compress(WHOLE)[:5], r"truncated or damaged"),
    "half a file": (WHOLE[:-5], r"truncated: .*Download it again"),
    "little-endian": (LITTLE, r"little-endian: write them big-endian"),
    "colours": (idx(np.zeros((3, 28, 28, 3), np.uint8)), r"has 4 axes, .*images\)\.$"),
    "labels": (idx(np.zeros(3, np.uint8)), r"has 1 axis \(labels\).*exchanged\?"),
}


@pytest.mark.parametrize(("data", "message"), FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_file_is_named_as_what_it_is(tmp_path, data, message):
    file = tmp_path / IMAGES
    file.write_bytes(data)
    with pytest.raises(DatasetError, match=message) as caught:
        read_idx(file, (None, 28, 28))
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_names_with_a_dot_are_read_too(tmp_path, rng, ending):
    files = {
        name.replace("-idx", ".idx") + ending: gzip.compress(data) if ending else data
        for name, data in contents(rng).items()
    }
    (_, labels), _ = load_mnist(write(tmp_path, files))
    assert labels.tolist() == list(range(7))


def test_the_plain_name_comes_before_the_dotted_one(tmp_path, rng):
    write(tmp_path, contents(rng))
    (tmp_path / IMAGES.replace("-idx", ".idx")).write_bytes(b"")
    assert len(load_mnist(tmp_path)[0][0]) == 7


FOLDERS = {  # the files that are there instead of the training images -> what is said
    "a folder below": (
        {f"MNIST/raw/{IMAGES}.gz": WHOLE},
        r"It is in .*/MNIST/raw: set",
    ),
    "two below": (
        {f"{name}/{IMAGES}": WHOLE for name in "ab"},
        r"It is in \S+/(a and in \S+/b|b and in \S+/a): set data_dir",
    ),
    "too far below": ({f"a/b/c/d/{IMAGES}": WHOLE}, r"Found a, t10k-images"),
    "another prefix": (
        {f"emnist-digits-{IMAGES}.gz": WHOLE},
        r"Is it emnist-digits-train-images-idx3-ubyte\.gz\? Rename it to train-images",
    ),
    "upper case": ({IMAGES.upper(): WHOLE}, r"Is it TRAIN-IMAGES-IDX3-UBYTE\?"),
    "a folder of that name": ({f"{IMAGES}/x": WHOLE}, rf"{IMAGES} is a folder\. Put"),
    "nothing like it": ({"a.csv": b"1"}, r"Found a\.csv, t10k-images"),
    "many": ({f"a{i}": b"" for i in range(9)}, r"Found a0, .*a7 and 4 more"),
}


@pytest.mark.parametrize(("files", "message"), FOLDERS.values(), ids=FOLDERS.keys())
def test_where_a_missing_file_may_be_is_said(tmp_path, rng, files, message):
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    rest = {name: data for name, data in contents(rng).items() if name != IMAGES}
    write(tmp_path, rest)
    with pytest.raises(DatasetError, match=rf"neither {IMAGES} nor .*{message}"):
        load_mnist(tmp_path)


def test_an_empty_folder_is_called_empty(tmp_path):
    with pytest.raises(DatasetError, match=r"The folder is empty"):
        load_mnist(tmp_path)


def test_a_link_to_nowhere_is_named(tmp_path):
    (tmp_path / IMAGES).symlink_to("/nowhere")
    with pytest.raises(DatasetError, match=r"ubyte is a broken link"):
        load_mnist(tmp_path)


def test_a_test_set_called_test_is_read(tmp_path, rng):
    files = {name.replace("t10k", "test"): c for name, c in contents(rng).items()}
    _, (_, labels) = load_mnist(write(tmp_path, files))
    assert labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (IMAGES, WHOLE, r"is not a folder but a file\. Set data_dir to the folder"),
        ("mnist.zip", zipped(), r"It is a zip archive: unpack it, and set data_dir"),
    ],
    ids=["data", "archive"],
)
def test_a_file_in_place_of_the_folder_is_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DatasetError, match=message):
        load_mnist(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read_are_named(tmp_path, rng):
    write(tmp_path, contents(rng))
    (tmp_path / IMAGES).chmod(0)
    with pytest.raises(DatasetError, match=rf"{IMAGES}: cannot be read: Permission"):
        load_mnist(tmp_path)


def test_labels_that_do_not_begin_at_zero_are_said_to(tmp_path, rng):
    labels = idx(np.arange(4, 11, dtype=np.uint8))
    write(tmp_path, contents(rng) | {NAMES["train_labels"]: labels})
    with pytest.raises(DatasetError, match=r"begin at 4, not at 0.* num_classes=11"):
        load_mnist(tmp_path)


@pytest.mark.usefixtures("our_errors")
def test_a_number_of_classes_may_be_numpys(tmp_path, rng):
    write(tmp_path, contents(rng))
    assert len(load_mnist(tmp_path, num_classes=np.int64(7))[0][1]) == 7
