"""Devices that share batches: the numbers of one device, and what goes between them."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxconv import nn
from jaxconv.data import Dataset
from jaxconv.nn import models
from jaxconv.train import Config, PlainLines, fit, init_state, make_step
from jaxconv.train.batches import Batches
from jaxconv.train.devices import Devices
from jaxconv.train.scaling import Scaling
from jaxconv.train.step import make_count_correct
from tests.tiers import fast

STEPS = 4
SMALL = nn.serial(
    nn.Conv2D(3, (2, 3), activation=jax.nn.relu),
    nn.BatchNorm(),
    nn.MaxPool(2),
    nn.Flatten(),
    nn.Dropout(0.7),
    nn.Dense(4),
)
MODELS = {
    "chapter5": models.chapter5,
    "resnet8": functools.partial(models.resnet, 8),
}


def split_of(count, shape, classes):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    return images, rng.integers(0, classes, count, dtype=np.int32)


def wide(tree):
    """Return the tree with float64 in place of float32."""
    return jax.tree.map(
        lambda leaf: leaf.astype(jnp.float64) if leaf.dtype == jnp.float32 else leaf,
        tree,
    )


def trained(model, split, batch_size, count):
    """Train some steps in float64 on `count` devices; return state, losses, HLO."""
    devices = Devices(count)
    batches = Batches(split, Scaling(120.0, 70.0), batch_size, devices)
    optimizer = optax.sgd(0.05, momentum=0.9)
    first = init_state(model, optimizer, split[0].shape[1:], seed=1)
    params = wide(first.params)
    opt_state = optimizer.init(nn.split_statistics(params)[0])
    state = first._replace(params=params, opt_state=opt_state)
    state = devices.replicate(state)
    step, losses = make_step(model, optimizer, sharding=devices.whole), []
    for number in range(STEPS):
        images, labels, mask, _ = batches.at(number, seed=2)
        state, metrics = step(state, wide(images), labels, mask)
        losses.append(metrics)
    return jax.device_get((state.params, state.opt_state, losses))


@pytest.fixture
def float64():
    """Allow float64 in all threads: XLA's own ask the convolutions how to be cut."""
    jax.config.update("jax_enable_x64", True)
    with jax.numpy_dtype_promotion("standard"):  # labels are int32, argmax int64
        yield
    jax.config.update("jax_enable_x64", False)


def check_equal_to_one_device(model, split, batch_size):
    one, eight = (trained(model, split, batch_size, n) for n in (1, 8))
    for found, wanted in zip(*map(jax.tree.leaves, (eight, one)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_eight_devices_train_as_one_does():
    # 12 rows are filled up to 16; of 44 images, the fourth batch has 8
    check_equal_to_one_device(SMALL, split_of(44, (1, 6, 7), 4), 12)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("name", "batch_size"), [("resnet8", 60), ("chapter5", 64)])
def test_eight_devices_train_a_model_as_one_does(name, batch_size):
    split = split_of(batch_size * 4, (1, 28, 28), 10)
    check_equal_to_one_device(MODELS[name](), split, batch_size)


# What goes between the devices


def collectives(model, images, batch_size, shape=(1, 28, 28)):
    """Return (operation, types of its results) of each that joins eight devices."""
    devices, optimizer = Devices(8), optax.sgd(0.01, momentum=0.9)
    split = split_of(images, shape, 10)
    batch = Batches(split, Scaling(0.0, 1.0), batch_size, devices).at(0, seed=0)
    state = devices.replicate(init_state(model, optimizer, shape, seed=0))
    step = make_step(model, optimizer, sharding=devices.whole).__wrapped__
    text = step.lower(state, *batch[:3]).compile().as_text()
    kinds = "all-reduce|all-gather|all-to-all|reduce-scatter|collective-[a-z]+"
    lines = re.findall(rf" = (.*?) ({kinds})(?:-start)?\(", text)
    types = r"([a-z]+\d+)\[([\d,]*)\]"
    return [(name, re.findall(types, results)) for results, name in lines]


def of_gradients(found):
    """Return those that carry an array of two axes or more: no count, no mean."""
    return [one for one in found if any(shape.count(",") for _, shape in one[1])]


GRADIENTS = ["1,32,5,5", "10", "10,4608"]


@pytest.mark.parametrize("batch_size", fast([24, 20], 20))
def test_one_all_reduce_carries_the_gradients(batch_size):
    *before, (name, results) = collectives(
        models.chapter5(), 240, batch_size, shape=(1, 12, 12)
    )
    # rows that do not count have to be counted before there are gradients
    assert [name for name, _ in before] == ["all-reduce"] * (batch_size % 8 > 0)
    assert all(shape == "" for _, results in before for _, shape in results)
    assert name == "all-reduce"
    shapes = [shape for _, shape in results]
    assert [shape for shape in shapes if shape] == GRADIENTS  # beside loss, accuracy


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["chapter5", "resnet8"])
def test_no_model_gathers_the_batch(name):
    model = MODELS[name]()
    found = collectives(model, 640, batch_size=60)
    assert {name for name, _ in found} == {"all-reduce"}
    (gradients,) = of_gradients(found)
    learned, _ = nn.split_statistics(nn.eval_shape(model, (1, 28, 28))[1])
    large = [leaf for leaf in jax.tree.leaves(learned) if leaf.ndim > 1]
    assert sum(shape.count(",") > 0 for _, shape in gradients[1]) == len(large)


# Rows, validation, the loop


@pytest.mark.parametrize("count", [1, 3, 8])
def test_rows_are_filled_up_to_what_all_devices_share(count):
    devices = Devices(count)
    rows = devices.padded(10)
    assert rows % count == 0
    assert 10 <= rows < 10 + count
    np.testing.assert_array_equal(devices.own(np.arange(rows)), np.arange(rows))
    if count > 1:
        parts = devices.share(np.arange(rows)).addressable_shards
        assert [len(part.data) for part in parts] == [rows // count] * count


def test_validation_counts_each_image_once():
    split = split_of(29, (1, 6, 7), 4)
    _, params = SMALL.init(jax.random.key(0), (1, 6, 7))
    found = []
    for count in (1, 8):
        devices = Devices(count)
        count_correct = make_count_correct(SMALL, devices.whole)
        batches = Batches(split, Scaling(120.0, 70.0), 10, devices).in_order()
        params = devices.replicate(params)
        found.append([int(count_correct(params, *one[:3])[0]) for one in batches])
    assert found[0] == found[1]


@pytest.mark.exhaustive
def test_the_loop_trains_on_several_devices():
    data = Dataset(
        split_of(44, (1, 6, 7), 4), split_of(9, (1, 6, 7), 4), (*"abcd",), ""
    )
    found, quiet = [], PlainLines(lambda line: None)
    for count in (1, 0):
        config = Config(batch_size=10, devices=count, learning_rate=0.1, microbatches=1)
        found.append(fit(SMALL, data, config, quiet))
    one, eight = found
    assert eight.accuracy == one.accuracy
    assert {len(leaf.devices()) for leaf in jax.tree.leaves(eight.params)} == {8}
    for pair in zip(*map(jax.tree.leaves, (eight.params, one.params)), strict=True):
        np.testing.assert_allclose(*pair, rtol=1e-4, atol=1e-5)


def test_more_devices_than_there_are_is_one_line():
    message = (
        r"devices must be at most 8, as JAX sees 8 devices here, got 9\. 0 takes all\. "
        r"JAX_NUM_CPU_DEVICES=9 makes that many of one processor\.$"
    )
    with pytest.raises(ValueError, match=message):
        Devices(9)
