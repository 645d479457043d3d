"""A stratified part of the training set, and the fingerprint of a data set."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jaxconv.data import Dataset, DatasetError, fingerprint, held_out, load
from jaxconv.data.dataset import (
    check_classes,
    empty_classes,
    stratified,
    taken_for_test,
)


def dataset(labels, classes="abcdefgh") -> Dataset:
    """Return a data set whose image i is grey of level i."""
    labels = np.array(labels, np.int32)
    levels = np.arange(len(labels), dtype=np.uint8)
    images = np.repeat(levels, 6).reshape(-1, 1, 2, 3)
    test = images[:2], labels[:2]
    return Dataset((images, labels), test, tuple(classes), "the letters")


# held_out


@pytest.fixture(scope="module")
def mnist():
    return load()


def test_each_class_gives_its_proportion(mnist):
    """MNIST's training set: 5,000 of 60,000 are 8.33 percent of each class."""
    part = held_out(mnist, 5000)
    quotas = np.bincount(mnist.train[1]) * (5000 / 60000)
    sizes = np.bincount(part.test[1])
    assert sizes.sum() == 5000
    assert np.all(np.abs(sizes - quotas) < 1)
    assert len(part.train[0]) == len(part.train[1]) == 55000


def test_parts_are_disjoint_and_keep_their_labels():
    data = dataset([0, 1, 1, 0, 2, 1, 0, 1, 2, 1])
    part = held_out(data, 4)
    (images, labels), (taken, taken_labels) = part.train, part.test
    levels = np.concatenate([images, taken])[:, 0, 0, 0]
    assert sorted(levels.tolist()) == list(range(10))
    np.testing.assert_array_equal(
        data.train[1][levels], np.concatenate([labels, taken_labels])
    )
    assert np.bincount(taken_labels).tolist() == [1, 2, 1]
    assert part.classes == data.classes
    assert part.notes == ()


def test_which_images_are_held_out_never_changes():
    """A run goes on from a checkpoint with the same images, years later as well."""
    labels = np.tile(np.arange(3), 7)
    taken = [np.flatnonzero(stratified(labels, 5, seed)).tolist() for seed in (0, 1)]
    assert taken == [[1, 3, 11, 13, 15], [2, 9, 16, 18, 19]]
    again = held_out(dataset(labels), 5), held_out(dataset(labels), 5)
    np.testing.assert_array_equal(again[0].test[0], again[1].test[0])


@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(
        lambda sizes: sum(sizes) > 1
    ),
    share=st.floats(0, 1),
)
@example(sizes=[1, 10], share=0.56)  # six: the one image's share is rounded up
@settings(max_examples=60, deadline=None)
def test_a_class_is_emptied_only_if_it_must_be(sizes, share):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    count = max(1, min(len(labels) - 1, int(share * len(labels))))
    taken = np.bincount(labels[stratified(labels, count, 0)], minlength=len(sizes))
    assert taken.sum() == count
    assert np.all(taken <= sizes)
    present = np.array(sizes) > 0
    if count <= len(labels) - present.sum():
        assert np.all((taken < sizes)[present])


def test_a_class_that_is_emptied_is_noted():
    part = held_out(dataset([0, 1, 2]), 2)
    assert part.notes == ("held_out=2 leaves no training image of 2 classes: a, b.",)


def test_nothing_left_to_train_on_is_refused():
    with pytest.raises(
        DatasetError, match=r"the letters: holds 3 training images.*takes 3: none"
    ):
        held_out(dataset([0, 1, 2]), 3)


@pytest.mark.parametrize("count", [0, -1, 2.0, True, "2"])
@pytest.mark.usefixtures("our_errors")
def test_a_count_that_is_no_number_of_images_is_refused(count):
    with pytest.raises(ValueError, match=r"count must be a whole number of at least 1"):
        held_out(dataset([0, 1, 2]), count)


# A test set where none is given


def test_one_image_in_six_becomes_the_test_set():
    taken, note = taken_for_test(np.repeat(np.arange(2), [12, 24]), "x")
    assert np.bincount(np.repeat(np.arange(2), [12, 24])[taken]).tolist() == [2, 4]
    assert note.startswith("There is no test set: 6 of 36 images, one in 6 of each")


def test_a_few_images_still_make_a_test_set():
    labels = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    taken, _ = taken_for_test(labels, "x")
    assert labels[taken].tolist() == [0]
    with pytest.raises(DatasetError, match=r"x: holds 3 images, one of each class"):
        taken_for_test(np.arange(3), "x")


# Classes


def test_a_test_class_without_training_images_is_refused():
    with pytest.raises(DatasetError, match=r"t: holds images of class 2, .*index 1,"):
        check_classes(np.array([0, 1]), np.array([0, 2, 1]), "t")
    check_classes(np.array([0, 1, 2]), np.array([0, 1]), "t")


def test_empty_classes_are_noted():
    (note,) = empty_classes(np.array([0, 2]), ("a", "b", "c"))
    assert note == "1 class of 3 has no training image: b."
    assert empty_classes(np.array([0, 1]), ("a", "b")) == ()


# fingerprint


def changed(data, **changes):
    return fingerprint(data._replace(**changes))


def test_a_fingerprint_tells_data_sets_apart():
    data = dataset([0, 1, 1])
    (images, labels), test = data.train, data.test
    other = images.copy()
    other[1, 0, 1, 2] += 1
    prints = {
        fingerprint(data),
        changed(data, train=(other, labels)),
        changed(data, train=(images, labels[::-1])),
        changed(data, train=(images[::-1], labels)),
        changed(data, train=(images.reshape(3, 1, 3, 2), labels)),
        changed(data, train=test, test=data.train),
        changed(data, classes=("a", "c")),
        changed(data, classes=("a,b",)),
    }
    assert len(prints) == 8
    assert all(len(digits) == 32 for digits in prints)


def test_a_fingerprint_is_of_the_data_alone():
    data = dataset([0, 1, 1])
    labels = data.train[1].astype(np.uint8)
    same = data._replace(train=(np.asfortranarray(data.train[0]), labels))
    assert fingerprint(data) == fingerprint(same)
    assert fingerprint(data) == changed(data, name="elsewhere", notes=("a note",))


def test_the_fingerprint_of_mnist_never_changes(mnist):
    """Checkpoints hold it."""
    assert fingerprint(mnist) == "76ea985ff644ead3a65417709f15e79c"
