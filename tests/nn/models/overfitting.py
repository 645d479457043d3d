"""Train a model on a few images of noise until it knows them by heart."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxconv import nn
from jaxconv.nn.layer import Layer

UNOPTIMISED = {  # compilation takes most of the time
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
}
IMAGES = 64
CHECK_EVERY = 10

_jit = functools.partial(jax.jit, compiler_options=UNOPTIMISED)


def steps_to_overfit(
    model: Layer,
    shape: tuple[int, ...],
    *,
    classes: int = 4,
    learning_rate: float = 3e-3,
    most: int = 400,
) -> int:
    """Return after how many steps all images are classified correctly, or raise.

    Adam, all images in each step; inference uses the running statistics. A model of two
    outputs learns a number besides, from its second.
    """
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((IMAGES, *shape), np.float32))
    labels = jnp.asarray(rng.integers(0, classes, IMAGES))
    targets = jnp.asarray(rng.choice([-1, 1], (IMAGES, 1)), jnp.float32)
    optimizer = optax.adam(learning_rate)

    def loss_of(learned, statistics, key):
        params = nn.merge_statistics(learned, statistics)
        y, params = nn.update(model, params, x, key=key)
        loss = jnp.float32(0)
        if isinstance(y, tuple):
            y, value = y
            loss = jnp.mean((value - targets) ** 2)
        loss += nn.softmax_cross_entropy(y, labels)
        return loss, nn.split_statistics(params)[1]

    @_jit
    def step(learned, statistics, opt_state, key):
        grad = jax.value_and_grad(loss_of, has_aux=True)
        (loss, statistics), grads = grad(learned, statistics, key)
        with jax.numpy_dtype_promotion("standard"):  # optax's adam mixes its types
            updates, opt_state = optimizer.update(grads, opt_state, learned)
        learned = optax.apply_updates(learned, updates)
        return learned, statistics, opt_state, loss

    @_jit
    def count_right(learned, statistics):
        y = model.apply(nn.merge_statistics(learned, statistics), x)
        values_right = True
        if isinstance(y, tuple):
            y, value = y
            values_right = jnp.sign(value)[:, 0] == targets[:, 0]
        return jnp.sum((jnp.argmax(y, 1) == labels) & values_right)

    key = jax.random.key(0)
    params = _jit(lambda key: model.init(key, shape)[1])(key)
    learned, statistics = nn.split_statistics(params)
    opt_state = optimizer.init(learned)
    right = 0
    for done in range(1, most + 1):
        key, step_key = jax.random.split(key)
        learned, statistics, opt_state, loss = step(
            learned, statistics, opt_state, step_key
        )
        if done % CHECK_EVERY == 0:
            right = int(count_right(learned, statistics))
            if right == IMAGES:
                return done
    raise AssertionError(f"{right} of {IMAGES} after {most} steps, loss {loss}")
