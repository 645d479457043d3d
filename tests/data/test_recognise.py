"""What a data set is kept in is recognised; what is none is said to be none."""

import os
import zipfile

import numpy as np
import pytest

from jaxconv.data import DatasetError, load
from tests.data.files import NAMES, contents, write
from tests.data.folders import class_folders


def test_a_folder_that_holds_nothing_says_so(tmp_path):
    with pytest.raises(
        DatasetError, match=r"is empty\. A data set is four IDX files, a"
    ):
        load(tmp_path)
    (tmp_path / "a.csv").touch()
    with pytest.raises(
        DatasetError, match=r"holds no data set, but a\.csv\. A data set"
    ):
        load(tmp_path)


def test_a_data_set_in_a_folder_below_is_pointed_at(tmp_path, rng):
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    write(tmp_path / "MNIST" / "raw", contents(rng))
    with pytest.raises(
        DatasetError, match=r"One is in \S*/MNIST/raw: set data_dir to it"
    ):
        load(tmp_path)


def test_of_several_npz_files_one_is_to_be_named(tmp_path):
    for name in "ab":
        np.savez(tmp_path / f"{name}.npz", x=0)
    with pytest.raises(
        DatasetError, match=r"holds 2 \.npz files: a\.npz, b\.npz\. Set da"
    ):
        load(tmp_path)


def test_idx_files_come_before_images_if_they_are_whole(tmp_path, rng):
    write(class_folders(tmp_path, "cat", "dog"), contents(rng))
    assert load(tmp_path).train[0].shape == (7, 1, 28, 28)
    (tmp_path / NAMES["test_labels"]).unlink()
    assert load(tmp_path).classes == ("cat", "dog")


def test_arrays_beside_class_folders_are_said_not_to_be_read(tmp_path):
    np.savez(class_folders(tmp_path, "cat", "dog") / "x.npz", x=0)
    data = load(tmp_path)
    assert (
        data.notes[-1] == f"{tmp_path / 'x.npz'} is not read: there are class folders."
    )


def test_a_file_that_is_no_data_set_is_named_as_what_it_is(tmp_path):
    file = tmp_path / "x"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", "")
    with pytest.raises(
        DatasetError, match=r"x: is not a folder but a zip archive\. Unpac"
    ):
        load(file)
    file.write_bytes(b"\x93NUMPY")
    with pytest.raises(
        DatasetError, match=r"x: is a NumPy array\. Save images and labels"
    ):
        load(file)
    file.write_bytes(b"cat")
    with pytest.raises(
        DatasetError, match=r"x: is not a folder but a file\. A data set"
    ):
        load(file)


@pytest.mark.parametrize("name", ["/nowhere", "/nowhere.npz", "~nobody-of-that-name/x"])
def test_a_path_that_is_not_there_is_named(name):
    with pytest.raises(DatasetError, match=rf"^{name}: (no such|cannot be opened)"):
        load(name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path):
    class_folders(tmp_path, "cat", "dog")
    (tmp_path / "dog").chmod(0)
    with pytest.raises(DatasetError, match=r"cannot be opened: Permission denied"):
        load(tmp_path)


@pytest.mark.parametrize("num_classes", [0, -1, 2**16 + 1, 10.0, "10", True])
@pytest.mark.usefixtures("our_errors")
def test_a_number_of_classes_that_is_none_is_refused(num_classes):
    with pytest.raises(
        ValueError, match=r"load: num_classes must be a whole number from"
    ):
        load(num_classes=num_classes)


def test_mnist_has_ten_classes_at_least():
    assert load(num_classes=11).notes == ("1 class of 11 has no training image: 10.",)
    with pytest.raises(DatasetError, match=r"MNIST: has 10 classes, got num_classes=9"):
        load(num_classes=9)
