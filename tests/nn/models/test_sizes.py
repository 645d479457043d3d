"""The networks' sizes are their papers', and their params' paths read as they do."""

import math

import jax
import pytest

from jaxconv.nn import models
from jaxconv.nn.describe import describe
from jaxconv.nn.layer import eval_shape
from jaxconv.nn.statistics import split_statistics
from tests.tiers import fast

IMAGE = (3, 32, 32)
LARGE = (3, 224, 224)
BOARD = (17, 19, 19)
SIZES = {
    "lenet5": (models.lenet5(), (1, 28, 28), (10,), 61_706),
    "lenet5 at 32": (models.lenet5(padding=0), (1, 32, 32), (10,), 61_706),
    "lenet5 normalised": (
        models.lenet5(batch_norm=True, pooling="max"),
        (1, 28, 28),
        (10,),
        61_728,
    ),
    "alexnet": (models.alexnet(), (3, 227, 227), (1000,), 60_965_224),
    "alexnet ungrouped": (
        models.alexnet(groups=1),
        (3, 227, 227),
        (1000,),
        62_378_344,
    ),
    "alexnet_small": (models.alexnet_small(), IMAGE, (10,), 1_842_570),
    "vgg_small": (models.vgg_small(), (1, 28, 28), (10,), 101_050),
    "resnet20": (models.resnet(20), IMAGE, (10,), 269_722),
    "resnet32": (models.resnet(32), IMAGE, (10,), 464_154),
    "resnet56": (models.resnet(56), IMAGE, (10,), 853_018),
    "resnet50": (models.resnet50(), LARGE, (1000,), 25_557_032),
    "densenet": (models.densenet(100, growth=12), IMAGE, (10,), 769_162),
    "mobilenet": (models.mobilenet(), LARGE, (1000,), 4_231_976),
    "octave_resnet20": (models.octave_resnet(20), IMAGE, (10,), 269_722),
    "octave_resnet56": (models.octave_resnet(56, alpha=0.5), IMAGE, (10,), 853_018),
    "octave_resnet50": (models.octave_resnet50(), LARGE, (1000,), 25_557_032),
    "board_tower19": (models.board_tower(), BOARD, ((362,), (1,)), 22_827_877),
    "board_tower39": (models.board_tower(39), BOARD, ((362,), (1,)), 46_441_317),
}
MORE = ("octave_resnet56", "octave_resnet50", "board_tower39")
FOR_MNIST = {
    "alexnet_small": models.alexnet_small(),
    "chapter5": models.chapter5(),
    "densenet": models.densenet(22),
    "lenet5": models.lenet5(),
    "mobilenet": models.mobilenet(num_classes=10),
    "octave_resnet": models.octave_resnet(),
    "resnet": models.resnet(),
    "vgg_small": models.vgg_small(),
}


@pytest.mark.parametrize(
    "name", fast(SIZES, *(name for name in SIZES if name not in MORE))
)
def test_a_model_has_its_papers_size(name):
    model, shape, output, size = SIZES[name]
    found, params = eval_shape(model, shape)
    learned, _ = split_statistics(params)
    assert found == output
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(learned)) == size


@pytest.mark.parametrize("model", FOR_MNIST.values(), ids=FOR_MNIST)
def test_a_model_takes_an_image_of_mnist(model):
    assert eval_shape(model, (1, 28, 28))[0] == (10,)


def test_mobilenets_multiply_adds_are_the_papers():
    total = describe(models.mobilenet(), LARGE).total
    assert total.multiply_adds == 568_740_352


@pytest.mark.exhaustive
def test_an_inner_octave_convolution_costs_its_share():
    def cost(model, path):
        rows = describe(model, LARGE).rows
        return sum(row.multiply_adds for row in rows if f"{row.path}/".startswith(path))

    plain = cost(models.resnet50(), "stage2/block2/conv2/")
    octave = cost(models.octave_resnet50(alpha=0.5), "stage2/block2/octconv2/")
    assert plain == 115_605_504
    assert octave == (1 - 0.75 * 0.5 * (2 - 0.5)) * plain


PATHS = {
    "lenet5": (models.lenet5(), (1, 28, 28), "conv2/bias"),
    "resnet": (models.resnet(8), IMAGE, "stage2/block1/conv1/filters"),
    "resnet50": (models.resnet50(), LARGE, "stage4/block1/shortcut/conv1/filters"),
    "densenet": (models.densenet(10), IMAGE, "block3/layer1/conv2/filters"),
    "transition": (models.densenet(10), IMAGE, "transition2/conv1/filters"),
    "mobilenet": (models.mobilenet(), LARGE, "block13/depthwise1/filters"),
    "octave": (
        models.octave_resnet(8),
        IMAGE,
        "stage1/block1/octconv1/low/from_high/conv1/filters",
    ),
    "board_tower": (models.board_tower(), BOARD, "heads/value/dense2/bias"),
}


@pytest.mark.parametrize(("model", "shape", "path"), PATHS.values(), ids=PATHS)
def test_a_parameters_path_reads_as_the_model_does(model, shape, path):
    _, params = eval_shape(model, shape)
    for name in path.split("/"):
        params = params[name]
    assert params.shape


def test_an_error_inside_names_the_path():
    with pytest.raises(ValueError, match=r"^stage2/block1/octconv1: OctConv2D: .*"):
        eval_shape(models.octave_resnet(8), (1, 2, 2))
