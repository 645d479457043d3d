"""`load` on IDX files: the names that people have, EMNIST, and what does not fit."""

import gzip
import struct

import numpy as np
import pytest

from jaxconv.data import DatasetError, load, load_mnist
from tests.data.files import NAMES, contents, idx, write


def four(rng, images=(7, 6, 5), labels=None, form="{split}-{kind}-idx{axes}-ubyte"):
    """Return four files, of 7 images and the first 3 of them, under names of a form."""
    pixels = rng.integers(0, 256, images, dtype=np.uint8)
    labels = np.arange(7, dtype=np.uint8) if labels is None else labels
    files = {}
    for split, count in ("train", 7), ("t10k", 3):
        for kind, array in ("images", pixels), ("labels", labels):
            name = form.format(split=split, kind=kind, axes=array.ndim)
            if "emnist" in form:
                name = name.replace("t10k", "test")
            data = idx(array[:count])
            files[name] = gzip.compress(data) if name.endswith(".gz") else data
    return files


def test_the_embedded_mnist_is_the_default():
    data = load()
    (images, labels), (test_images, test_labels) = load_mnist()
    np.testing.assert_array_equal(data.train[0], images)
    np.testing.assert_array_equal(data.train[1], labels)
    np.testing.assert_array_equal(data.test[0], test_images)
    np.testing.assert_array_equal(data.test[1], test_labels)
    assert (data.train[0].dtype, data.train[1].dtype) == (np.uint8, np.int32)
    assert data.classes == tuple("0123456789")
    assert (data.name, data.notes) == ("the embedded MNIST", ())


FORMS = [
    "{split}-{kind}-idx{axes}-ubyte",
    "{split}-{kind}-idx{axes}-ubyte.gz",
    "{split}-{kind}.idx{axes}-ubyte",
    "{split}-{kind}.idx{axes}-ubyte.gz",
    "{split}-{kind}-ubyte.gz",
    "{split}_{kind}.idx",
    "mnist-{split}-{kind}-idx{axes}-ubyte",
    "emnist-balanced-{split}-{kind}-idx{axes}-ubyte.gz",
    "{split}-{kind}-idx{axes}-ubyte/{split}-{kind}-idx{axes}-ubyte",
    "{split}-{kind}-idx{axes}-ubyte/{split}-{kind}.idx{axes}-ubyte",
]


@pytest.mark.parametrize("form", FORMS)
def test_names_that_archives_have_are_recognised(tmp_path, rng, form):
    files = four(rng, form=form)
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
    data = load(write(tmp_path, files))
    assert data.train[0].shape == (7, 1, 6, 5)
    assert data.train[1].tolist() == list(range(7))
    assert data.test[1].tolist() == [0, 1, 2]
    assert data.train[1].dtype == np.int32


def test_what_macos_leaves_beside_files_is_passed_over(tmp_path, rng):
    files = four(rng, form=FORMS[6])
    data = load(write(tmp_path, files | {f"._{name}": b"\0\5" for name in files}))
    assert data.train[1].tolist() == list(range(7))


def test_qmnists_labels_are_their_first_column(tmp_path, rng):
    files = {f"q{name}": data for name, data in four(rng, form=FORMS[6]).items()}
    labels = np.zeros((7, 8), ">i4")
    labels[:, 0], labels[:, 1] = range(7), 1000
    for split, count in ("train", 7), ("t10k", 3):
        del files[f"qmnist-{split}-labels-idx1-ubyte"]
        header = b"\0\0\x0c\2" + struct.pack(">2I", count, 8)
        files[f"qmnist-{split}-labels-idx2-int"] = header + labels[:count].tobytes()
    data = load(write(tmp_path, files))
    assert data.train[1].tolist() == list(range(7))
    files["qmnist-train-labels-idx2-int"] += b"\0"
    with pytest.raises(DatasetError, match=r"promises 7 x 8 x 4 = 224 bytes"):
        load(write(tmp_path, files))


@pytest.mark.parametrize("axis", [1, 3])
def test_colour_has_a_fourth_axis(tmp_path, rng, axis):
    shape = [7, 6, 5]
    shape.insert(axis, 3)
    files = four(rng, images=tuple(shape))
    data = load(write(tmp_path, files))
    assert data.train[0].shape == (7, 3, 6, 5)
    assert data.train[0].flags.c_contiguous
    stored = np.frombuffer(files["train-images-idx4-ubyte"], np.uint8, offset=20)
    stored = np.moveaxis(stored.reshape(shape), axis, 1)
    np.testing.assert_array_equal(data.train[0], stored)


def test_classes_are_ten_unless_said(tmp_path, rng):
    write(tmp_path, four(rng))
    assert load(tmp_path, num_classes=8).classes == tuple("01234567")
    assert load(tmp_path, num_classes=7).notes == ()
    data = load(tmp_path)
    assert data.classes == tuple("0123456789")
    assert data.notes == ("3 classes of 10 have no training image: 7, 8, 9.",)
    with pytest.raises(DatasetError, match=r"label 6 at index 6 is not within 0\.\.5"):
        load(tmp_path, num_classes=6)
    with pytest.raises(DatasetError, match=r"num_classes must be at most 256"):
        load(tmp_path, num_classes=257)


# EMNIST

EMNIST = "emnist-{}-{{split}}-{{kind}}-idx{{axes}}-ubyte"


def test_transposed_images_are_turned(tmp_path, rng):
    write(tmp_path, four(rng, form=EMNIST.format("digits")))
    stored, upright = load(tmp_path), load(tmp_path, transpose=True)
    for (images, _), (turned, _) in zip(stored[:2], upright[:2], strict=True):
        np.testing.assert_array_equal(turned, images.swapaxes(2, 3))
    assert upright.train[0].shape == (7, 1, 5, 6)
    assert upright.train[0].flags.c_contiguous


def test_who_loads_emnist_is_told_that_it_is_transposed(tmp_path, rng):
    renamed = tmp_path / "EMNIST" / "raw"
    renamed.mkdir(parents=True)
    write(renamed, four(rng))
    write(tmp_path, four(rng, form=EMNIST.format("digits")))
    for folder in tmp_path, renamed:
        assert "transpose=True (--transpose-images) turns" in load(folder).notes[-1]
        assert not any("trans" in n for n in load(folder, transpose=True).notes)


def test_emnists_classes_have_their_names(tmp_path, rng):
    labels = np.array([46, 0, 10, 35, 36, 45, 1], np.uint8)
    write(tmp_path, four(rng, labels=labels, form=EMNIST.format("balanced")))
    data = load(tmp_path)
    assert len(data.classes) == 47
    assert [data.classes[label] for label in data.train[1]] == list("t0AZar1")
    assert load(tmp_path, num_classes=50).classes[46] == "46"


def test_emnists_letters_are_counted_from_0(tmp_path, rng):
    labels = np.array([26, 1, 2, 3, 4, 5, 6], np.uint8)
    write(tmp_path, four(rng, labels=labels, form=EMNIST.format("letters")))
    data = load(tmp_path)
    assert len(data.classes) == 26
    assert [data.classes[label] for label in data.train[1]] == list("ZABCDEF")
    assert "labels count from 1, classes from 0" in data.notes[0]
    kept = load(tmp_path, num_classes=27)
    assert kept.train[1].tolist() == labels.tolist()
    labels = np.array([26, 0, 2, 3, 4, 5, 6], np.uint8)
    write(tmp_path, four(rng, labels=labels, form=EMNIST.format("letters")))
    with pytest.raises(
        DatasetError, match=r"has labels from 0 to 26, expected 1 to 26"
    ):
        load(tmp_path)


def test_of_several_data_sets_one_is_named(tmp_path, rng):
    for part in "digits", "letters":
        write(tmp_path, four(rng, form=EMNIST.format(part)))
    with pytest.raises(
        DatasetError, match=r"holds 2 data sets: emnist-digits, emnist-l"
    ):
        load(tmp_path)
    data = load(tmp_path / "emnist-digits")
    assert data.name == str(tmp_path / "emnist-digits")
    assert data.classes == tuple("0123456789")
    with pytest.raises(
        DatasetError, match=r"digit: is not there.* holds the data sets"
    ):
        load(tmp_path / "emnist-digit")
    file = tmp_path / "emnist-digits-train-images-idx3-ubyte"
    with pytest.raises(DatasetError, match=r"folder that holds it: \S*/emnist-digits$"):
        load(file)
    write(tmp_path, four(rng))
    assert load(tmp_path).name == str(tmp_path)  # the plain names come first


# What does not fit


def test_a_missing_file_is_called_like_its_fellow(tmp_path, rng):
    files = four(rng, form=EMNIST.format("digits"))
    del files["emnist-digits-test-labels-idx1-ubyte"]
    with pytest.raises(
        DatasetError, match=r"neither emnist-digits-test-labels-idx1-ub"
    ):
        load(write(tmp_path, files))


BAD = {  # what stands in a file instead -> what is said
    "another size": (
        "test_images",
        idx(np.zeros((3, 28, 27), np.uint8)),
        r"images of 28 x 27 pixels, but those of train-images-idx3-ubyte are of 28 x",
    ),
    "colour": (
        "test_images",
        idx(np.zeros((3, 28, 28, 3), np.uint8)),
        r"has images of 28 x 28 pixels in 3 channels, but",
    ),
    "channels nowhere": (
        "test_images",
        idx(np.zeros((3, 28, 28, 28), np.uint8)),
        r"neither axis 1 nor axis 3 is of 1 to 4",
    ),
    "a class to test alone": (
        "test_labels",
        idx(np.array([0, 9, 8], np.uint8)),
        r"holds images of classes 8, 9, the first at index 2",
    ),
    "more labels": (
        "test_labels",
        idx(np.zeros(4, np.uint8)),
        r"holds 4 labels for the 3 images of t10k-images",
    ),
    "a label below 0": (
        "train_labels",
        b"\0\0\x09\1\0\0\0\7" + bytes([0, 1, 255, 2, 3, 4, 5]),
        r"label -1 at index 2 is below 0",
    ),
    "a page": ("train_images", b"<!DOCTYPE html>", r"a web page \(HTML\).*Download"),
    "nothing": ("test_labels", b"", r"an empty file: .*Download"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_what_does_not_fit_names_the_file(tmp_path, rng, case):
    which, data, message = case
    write(tmp_path, contents(rng) | {NAMES[which]: data})
    with pytest.raises(DatasetError, match=message) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / NAMES[which]))


def test_dark_images_are_noted(tmp_path, rng):
    files = four(rng) | {
        "train-images-idx3-ubyte": idx(np.eye(7, dtype=np.uint8)[:, None])
    }
    files["t10k-images-idx3-ubyte"] = idx(np.zeros((3, 1, 7), np.uint8))
    assert (
        load(write(tmp_path, files)).notes[-1].startswith("The brightest pixel is 1 of")
    )
