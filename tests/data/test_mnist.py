"""The embedded MNIST, folders of the same four files, and what is refused."""

import gzip
import struct
import tracemalloc

import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv.data import DatasetError, load_mnist, mnist, read_idx, standardize
from tests.data.files import NAMES, contents, idx, write

# The embedded files


@pytest.fixture(scope="module")
def embedded():
    return load_mnist()


def test_embedded_mnist_has_its_known_figures(embedded):
    (images, labels), (test_images, test_labels) = embedded
    assert (images.shape, images.dtype) == ((60000, 1, 28, 28), np.uint8)
    assert (test_images.shape, test_images.dtype) == ((10000, 1, 28, 28), np.uint8)
    assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    ones_and_sevens = np.bincount(labels)[[1, 7]].tolist()
    assert ones_and_sevens == [6742, 6265]


def test_embedded_images_stand_upright(embedded):
    """The first training image is a five: a bar above, open to the left below it."""
    five = embedded[0][0][0, 0]
    assert five[5, 14:24].min() > 0  # its upper bar
    assert five[10, 17:].max() == 0  # nothing at the right of its neck


def test_standardize_uses_the_training_figures(embedded):
    (images, _), (test_images, _) = embedded
    train, test = standardize(images, test_images)
    assert train.dtype == test.dtype == np.float32
    assert np.mean(train, dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert np.var(train, dtype=np.float64) == pytest.approx(1, rel=1e-5)
    # MNIST's well-known mean 33.3184 and deviation 78.5675: a black pixel.
    assert test.min() == pytest.approx(-33.3184 / 78.5675, rel=1e-5)


def test_a_changed_embedded_file_is_refused(monkeypatch):
    monkeypatch.setitem(mnist._SHA256, NAMES["test_labels"], "0" * 64)
    with pytest.raises(DatasetError, match=r"t10k-labels.*wrong SHA-256 checksum"):
        load_mnist()


# Folders


@pytest.mark.parametrize("gzipped", [(), ("train",), ("train", "t10k")])
def test_a_folder_is_read_gzipped_or_not(tmp_path, rng, gzipped):
    files = contents(rng)
    for name, data in files.items():
        if name.startswith(gzipped):
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (tmp_path / name).write_bytes(data)
    (images, labels), (test_images, test_labels) = load_mnist(tmp_path)
    assert images.tobytes() == files[NAMES["train_images"]][16:]
    assert labels.tolist() == list(range(7))
    assert test_images.shape == (3, 1, 28, 28)
    assert test_labels.tolist() == [0, 1, 2]


def test_a_gzipped_file_need_not_be_called_gz(tmp_path, rng):
    files = {name: gzip.compress(data) for name, data in contents(rng).items()}
    (_, labels), _ = load_mnist(str(write(tmp_path, files)))
    assert labels.tolist() == list(range(7))


def test_a_data_set_of_more_classes_says_how_many(tmp_path, rng):
    labels = np.array([46, 0, 1, 2, 3, 4, 5], np.uint8)
    files = contents(rng) | {NAMES["train_labels"]: idx(labels)}
    (_, loaded), _ = load_mnist(write(tmp_path, files), num_classes=47)
    assert loaded[0] == 46


def test_a_label_as_large_as_the_number_of_classes_is_refused(tmp_path, rng):
    write(tmp_path, contents(rng))  # labels from 0 to 6
    with pytest.raises(DatasetError, match=r"label 6 at index 6 is not within 0\.\.5"):
        load_mnist(tmp_path, num_classes=6)
    assert load_mnist(tmp_path, num_classes=7)[0][1][6] == 6


def test_of_two_files_the_one_that_is_not_gzipped_is_read(tmp_path, rng):
    files = contents(rng)
    write(tmp_path, files)
    other = gzip.compress(idx(np.full(7, 9, np.uint8)))
    (tmp_path / f"{NAMES['train_labels']}.gz").write_bytes(other)
    assert load_mnist(tmp_path)[0][1].tolist() == list(range(7))


IMAGES = np.zeros((7, 28, 28), np.uint8)
LABELS = np.zeros(7, np.uint8)
DAMAGE = {  # a name of NAMES -> what the file holds instead -> what is said
    "truncated": ("train_images", idx(IMAGES)[:-1], r"truncated.* 5,488 bytes.*5,487"),
    "truncated header": ("train_images", idx(IMAGES)[:10], r"ends within its header"),
    "truncated magic": ("train_labels", b"\0\0", r"not an IDX file.*got 00 00"),
    "empty": ("train_labels", b"", r"not an IDX file.*got nothing"),
    "oversized": ("test_labels", idx(LABELS[:3]) + b"\0", r"oversized.* holds more"),
    "truncated gzip": (
        "train_images",
        gzip.compress(idx(IMAGES))[:-9],
        r"cannot be read: Compressed file ended",
    ),
    "gzip with a wrong checksum": (
        "train_images",
        gzip.compress(idx(IMAGES))[:-8] + b"\1\2\3\4" + (5504).to_bytes(4, "little"),
        r"cannot be read: CRC check failed",
    ),
    "gzip and then more": (
        "train_labels",
        gzip.compress(idx(LABELS)) + b"more",
        r"cannot be read: Not a gzipped file",
    ),
    "labels as images": ("train_images", idx(LABELS), r"1 axis \(labels\), expected 3"),
    "images as labels": ("test_labels", idx(IMAGES), r"3 axes \(images\), expected 1"),
    "text": ("train_labels", b"5,0,4,1,9", r"not an IDX file.*got 35 2c 30 2c"),
    "a page": ("test_images", b"<!DOCTYPE html>", r"not an IDX file.*got 3c 21 44 4f"),
    "floats": (
        "train_labels",
        b"\0\0\x0d\1\0\0\0\1\0\0\0\0",
        r"holds float32, expected unsigned bytes",
    ),
    "other images": (
        "test_images",
        idx(np.zeros((3, 32, 32), np.uint8)),
        r"holds 3 x 32 x 32 elements, expected any x 28 x 28",
    ),
    "no images": (
        "test_images",
        idx(IMAGES[:0]),
        r"holds 0 x 28 x 28 elements, expected any",
    ),
    "counts differ": (
        "train_labels",
        idx(LABELS[:6]),
        r"holds 6 labels for the 7 images of train-images",
    ),
    "label out of range": (
        "train_labels",
        idx(np.array([0, 1, 10, 3, 4, 200, 6], np.uint8)),
        r"label 10 at index 2 is not within 0\.\.9",
    ),
}


@pytest.mark.parametrize("case", DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_refused_and_the_file_named(tmp_path, rng, case):
    which, data, message = case
    write(tmp_path, contents(rng) | {NAMES[which]: data})
    with pytest.raises(DatasetError, match=message) as caught:
        load_mnist(tmp_path)
    assert str(tmp_path / NAMES[which]) in str(caught.value)


def test_a_missing_file_is_named(tmp_path, rng):
    write(tmp_path, contents(rng))
    (tmp_path / NAMES["test_images"]).unlink()
    with pytest.raises(DatasetError, match=r"neither t10k-images-idx3-ubyte nor t10k"):
        load_mnist(tmp_path)


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("/nowhere", r"/nowhere: no such folder"),
        ("~nobody-of-that-name/x", r"~nobody.* cannot be opened"),
        ("x" * 5000, r"x: cannot be opened: .*too long"),
    ],
    ids=["missing", "unknown user", "too long"],
)
def test_a_folder_that_cannot_be_opened_is_named(folder, message):
    with pytest.raises(DatasetError, match=message):
        load_mnist(folder)


@pytest.mark.parametrize("num_classes", [0, 257, "10"])
@pytest.mark.usefixtures("our_errors")
def test_a_number_of_classes_that_bytes_cannot_hold_is_refused(num_classes):
    with pytest.raises(ValueError, match=r"num_classes must be within 1\.\.256"):
        load_mnist(num_classes=num_classes)


@pytest.mark.parametrize("gzipped", [False, True])
def test_a_false_header_does_not_allocate(tmp_path, gzipped):
    """It promises 3 TB, in a file of 1,016 bytes."""
    data = b"\0\0\x08\3" + struct.pack(">3I", 2**32 - 1, 28, 28) + bytes(1000)
    file = tmp_path / "images"
    file.write_bytes(gzip.compress(data) if gzipped else data)
    tracemalloc.start()
    with pytest.raises(DatasetError, match=r"truncated.*holds only 1,000"):
        read_idx(file, (None, 28, 28))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20


# Random damage


def damaged(data: bytes, rng) -> bytes:
    """Flip, cut, insert or repeat a few bytes, mostly near the beginning."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        end = len(data) if rng.random() < 0.5 else min(len(data), 24)
        at = int(rng.integers(0, max(1, end)))
        kind = rng.integers(0, 5)
        if kind == 0 and data:
            data[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1 and data:
            data[at] = int(rng.integers(0, 256))
        elif kind == 2:
            del data[at : at + int(rng.integers(1, 40))]
        elif kind == 3:
            data[at:at] = rng.bytes(int(rng.integers(1, 40)))
        else:
            data += data[at : at + int(rng.integers(1, 2000))]
    return bytes(data)


def rightly_read(data: bytes, axes: int) -> np.ndarray:
    """Decode what must be a well-formed file, in the plainest way."""
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    assert data[:4] == bytes([0, 0, 8, axes])
    start = 4 + 4 * axes
    sizes = np.frombuffer(data[4:start], ">u4").astype(int)
    return np.frombuffer(data[start:], np.uint8).reshape(sizes)


@pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", ["images", "labels"])
def test_2000_damaged_files_are_read_rightly_or_refused(tmp_path, kind, gzipped):
    rng = np.random.default_rng(0)
    shape = (None, 28, 28) if kind == "images" else (None,)
    array = rng.integers(0, 256, (5, 28, 28) if kind == "images" else 50, np.uint8)
    whole = gzip.compress(idx(array)) if gzipped else idx(array)
    file = tmp_path / kind
    refused = read = 0
    for _ in range(500):
        data = damaged(whole, rng)
        file.write_bytes(data)
        try:
            ours = read_idx(file, shape)
        except DatasetError as error:
            refused += str(file) in str(error)
        else:
            read += 1
            np.testing.assert_array_equal(ours, rightly_read(data, len(shape)))
    assert refused + read == 500
    assert refused > 250


# standardize


def test_standardize_leaves_its_arguments_alone_and_takes_any_array():
    images = np.arange(12.0).reshape(3, 4)
    kept = images.copy()
    train, test = standardize(images, jnp.array(images, jnp.float32))
    np.testing.assert_array_equal(images, kept)
    np.testing.assert_array_equal(train, test)
    assert np.var(train) == pytest.approx(1, rel=1e-6)


def test_standardize_loses_nothing_far_from_zero():
    images = 1e9 + np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(*standardize(images, images))
    assert len(np.unique(standardize(images)[0])) == 12


def test_standardize_refuses_an_empty_training_set():
    with pytest.raises(ValueError, match=r"train_images is empty, of shape \(0, 28\)"):
        standardize(np.zeros((0, 28), np.uint8))


def test_standardize_refuses_a_training_set_of_one_grey():
    with pytest.raises(ValueError, match=r"got 0 around the mean 7"):
        standardize(np.full((2, 4), 7, np.uint8))
