"""What a model says of images, and the confusion matrix."""

import numpy as np

from jaxconv import nn
from jaxconv.train.page import evaluated as page_evaluated
from jaxconv.train.page.evaluated import Evaluated, confusion, evaluate
from jaxconv.train.page.learned import first_convolution, maps_section
from jaxconv.train.page.matrix import confusion_section
from tests.train.page.runs import SCALING, dataset, dense_model, params_of


def test_images_are_classified_in_batches_of_one_shape(monkeypatch):
    data, model = dataset(test=23), dense_model()
    params = params_of(model, data)
    images, labels = data.test
    whole = evaluate(model, params, images, labels, SCALING)
    monkeypatch.setattr(page_evaluated, "_BATCH", 5)
    parts = evaluate(model, params, images, labels, SCALING)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    logits = np.asarray(model.apply(params, SCALING(images)), np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_array_equal(whole.predicted, shares.argmax(1))
    np.testing.assert_allclose(whole.probability, shares.max(1), rtol=1e-5)
    taken = shares[np.arange(23), labels]
    np.testing.assert_allclose(whole.loss, -np.log(taken), rtol=1e-5)


FOUND = Evaluated(
    labels=np.array([0, 1, 1, 1, 2]),
    predicted=np.array([0, 0, 0, 1, 1]),
    probability=np.array([0.9, 0.6, 0.7, 0.8, 0.5]),
    loss=np.array([0.1, 1.0, 2.0, 0.2, 3.0]),
)


def test_mistakes_come_with_the_largest_loss_first():
    assert FOUND.mistakes().tolist() == [4, 2, 1]
    assert FOUND.accuracy == 0.4


def test_rows_of_the_confusion_matrix_are_the_truth():
    assert confusion(FOUND, 3).tolist() == [[1, 0, 0], [2, 1, 0], [0, 1, 0]]


def test_a_model_may_tell_more_classes_apart_than_there_are():
    assert confusion(FOUND, 2).shape == (3, 3)


def test_the_matrix_shows_counts_shares_and_the_worst_pair():
    text = confusion_section(confusion(FOUND, 3), ["a", "b", "c"]).content
    assert 'title="b taken for a: 2 images, 66.7%">2</td>' in text
    assert "<b>b</b> taken for <b>a</b>: 2 times" in text
    assert '<td class="right">33.3%</td>' in text


def test_a_matrix_without_mistakes_says_so():
    assert "There are no mistakes." in confusion_section(np.eye(2, dtype=int), "ab")[2]


def test_feature_maps_of_a_convolution_that_flattens_are_found():
    data = dataset(size=6)
    model = nn.serial(nn.Conv2D(3, 3, flatten=True), nn.Dense(2))
    plain = nn.serial(nn.Conv2D(3, 3), nn.Flatten(), nn.Dense(2))
    params = params_of(model, data)
    pixels = data.test[0][0]
    sections = [
        maps_section(one, params, pixels, "x", SCALING, "conv1")
        for one in (model, plain)
    ]
    assert sections[0].content == sections[1].content


def test_the_first_convolution_is_found_inside_other_layers():
    inner = nn.residual(nn.Conv2D(1, 3))
    steps = list(nn.walk.walk(nn.serial(nn.Tanh(), inner), (1, 6, 6)))
    assert first_convolution(steps) == "residual1/conv1"
    assert first_convolution(list(nn.walk.walk(dense_model(), (1, 6, 6)))) is None
