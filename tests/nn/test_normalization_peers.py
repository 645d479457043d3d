"""Normalising layers compute what PyTorch's and Flax's do, gradients included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxconv import nn
from jaxconv.nn.batch_norm import BatchNorm
from jaxconv.nn.local_response import LocalResponseNorm
from jaxconv.nn.normalization import GroupNorm, LayerNorm
from tests.nn.draws import normals

KEY = jax.random.key(0)


@pytest.mark.extras
@pytest.mark.parametrize("space", [(), (5,), (4, 3), (3, 2, 2)], ids=str)
def test_batch_norm_trains_as_pytorchs(space):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    kind = getattr(torch.nn, f"BatchNorm{max(1, len(space))}d")
    theirs = kind(3, momentum=0.3, dtype=torch.float64)
    sgd = torch.optim.SGD(theirs.parameters(), 0.1)
    with jax.enable_x64(True):
        ours = BatchNorm(momentum=0.3)
        params = jax.tree.map(
            lambda leaf: leaf.astype(jnp.float64), ours.init(KEY, (3, *space))[1]
        )

        def loss(learned, statistics, x, g):
            y, after = ours.update(nn.merge_statistics(learned, statistics), x)
            return (y * g).sum(), (y, after["statistics"])

        step = jax.jit(jax.value_and_grad(loss, argnums=(0, 2), has_aux=True))
        for i in range(20):
            x = rng.normal(i, 1 + i, (4, 3, *space))
            g = rng.normal(size=x.shape)
            learned, kept = nn.split_statistics(params)
            (_, (y, statistics)), (grads, x_grad) = step(
                learned, kept, jnp.array(x), jnp.array(g)
            )
            params = jax.tree.map(lambda p, d: p - 0.1 * d, learned, grads)
            params["statistics"] = statistics
            their_x = torch.tensor(x, requires_grad=True)
            their_y = theirs(their_x)
            sgd.zero_grad()
            (their_y * torch.tensor(g)).sum().backward()
            sgd.step()
            pairs = {
                "y": (y, their_y),
                "x's gradient": (x_grad, their_x.grad),
                "scale": (params["scale"], theirs.weight),
                "shift": (params["shift"], theirs.bias),
                "mean": (statistics["mean"], theirs.running_mean),
                "variance": (statistics["variance"], theirs.running_var),
            }
            for name, (mine, other) in pairs.items():
                np.testing.assert_allclose(
                    mine, other.detach().numpy(), rtol=1e-10, atol=1e-10, err_msg=name
                )
        theirs.eval()
        np.testing.assert_allclose(
            ours.apply(params, jnp.array(x)),
            theirs(torch.tensor(x)).detach().numpy(),
            rtol=1e-10,
            atol=1e-10,
        )


@pytest.mark.extras
def test_batch_norm_is_flaxs_but_for_the_running_variance():
    linen = pytest.importorskip("flax.linen")
    x = normals(4, 3, 5, 2)
    theirs = linen.BatchNorm(use_running_average=False, momentum=0.9, axis=1)
    variables = theirs.init(KEY, x)
    expected, changed = theirs.apply(variables, x, mutable=["batch_stats"])
    _, params = BatchNorm().init(KEY, (3, 5, 2))
    y, after = BatchNorm().update(params, x)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    mean, biased = changed["batch_stats"]["mean"], changed["batch_stats"]["var"]
    np.testing.assert_allclose(after["statistics"]["mean"], mean, rtol=1e-5, atol=1e-7)
    unbiased = 0.9 + (biased - 0.9) * 40 / 39
    np.testing.assert_allclose(after["statistics"]["variance"], unbiased, rtol=1e-5)


@pytest.mark.extras
@pytest.mark.parametrize("name", ["group", "one group", "pixel", "local response"])
def test_normalisation_is_pytorchs(name):
    torch = pytest.importorskip("torch")
    ours, theirs = {
        "group": (GroupNorm(2), torch.nn.GroupNorm(2, 4)),
        "one group": (GroupNorm(1), torch.nn.LayerNorm((4, 5, 3))),
        "pixel": (LayerNorm(), torch.nn.LayerNorm(4)),
        "local response": (
            LocalResponseNorm(3, alpha=0.3, beta=0.6, k=1.5),
            torch.nn.LocalResponseNorm(3, 0.3, 0.6, 1.5),
        ),
    }[name]
    _, params = ours.init(KEY, (4, 5, 3))
    x, g = normals(2, 4, 5, 3), normals(2, 4, 5, 3, seed=1)
    their_x = torch.tensor(np.asarray(x), requires_grad=True)
    last = name == "pixel"
    moved = their_x.movedim(1, -1) if last else their_x
    expected = theirs(moved).movedim(-1, 1) if last else theirs(moved)
    (expected * torch.tensor(np.asarray(g))).sum().backward()
    y, pull = jax.vjp(lambda x: ours.apply(params, x), x)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(pull(g)[0], their_x.grad.numpy(), rtol=1e-4, atol=1e-5)
