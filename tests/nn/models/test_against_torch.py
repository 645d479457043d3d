"""The first forward of each network equals the same one's in PyTorch.

Weights go there by `to_torch` and come back by `from_torch`.
"""

import copy
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.nn import models
from jaxconv.nn.layer import eval_shape
from tests.nn.models.overfitting import UNOPTIMISED

torch = pytest.importorskip("torch")

from scripts import _twins as twins  # noqa: E402

pytestmark = [pytest.mark.extras, pytest.mark.exhaustive]

MODELS = {  # ours, PyTorch's, the shape of a batch
    "lenet5": (models.lenet5(), twins.lenet5, (3, 1, 28, 28)),
    "alexnet": (models.alexnet(), twins.alexnet, (1, 3, 227, 227)),
    "alexnet_small": (models.alexnet_small(), twins.alexnet_small, (3, 1, 28, 28)),
    "vgg_small": (models.vgg_small(), twins.vgg_small, (3, 1, 28, 28)),
    "resnet": (models.resnet(14), lambda: twins.resnet(14, 3), (4, 3, 20, 15)),
    "resnet50": (
        models.resnet50(width=8),
        lambda: twins.resnet50(8),
        (3, 3, 65, 64),
    ),
    "densenet": (
        models.densenet(16, growth=6),
        lambda: twins.densenet(16, 6, 1),
        (4, 1, 13, 12),
    ),
    "mobilenet": (
        models.mobilenet(0.25),
        lambda: twins.mobilenet(0.25),
        (3, 3, 64, 95),
    ),
    "octave_resnet": (
        models.octave_resnet(14, alpha=0.25),
        lambda: twins.octave_resnet(14, 0.25, 1),
        (4, 1, 28, 20),
    ),
    "octave_resnet50": (
        models.octave_resnet50(alpha=0.5, width=8),
        lambda: twins.octave_resnet50(8, 0.5),
        (3, 3, 64, 96),
    ),
    "board_tower": (
        models.board_tower(2, 8, 5, 82),
        lambda: twins.Tower(2, 8, 5, 81, 82),
        (4, 5, 9, 9),
    ),
}


def draw_params(model, shape, rng):
    """Draw all params, those too that `init` leaves at 0 or 1."""

    def draw(path, leaf):
        name = path[-1].key
        if name in ("filters", "weights"):
            fan_in = leaf.size // leaf.shape[1]
            return rng.standard_normal(leaf.shape, "f4") * np.float32(
                (2 / fan_in) ** 0.5
            )
        around = 1 if name in ("scale", "variance") else 0
        return rng.uniform(around - 0.4, around + 0.4, leaf.shape).astype("f4")

    return jax.tree_util.tree_map_with_path(draw, eval_shape(model, shape)[1])


def assert_close(ours, theirs, exact):
    """Hold ours to 2e-5 of the largest number, or to twice PyTorch's own error.

    In a deep network two results in float32 differ by more than 2e-5.
    """
    exact = exact.numpy()
    largest = np.abs(exact).max()
    assert largest > 0
    worst, torchs = (
        np.abs(np.asarray(found) - exact).max() / largest
        for found in (ours, theirs.detach())
    )
    assert worst < max(2e-5, 2 * torchs)


def as_tuple(y):
    return y if isinstance(y, tuple) else (y,)


@pytest.mark.parametrize(("model", "make_twin", "shape"), MODELS.values(), ids=MODELS)
def test_the_first_forward_is_that_in_pytorch(model, make_twin, shape, rng):
    params = draw_params(model, shape[1:], rng)
    twin = make_twin()
    state = nn.to_torch(model, params, shape[1:], like=twin.state_dict())
    twin.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    back = nn.from_torch(model, twin.state_dict(), shape[1:])
    jax.tree.map(np.testing.assert_array_equal, back, params)
    x = rng.standard_normal(shape, np.float32)

    @functools.partial(jax.jit, compiler_options=UNOPTIMISED)
    def both(params, x):
        return model.apply(params, x), nn.update(model, params, x)

    inference, (training, params_after) = both(params, jnp.asarray(x))
    double, images = copy.deepcopy(twin).double(), torch.from_numpy(x)
    with torch.no_grad():
        expected = twin.eval()(images), double.eval()(images.double())
        expected_training = twin.train()(images), double.train()(images.double())
    for ours, theirs in ((inference, expected), (training, expected_training)):
        for each in zip(as_tuple(ours), *map(as_tuple, theirs), strict=True):
            assert_close(*each)
    expected = nn.from_torch(model, twin.state_dict(), shape[1:])
    _, statistics = nn.split_statistics(params_after)
    for ours, theirs in zip(
        *map(jax.tree.leaves, (statistics, nn.split_statistics(expected)[1])),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)
