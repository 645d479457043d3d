"""Folders of class folders: how they may be laid out, and what is wrong with others."""

import numpy as np
import pytest
from PIL import Image

from jaxconv.data import DatasetError, load
from tests.data.folders import class_folders, put

GREY = np.arange(20, dtype=np.uint8).reshape(5, 4) * np.uint8(12)
COLOUR = np.dstack([GREY, GREY, 255 - GREY])


def test_folders_train_and_test_are_read(tmp_path):
    class_folders(tmp_path / "train", "dog", "cat", count=3)
    class_folders(tmp_path / "test", "dog", "cat", count=2)
    data = load(tmp_path)
    assert data.classes == ("cat", "dog")
    assert data.train[0].shape == (6, 1, 5, 4)
    assert data.train[1].tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test[1].tolist() == [0, 0, 1, 1]
    assert (data.train[0].dtype, data.train[1].dtype) == (np.uint8, np.int32)
    for number, name in (1, "cat/1.png"), (5, "dog/2.png"):
        with Image.open(tmp_path / "train" / name) as image:
            np.testing.assert_array_equal(data.train[0][number, 0], np.asarray(image))
    assert (data.name, data.notes) == (str(tmp_path), ())


def test_without_a_test_folder_one_image_in_six_of_each_class_is_taken(tmp_path):
    data = load(class_folders(tmp_path, "a", "b", count=12))
    assert np.bincount(data.train[1]).tolist() == [10, 10]
    assert np.bincount(data.test[1]).tolist() == [2, 2]
    images = np.concatenate([data.train[0], data.test[0]])
    assert len(np.unique(images, axis=0)) == 24
    assert data.notes == (
        "There is no test set: 4 of 24 images, one in 6 of each class, are taken as "
        "one.",
    )


LAYOUTS = {  # the folders -> that of the test set, and what is noted
    "fastai": (("training", "testing"), "testing", None),
    "keras": (("train", "validation"), "validation", None),
    "imagenet": (("train", "val"), "val", None),
    "capitals": (("Train", "Test"), "Test", None),
    "kaggle": (
        ("train", "valid", "test"),
        "test",
        r"valid is not read: images to validate on are held out",
    ),
    "more": (("train", "test", "other"), "test", r"other is not read"),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_layouts_that_people_have_are_recognised(tmp_path, layout):
    folders, test, note = layout
    for number, name in enumerate(folders):
        class_folders(tmp_path / name, "a", "b", count=number + 2)
    data = load(tmp_path)
    assert len(data.train[0]) == 4
    assert len(data.test[0]) == 2 * (folders.index(test) + 2)
    assert len(data.notes) == (note is not None)
    assert not note or note in data.notes[0]


def test_a_test_folder_without_labels_is_not_read(tmp_path):
    class_folders(tmp_path / "train", "a", "b", count=6)
    put(tmp_path / "test" / "1.png", GREY)
    data = load(tmp_path)
    assert len(data.test[0]) == 2
    assert "test is not read: it has no class folders" in data.notes[0]


def test_a_class_may_be_called_train(tmp_path):
    data = load(class_folders(tmp_path, "bus", "car", "train"))
    assert data.classes == ("bus", "car", "train")


def test_numbers_are_ordered_as_numbers(tmp_path):
    names = [str(number) for number in range(11)]
    assert load(class_folders(tmp_path, *names)).classes == tuple(names)
    put(tmp_path / "x" / "1.png", GREY)
    put(tmp_path / "x" / "2.png", GREY)
    assert load(tmp_path).classes[:4] == ("0", "1", "10", "2")


def test_what_the_system_puts_there_is_passed_over(tmp_path):
    class_folders(tmp_path, "cat", "dog")
    for name in (".DS_Store", "Thumbs.db", "._0.png", "desktop.ini", "notes.txt"):
        (tmp_path / "cat" / name).write_bytes(b"no image")
    for name in ("__MACOSX", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / "labels.csv").write_text("")
    data = load(tmp_path)
    assert data.classes == ("cat", "dog")
    assert len(data.train[0]) + len(data.test[0]) == 6


def test_folders_in_class_folders_belong_to_the_class(tmp_path):
    class_folders(tmp_path / "cat", "old", "new")
    class_folders(tmp_path, "dog")
    (tmp_path / "cat" / "loop").symlink_to(tmp_path)
    data = load(tmp_path)
    assert data.classes == ("cat", "dog")
    assert len(data.train[0]) + len(data.test[0]) == 9


def test_images_beside_the_class_folders_are_noted(tmp_path):
    class_folders(tmp_path / "train", "cat", "dog")
    class_folders(tmp_path / "test", "cat", "dog")
    put(tmp_path / "train" / "1.png", GREY)
    note = f"{tmp_path / 'train'}: 1 image in no class folder: not read."
    assert load(tmp_path).notes == (note,)


# Channels


def test_grey_among_colours_has_three_channels(tmp_path):
    for split in "train", "test":
        class_folders(tmp_path / split, "cat", "dog")
    put(tmp_path / "train" / "dog" / "1.png", COLOUR)
    data = load(tmp_path)
    assert data.train[0].shape == (6, 3, 5, 4)
    assert data.test[0].shape == (6, 3, 5, 4)
    np.testing.assert_array_equal(data.train[0][4], np.moveaxis(COLOUR, 2, 0))
    for images in data.train[0][:4], data.test[0]:
        np.testing.assert_array_equal(images[:, 0], images[:, 2])
        assert len(np.unique(images, axis=0)) == len(images)
    put(tmp_path / "test" / "dog" / "1.png", COLOUR)
    put(tmp_path / "train" / "dog" / "1.png", GREY)
    assert load(tmp_path).train[0].shape == (6, 3, 5, 4)


def test_images_may_be_transposed(tmp_path):
    class_folders(tmp_path, "cat", "dog")
    (images, _), (turned, _) = (
        load(tmp_path).train,
        load(tmp_path, transpose=True).train,
    )
    np.testing.assert_array_equal(turned, images.swapaxes(2, 3))


# What is wrong


def page(folder):
    (folder / "dog" / "x.png").write_bytes(b"<!DOCTYPE html>")


def array(folder):
    (folder / "dog" / "x.npy").write_bytes(b"\x93NUMPY")


def cut(folder):
    file = put(folder / "dog" / "1.png", np.zeros((5, 4), np.uint8))
    file.write_bytes(file.read_bytes()[:-30])


WRONG = {  # what is done to a folder of cats and dogs -> what is said
    "an empty class": (
        lambda f: (f / "eel").mkdir(),
        r"/eel: holds no image\. Add some",
    ),
    "a page": (page, r"/dog/x\.png: is not an image that Pillow reads, but a web page"),
    "an array": (
        array,
        r"/dog/x\.npy: is not an image that Pillow reads, but a NumPy array",
    ),
    "half an image": (cut, r"/dog/1\.png: is a damaged image"),
    "another size": (
        lambda f: put(f / "dog" / "9.png", np.zeros((5, 6), np.uint8)),
        r"dog/9\.png: is of 5 x 6 pixels, but \S*/cat/0\.png is of 5 x 4 pixels \(hei",
    ),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_names_the_file(tmp_path, change, message):
    change(class_folders(tmp_path, "cat", "dog"))
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_test_images_of_another_size_are_refused(tmp_path):
    class_folders(tmp_path / "train", "cat", "dog")
    class_folders(tmp_path / "test", "cat", "dog", size=(4, 4))
    message = (
        r"test/cat/0\.png: is of 4 x 4 pixels, but \S*/train/cat/0\.png is of 5 x 4"
    )
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_classes_of_the_two_sets_are_compared(tmp_path):
    class_folders(tmp_path / "train", "cat", "dog", "eel")
    class_folders(tmp_path / "test", "cat", "dog")
    assert load(tmp_path).notes == (f"{tmp_path / 'test'} has no image of eel.",)
    class_folders(tmp_path / "test", "fox")
    message = (
        r"test/fox: is a class that \S*/train does not have: there are cat, dog, eel"
    )
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(
        DatasetError, match=r"2 images, one of each class: none is left"
    ):
        load(class_folders(tmp_path, "cat", "dog", count=1))


def test_images_that_memory_does_not_hold_are_refused(tmp_path, monkeypatch):
    def empty(shape, dtype=float):
        if isinstance(shape, tuple) and len(shape) == 4:
            raise MemoryError
        return np.zeros(shape, dtype)

    class_folders(tmp_path, "cat", "dog")
    monkeypatch.setattr(np, "empty", empty)
    with pytest.raises(
        DatasetError, match=r"images of 5 x 4 pixels need 0\.0 GB of mem"
    ):
        load(tmp_path)


def test_another_number_of_classes_is_refused(tmp_path):
    with pytest.raises(
        DatasetError, match=r"2 class folders, cat, dog, but num_classes=3"
    ):
        load(class_folders(tmp_path, "cat", "dog"), num_classes=3)


LOST = {  # where the images are -> what is said
    "one class": ("cat/1.png", r"one class folder only, cat\. Put each image into a"),
    "a folder around": (
        "pets/cat/1.png",
        r"only, pets\. Are the classes in it\? Then s",
    ),
    "no class": ("1.png", r"images lie in it directly, without a class\. Put each"),
}


@pytest.mark.parametrize(("name", "message"), LOST.values(), ids=LOST.keys())
def test_images_in_the_wrong_place_are_said_to_be(tmp_path, name, message):
    put(tmp_path / name, GREY)
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_training_images_without_class_folders_are_refused(tmp_path):
    put(tmp_path / "train" / "1.png", GREY)
    put(tmp_path / "test" / "1.png", GREY)
    with pytest.raises(
        DatasetError, match=r"/train: holds no class folders\. Put each"
    ):
        load(tmp_path)
