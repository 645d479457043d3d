"""A data set in one .npz file, and what is wrong with others."""

import numpy as np
import pytest

from jaxconv.data import DatasetError, load

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 6, 5), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (12, 6, 5, 3), dtype=np.uint8)
LABELS = np.tile(np.arange(3), 4)


def saved(folder, **arrays):
    file = folder / "x.npz"
    np.savez(file, **arrays)
    return file


LAYOUTS = {
    "grey": (IMAGES, IMAGES[:, None]),
    "channels-last": (COLOUR, np.moveaxis(COLOUR, 3, 1)),
    "channels-first": (np.moveaxis(COLOUR, 3, 1), np.moveaxis(COLOUR, 3, 1)),
    "one channel, last": (IMAGES[..., None], IMAGES[:, None]),
}


@pytest.mark.parametrize(("given", "expected"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_channels_are_found(tmp_path, given, expected):
    file = saved(
        tmp_path, images=given, labels=LABELS, test_images=given, test_labels=LABELS
    )
    data = load(file)
    np.testing.assert_array_equal(data.train[0], expected)
    assert data.train[0].flags.c_contiguous
    assert (data.train[0].dtype, data.train[1].dtype) == (np.uint8, np.int32)
    assert data.classes == ("0", "1", "2")
    assert (data.name, data.notes) == (str(file), ())


def test_one_image_in_six_of_each_class_becomes_the_test_set(tmp_path):
    saved(tmp_path, images=np.repeat(IMAGES, 3, 0), labels=np.repeat(LABELS, 3))
    (tmp_path / "._x.npz").write_bytes(b"macOS leaves it")
    data = load(tmp_path)  # the folder's only file
    assert np.bincount(data.train[1]).tolist() == [10, 10, 10]
    assert np.bincount(data.test[1]).tolist() == [2, 2, 2]
    assert data.notes[0].startswith("There is no test set: 6 of 36 images")


NAMES = {
    "keras": ("x_train", "y_train", "x_test", "y_test"),
    "medmnist": ("train_images", "train_labels", "test_images", "test_labels"),
    "capitals": ("X_train", "Y_train", "X_val", "Y_val"),
    "no training": ("data", "target", "test_data", "test_target"),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES.keys())
def test_names_that_people_have_are_recognised(tmp_path, names):
    arrays = (IMAGES, LABELS, IMAGES[3:6], LABELS[3:6])
    data = load(saved(tmp_path, **dict(zip(names, arrays, strict=True)), extra=LABELS))
    np.testing.assert_array_equal(data.train[0], IMAGES[:, None])
    np.testing.assert_array_equal(data.test[0], IMAGES[3:6, None])
    assert data.test[1].tolist() == [0, 1, 2]


def test_images_to_validate_on_are_said_not_to_be_read(tmp_path):
    arrays = {}
    for part in "train", "val", "test":
        arrays |= {f"{part}_images": IMAGES, f"{part}_labels": LABELS[:, None]}
    data = load(saved(tmp_path, **arrays))
    assert "val_images and val_labels are not read" in data.notes[0]
    assert data.train[1].shape == (12,)


LEVELS = {
    "0 to 1": IMAGES / 255,
    "0 to 1 in float16": (IMAGES / 255).astype(np.float16),
    "0 to 255 in floats": IMAGES.astype(float),
    "int64": IMAGES.astype(np.int64),
    "big-endian": IMAGES.astype(">u2"),
}


@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS.keys())
def test_levels_become_bytes(tmp_path, levels):
    test = {"test_images": levels[:3], "test_labels": LABELS[:3]}
    data = load(saved(tmp_path, images=levels, labels=LABELS.astype(float), **test))
    np.testing.assert_array_equal(data.train[0], IMAGES[:, None])
    np.testing.assert_array_equal(data.test[0], IMAGES[:3, None])


def test_truth_values_are_black_and_white(tmp_path):
    grey = {"test_images": IMAGES, "test_labels": LABELS > 1}
    file = saved(tmp_path, images=IMAGES > 99, labels=LABELS > 1, **grey)
    data = load(file, num_classes=3)
    assert set(np.unique(data.train[0])) == {0, 255}
    assert data.train[1].tolist() == [0, 0, 1] * 4


def test_whole_numbers_0_and_1_stay(tmp_path):
    """They may be levels of 0 to 255 as well: a note says that they are dark."""
    data = load(saved(tmp_path, images=(IMAGES > 99).astype(int), labels=LABELS))
    assert set(np.unique(data.train[0])) == {0, 1}
    assert data.notes[-1].startswith("The brightest pixel is 1 of 255.")


def test_classes_may_have_names(tmp_path):
    names = np.array(["cat", "dog", "fish"])
    arrays = {"images": IMAGES, "labels": LABELS}
    for classes in names, names.astype("S"):
        data = load(saved(tmp_path, **arrays, class_names=classes), num_classes=3)
        assert data.classes == ("cat", "dog", "fish")
    with pytest.raises(DatasetError, match=r"class_names has 3 names, for 4 classes"):
        load(tmp_path, num_classes=4)


def test_the_number_of_classes_may_be_said(tmp_path):
    file = saved(tmp_path, images=IMAGES, labels=LABELS + 1)
    with pytest.raises(
        DatasetError, match=r"from 1 to 3, and no training image is of cl"
    ):
        load(file)
    data = load(file, num_classes=4)
    assert data.classes == ("0", "1", "2", "3")
    assert data.notes[-1] == "1 class of 4 has no training image: 0."
    with pytest.raises(
        DatasetError, match=r"labels: label 3 at index 2 is not within 0"
    ):
        load(file, num_classes=3)


BAD = {  # the file's arrays -> what is said
    "no labels": (
        {"images": IMAGES},
        r"holds images, expected images and labels, and for",
    ),
    "numbered": (
        {"arr_0": IMAGES, "arr_1": LABELS},
        r"holds arr_0, arr_1, expected images and",
    ),
    "twice": (
        {"images": IMAGES, "x": IMAGES, "labels": LABELS},
        r"holds both images and x: which",
    ),
    "a test set without labels": (
        {"images": IMAGES, "labels": LABELS, "test_images": IMAGES},
        r"holds test_images, but no labels for it",
    ),
    "more labels": (
        {"images": IMAGES, "labels": np.zeros(13, int)},
        r"labels has 13 labels for the 12 images of images",
    ),
    "rows": (
        {"images": IMAGES[:, :5].reshape(12, 25), "labels": LABELS},
        r"images: has 2 axes, .*Write \.reshape\(-1, 5, 5\)\.",
    ),
    "channels twice": (
        {"images": COLOUR[:, :3], "labels": LABELS},
        r"images: of shape \(12, 3, 5, 3\): both axis 1 and axis 3",
    ),
    "many channels": (
        {"images": np.repeat(COLOUR, 2, 3), "labels": LABELS},
        r"neither axis 1 nor axis 3 is of 1 to 4",
    ),
    "no images": (
        {"images": IMAGES[:0], "labels": LABELS[:0]},
        r"images: is empty, of shape",
    ),
    "another size": (
        {
            "x_train": IMAGES,
            "y_train": LABELS,
            "x_test": IMAGES[:, 1:],
            "y_test": LABELS,
        },
        r"x_test has images of 1 x 5 x 5 .*those of x_train are of 1 x 6 x 5",
    ),
    "a class to test alone": (
        {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS * 2},
        r"y_test: holds images of class 4, the first at index 2,",
    ),
    "standardised": (
        {"images": IMAGES / 255 - 0.5, "labels": LABELS},
        r"images: holds numbers from -0\.5.* to 0\.5, .*Is it standardised\?",
    ),
    "16 bits": (
        {"images": IMAGES.astype(np.uint16) * 257, "labels": LABELS},
        r"to 65535, expected 0 to 255.*\(images // 257\)",
    ),
    "halves": (
        {"images": IMAGES / 2, "labels": LABELS},
        r"numbers that are not whole, up to 127",
    ),
    "not a number": (
        {"images": np.where(IMAGES > 250, np.nan, IMAGES), "labels": LABELS},
        r"images: nan at \[\d+, 0, \d, \d\] is not a finite number",
    ),
    "complex": (
        {"images": IMAGES.astype(complex), "labels": LABELS},
        r"of complex128, expected u",
    ),
    "one-hot": (
        {"images": IMAGES, "labels": np.eye(3)[LABELS]},
        r"labels: is of shape \(12, 3\).* Save labels\.argmax\(1\)\.",
    ),
    "many labels": (
        {"images": IMAGES, "labels": np.ones((12, 3), int)},
        r"is of shape \(12, 3\).* An image has one label",
    ),
    "words": (
        {"images": IMAGES, "labels": np.array(["a", "b", "c"])[LABELS]},
        r"labels: is of <U1.*numpy\.unique\(labels, return_inverse=True\)",
    ),
    "below 0": (
        {"images": IMAGES, "labels": LABELS - 1},
        r"labels: -1 at index 0 is not a whole",
    ),
    "beyond": (
        {"images": IMAGES, "labels": LABELS + 65534},
        r"65536 at index 2 is not a whole num",
    ),
    "half": (
        {"images": IMAGES, "labels": LABELS + 0.5},
        r"labels: 0\.5 at index 0 is not a whole",
    ),
    "objects": (
        {"images": IMAGES, "labels": LABELS.astype(object)},
        r"labels is an array of Python objects, which are not read, as they may run",
    ),
    "few names": (
        {"images": IMAGES, "labels": LABELS, "classes": np.array(["a", "b"])},
        r"classes has 2 names, for 3 classes",
    ),
    "names in columns": (
        {
            "images": IMAGES,
            "labels": LABELS,
            "classes": np.array([["a"], ["b"], ["c"]]),
        },
        r"classes is of <U1 and shape \(3, 1\), expected a string for each class",
    ),
}


@pytest.mark.parametrize(("arrays", "message"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_names_the_file_and_the_array(tmp_path, arrays, message):
    file = saved(tmp_path, **arrays)
    with pytest.raises(DatasetError, match=message) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)
